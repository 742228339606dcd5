"""`fedmm-like`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.registry import Registry
from bench.train_params import IN_LABEL, AboveZero, NotNegative, Positive, TorchFuserParams
from bench.workload import Workload, training_seconds


class FedMMParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An extractor and a linear head per modality, drawn to prototypes of classes."""

    pull: Annotated[
        NotNegative,
        IN_LABEL,
        msgspec.Meta(
            description="Largest weight of the distance to a prototype, reached after a third of the rounds; 0 = no prototypes."
        ),
    ] = 1.0
    extractor: Annotated[
        Literal["inception", "small"],
        IN_LABEL,
        msgspec.Meta(description="CondI's Inception network, or the two convolutions by which it reads its context."),
    ] = "inception"
    width: Annotated[Positive, msgspec.Meta(description="Width of the representation of a modality, D.")] = 128
    filters: Annotated[
        Annotated[int, msgspec.Meta(ge=2)], msgspec.Meta(description="Width of the convolutions of `inception`.")
    ] = 32
    epochs: Positive = 210
    batch_size: Positive = 32
    learning_rate: AboveZero = 1e-2
    optimizer: Literal["adam", "adamw", "sgd"] = "sgd"
    clip: NotNegative = 0.0
    patience: Annotated[int, msgspec.Meta(ge=0)] = 0


def fedmm_seconds(params: FedMMParams, work: Workload) -> float:
    """Of the extractors, which are those of `condi-head`."""
    series = len(work.channels)
    if params.extractor == "small":
        return training_seconds(params, work, step=2e-3 * series, visit=1e-4 * series)
    return training_seconds(params, work, step=2e-2 * series, visit=5e-3 * series * (params.filters / 32) ** 2)


def register(registry: Registry) -> None:
    """Declare `fedmm-like`."""
    registry.fuser(
        "fedmm-like",
        "bench_fusers.fedmm.fuser:FedMM",
        params=FedMMParams,
        summary="an extractor and a head per modality, averaged by their owners and drawn to shared prototypes of classes",
        paper="after Peng, Bian and Xu, FedMM, ICASSP 2024 (arXiv 2402.15858); the authors' code was not read",
        tags={"torch", "learner"},
        randomness="seeded",
        seconds=fedmm_seconds,
        space={"learning_rate": (3e-3, 1e-2, 3e-2), "pull": (0.1, 1.0)},
        test_params={"extractor": "small", "width": 16, "epochs": 6, "batch_size": 16, "learning_rate": 0.05},
    )
