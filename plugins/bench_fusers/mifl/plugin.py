"""`mifl-like`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import IN_LABEL, AboveZero, NotNegative
from bench_fusers.extractor_params import extractor_seconds
from bench_fusers.fedmsplit.plugin import FedMSplitParams


class MIFLParams(FedMSplitParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Blocks by modality, embeddings of presence and absence, a contrastive loss."""

    contrast: Annotated[
        NotNegative,
        IN_LABEL,
        msgspec.Meta(description="Weight of the contrastive loss; 0 = none. A regression has none."),
    ] = 5.0
    temperature: Annotated[
        AboveZero, msgspec.Meta(description="By which cosines are divided in the contrastive loss.")
    ] = 1.0


def register(registry: Registry) -> None:
    """Declare `mifl-like`."""
    registry.fuser(
        "mifl-like",
        "bench_fusers.mifl.fuser:MIFL",
        params=MIFLParams,
        summary="an extractor per modality and embeddings of presence; mixtures for each client as in fedmsplit-like",
        paper="MIFL, as in the public code of Zheng, Kan, Wang, Chen and Wang, CondI, CVPR 2026 workshop FedVision; neither "
        "its paper nor its authors' code was read",
        tags={"torch", "learner"},
        without_noise=("own",),
        randomness="seeded",
        seconds=extractor_seconds,
        space={"learning_rate": (3e-3, 1e-2, 2e-2), "contrast": (0.0, 1.0, 5.0)},
        test_params={
            "extractor": "small",
            "width": 16,
            "hidden": 16,
            "epochs": 6,
            "batch_size": 16,
            "learning_rate": 0.05,
        },
    )
