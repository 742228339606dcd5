"""`fedmm-like`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import IN_LABEL, NotNegative
from bench_fusers.extractor_params import ExtractorParams, extractor_seconds


class FedMMParams(ExtractorParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An extractor and a linear head per modality, drawn to prototypes of classes."""

    pull: Annotated[
        NotNegative,
        IN_LABEL,
        msgspec.Meta(
            description="Largest weight of the distance to a prototype, reached after a third of the rounds; 0 = no prototypes."
        ),
    ] = 1.0


def register(registry: Registry) -> None:
    """Declare `fedmm-like`."""
    registry.fuser(
        "fedmm-like",
        "bench_fusers.fedmm.fuser:FedMM",
        params=FedMMParams,
        summary="an extractor and a head per modality, averaged by their owners and drawn to shared prototypes of classes",
        paper="after Peng, Bian and Xu, FedMM, ICASSP 2024 (arXiv 2402.15858); the authors' code was not read",
        tags={"torch", "learner"},
        without_noise=("buffer", "own"),
        randomness="seeded",
        seconds=extractor_seconds,
        space={"learning_rate": (3e-3, 1e-2, 3e-2), "pull": (0.1, 1.0)},
        test_params={"extractor": "small", "width": 16, "epochs": 6, "batch_size": 16, "learning_rate": 0.05},
    )
