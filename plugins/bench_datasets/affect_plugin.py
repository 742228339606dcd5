"""CMU-MOSI and CMU-MOSEI as they are declared. Light: nothing here reads data."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.cohort import Task
from bench.registry import Registry

FOLDS = "folds"
"""The split that comes with the files: train, valid and test videos."""

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


class MosiParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of CMU-MOSI or CMU-MOSEI is read, and how; see docs/mosi.md. Paths are absolute or relative to data.root.

    file:             the file to read where a folder holds several, or an .npz of features of your own.
    feature_pipeline: what the features were made with; empty: what files of that kind are known for. An .npz must say it.
    zero_rows:        a row of audio or vision that is 0 in all channels, inside a segment, is "missing" or a "value".
    fold_sizes:       "published" refuses folds of other sizes than any published ones, "any" takes them and counts.
    bins:             bins of the grid over a segment, for files whose modalities are not aligned.
    terms:            "accepted": you follow the terms under which you were given the files. Generated files need none.
    samples, generator_seed: size and seed of the stand-in, with data.root=synthetic only (else a warning).
    """

    file: str = ""
    feature_pipeline: str = ""
    zero_rows: Literal["missing", "value"] = "missing"
    fold_sizes: Literal["published", "any"] = "published"
    bins: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    terms: Literal["", "accepted"] = ""
    samples: Annotated[int, msgspec.Meta(ge=60, le=100_000)] = 600
    generator_seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class MoseiParams(MosiParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same of CMU-MOSEI."""


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
            f"bench_datasets.affect:{name.capitalize()}",
            params=params,
            tasks=(task,),
            modalities=("text", "audio", "vision"),
            splits=(FOLDS,),
            files=f"bench_datasets.affect_files:{name}_files",
            generated_records=lambda params: params.samples,
            generate=f"bench_datasets.affect_generate:{name}",
            generate_params=("samples", "generator_seed"),
            indifferent=("terms",),
            release=f"bench_datasets.affect_files:{name}_release",
            verify=f"bench_datasets.affect_verify:{name}",
            seconds=2.0,
            expected_failures={
                "sources_followed": "it starts a module of its own package, which its imports lead to as well"
            },
            summary=summary,
            paper=paper,
        )
