"""`fedinmm`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import AboveZero, NotNegative, Positive, TorchFuserParams
from bench.workload import Workload, training_seconds


class FedInMMParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An LSTM per modality and two gates over all."""

    width: Annotated[Positive, msgspec.Meta(description="Width of the LSTMs and of a modality's representation.")] = 128
    hidden: Annotated[
        Positive, msgspec.Meta(description="Width of the first layer over each bin; the second is twice as wide.")
    ] = 256
    fine: Annotated[Positive, msgspec.Meta(description="Width of the gate of each modality.")] = 64
    coarse: Annotated[Positive, msgspec.Meta(description="Width of the gate that modalities share.")] = 32
    epochs: Positive = 210
    batch_size: Positive = 32
    learning_rate: AboveZero = 1e-3
    clip: NotNegative = 0.0
    patience: Annotated[int, msgspec.Meta(ge=0)] = 0


def fedinmm_seconds(params: FedInMMParams, work: Workload) -> float:
    """Of the LSTMs, which cost most."""
    series = len(work.channels)
    return training_seconds(params, work, step=1e-2 * series, visit=2e-3 * series * (params.width / 128) ** 1.5)


def register(registry: Registry) -> None:
    """Declare `fedinmm`."""
    registry.fuser(
        "fedinmm",
        "bench_fusers.fedinmm.fuser:FedInMM",
        params=FedInMMParams,
        summary="an LSTM per modality; a gate of each modality and one of all weigh what they read",
        paper="FedInMM, as in the public code of Zheng, Kan, Wang, Chen and Wang, CondI, CVPR 2026 workshop FedVision",
        tags={"torch", "learner"},
        randomness="seeded",
        seconds=fedinmm_seconds,
        space={"learning_rate": (3e-4, 1e-3, 3e-3), "width": (32, 64, 128)},
        test_params={
            "width": 16,
            "hidden": 16,
            "fine": 8,
            "coarse": 8,
            "epochs": 20,
            "batch_size": 16,
            "learning_rate": 5e-3,
        },
    )
