"""`mimic4`, declared. Light: nothing here reads data."""

from __future__ import annotations

from bench.cohort import Task
from bench.registry import Embedder, Registry
from bench_datasets.metrics import CLASSIFICATION
from bench_datasets.mimic4.params import CARE_UNIT, CxrEmbedParams, EcgEmbedParams, Mimic4Params


def register(registry: Registry) -> None:
    """Declare `mimic4`."""
    registry.dataset(
        "mimic4",
        "bench_datasets.mimic4.dataset:Mimic4",
        params=Mimic4Params,
        tasks=(
            Task(
                "ihm48",
                "binary",
                CLASSIFICATION,
                summary="death before leaving the hospital; ICU stays of 2 days or more",
                eligible=0.5,
            ),
            Task(
                "los48",
                "binary",
                CLASSIFICATION,
                summary="leaves the ICU before hour 96 and the hospital alive; same stays",
                eligible=0.5,
            ),
            Task(
                "los3",
                "binary",
                CLASSIFICATION,
                summary="more than 3 days in the ICU; same stays",
                eligible=0.5,
            ),
            Task(
                "phe25",
                "multilabel",
                CLASSIFICATION[:4],
                outputs=25,
                summary="25 groups of billing codes; every ICU stay",
            ),
        ),
        modalities=("vitals", "notes", "cxr", "ecg"),
        columns=(CARE_UNIT,),
        files="bench_datasets.mimic4.files:files",
        release="bench_datasets.mimic4.release:release",
        generated_records=lambda params: params.stays,
        channels=lambda params: {"vitals": 30, "notes": params.note_channels, "cxr": 32, "ecg": 16},
        embed={
            "cxr": Embedder(
                "bench_datasets.mimic4.embed.embedder:cxr",
                CxrEmbedParams,
                "the JPEG files of a folder of MIMIC-CXR-JPG",
            ),
            "ecg": Embedder(
                "bench_datasets.mimic4.embed.embedder:ecg",
                EcgEmbedParams,
                "the WFDB records of a folder of MIMIC-IV-ECG",
            ),
        },
        fetch="bench_datasets.mimic4.fetch:fetch",
        fetch_name="mimic4-demo",
        generate="bench_datasets.mimic4.generate.generator:from_params",
        generate_params=("stays", "generator_seed"),
        verify="bench_datasets.mimic4.verify:verify",
        tags=("uses_split",),
        seconds=3.0,
        summary="MIMIC-IV 2.2 or 3.1: ICU stays, 30 bedside variables, radiology reports, prepared CXR and ECG embeddings",
        paper=(
            "Johnson, Bulgarelli, Shen, Gayles, Shammout, Horng, Pollard, Hao, Moody, Gow, Lehman, Celi, Mark. "
            "MIMIC-IV, a freely accessible electronic health record dataset. Scientific Data 10:1, 2023"
        ),
    )
