"""`fedmsplit-like`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import IN_LABEL, NotNegative, Positive
from bench_fusers.extractor_params import ExtractorParams, extractor_seconds


class FedMSplitParams(ExtractorParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Blocks by modality and a classifier of their sum."""

    proximal: Annotated[
        NotNegative,
        IN_LABEL,
        msgspec.Meta(description="Weight of the squared distance to the received weights, from the second round on."),
    ] = 0.01
    hidden: Annotated[Positive, msgspec.Meta(description="Width of the classifier's hidden layer.")] = 128


def register(registry: Registry) -> None:
    """Declare `fedmsplit-like`."""
    registry.fuser(
        "fedmsplit-like",
        "bench_fusers.fedmsplit.fuser:FedMSplit",
        params=FedMSplitParams,
        summary="an extractor per modality, summed; each client is sent a mixture of its own, by attention to others",
        paper="after Chen and Zhang, FedMSplit, KDD 2022, as in the public code of CondI; the authors' code was not read",
        tags={"torch", "learner"},
        without_noise=("own",),
        randomness="seeded",
        seconds=extractor_seconds,
        space={"learning_rate": (3e-3, 8e-3, 1e-2), "proximal": (0.0, 0.01, 0.1)},
        test_params={
            "extractor": "small",
            "width": 16,
            "hidden": 16,
            "epochs": 12,
            "batch_size": 16,
            "learning_rate": 0.05,
        },
    )
