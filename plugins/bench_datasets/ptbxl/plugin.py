"""PTB-XL, declared. Light: nothing here reads data."""

from __future__ import annotations

from bench.cohort import Task
from bench.registry import Registry
from bench_datasets.ptbxl.params import CHEST, FOLD, LEADS, LIMB, SITE, PtbxlParams

TASKS = (
    Task(
        "diagnosis",
        "multiclass",
        ("accuracy", "f1", "balanced_accuracy", "auroc", "brier"),
        outputs=5,
        summary="one superclass of diagnoses: NORM, MI, STTC, CD or HYP; which of several, parameter `single` says",
    ),
    Task(
        "diagnoses",
        "multilabel",
        ("auroc", "auprc", "f1", "f1_tuned"),
        outputs=5,
        summary="the superclasses NORM, MI, STTC, CD and HYP, each of its own",
    ),
)


def register(registry: Registry) -> None:
    """Declare `ptbxl` and `ptbxl_limb_chest`."""
    for name, class_name, modalities, channels, form in (
        ("ptbxl", "Ptbxl", LEADS, dict.fromkeys(LEADS, 1), "each of the 12 leads a modality"),
        (
            "ptbxl_limb_chest",
            "PtbxlLimbChest",
            ("limb", "chest"),
            {"limb": len(LIMB), "chest": len(CHEST)},
            "limb and chest leads as two modalities",
        ),
    ):
        registry.dataset(
            name,
            f"bench_datasets.ptbxl.dataset:{class_name}",
            params=PtbxlParams,
            tasks=TASKS,
            modalities=modalities,
            channels=lambda params, channels=channels: channels,  # bound now, not when called
            splits=(FOLD,),
            columns=(SITE,),
            files="bench_datasets.ptbxl.files:files",
            release="bench_datasets.ptbxl.release:release",
            fetch="bench_datasets.ptbxl.fetch:fetch",
            fetch_name=name,
            verify="bench_datasets.ptbxl.verify:verify",
            generate="bench_datasets.ptbxl.generate:generate",
            generate_params=("records", "generator_seed"),
            generated_records=lambda params: params.records,
            seconds=3.0,
            summary=f"PTB-XL 1.0.3: 21,799 ECGs of 10 s at 100 Hz with 71 statements in five superclasses; {form}",
            paper=(
                "Wagner, Strodthoff, Bousseljot, Kreiseler, Lunze, Samek, Schaeffter. PTB-XL, a large publicly available "
                "electrocardiography dataset. Scientific Data 7:154, 2020"
            ),
        )
