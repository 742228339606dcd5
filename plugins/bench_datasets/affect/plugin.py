"""CMU-MOSI and CMU-MOSEI, declared. Light: nothing here reads data."""

from __future__ import annotations

from bench.cohort import Task
from bench.registry import Registry
from bench_datasets.affect.params import FOLDS, MoseiParams, MosiParams

METRICS = (
    "mae",
    "corr",
    "acc7",
    "acc5",
    "acc2_neg_pos",
    "f1_neg_pos",
    "acc2_neg_nonneg",
    "f1_neg_nonneg",
    "acc2_nonpos_pos",
    "f1_nonpos_pos",
    "f1_macro_neg_pos",
    "f1_macro_neg_nonneg",
    "f1_macro_nonpos_pos",
)


def register(registry: Registry) -> None:
    """Declare `mosi` and `mosei`."""
    task = Task("sentiment", "regression", METRICS, summary="sentiment of a spoken segment, from -3 to 3")
    for name, params, summary, paper in (
        (
            "mosi",
            MosiParams,
            "CMU-MOSI: 2,199 segments of 93 videos; words, voice, face; prepared features in the files people have",
            "Zadeh, Zellers, Pincus, Morency. Multimodal sentiment intensity analysis in videos: facial gestures and verbal "
            "messages. IEEE Intelligent Systems 31(6), 2016",
        ),
        (
            "mosei",
            MoseiParams,
            "CMU-MOSEI: 22,856 segments of 3,227 videos; words, voice, face; prepared features in the files people have",
            "Zadeh, Liang, Poria, Cambria, Morency. Multimodal language analysis in the wild: CMU-MOSEI dataset and "
            "interpretable dynamic fusion graph. ACL 2018",
        ),
    ):
        registry.dataset(
            name,
            f"bench_datasets.affect.dataset:{name.capitalize()}",
            params=params,
            tasks=(task,),
            modalities=("text", "audio", "vision"),
            splits=(FOLDS,),
            files=f"bench_datasets.affect.files:{name}_files",
            generated_records=lambda params: params.samples,
            channels=lambda params: {"text": 300, "audio": 74, "vision": 35},
            generate=f"bench_datasets.affect.generate:{name}",
            generate_params=("samples", "generator_seed"),
            indifferent=("terms",),
            release=f"bench_datasets.affect.files:{name}_release",
            verify=f"bench_datasets.affect.verify:{name}",
            seconds=2.0,
            expected_failures={
                "sources_followed": "it starts a module of its own package, which its imports lead to as well"
            },
            summary=summary,
            paper=paper,
        )
