"""`fedmac-like`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import IN_LABEL, AboveZero, NotNegative, Positive
from bench_fusers.extractor_params import ExtractorParams, extractor_seconds


class FedMACParams(ExtractorParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An encoder that modalities share, embeddings of absent ones, a contrastive loss."""

    contrast: Annotated[
        NotNegative, IN_LABEL, msgspec.Meta(description="Weight of the contrastive loss; 0 = none.")
    ] = 0.1
    temperature: Annotated[
        AboveZero,
        msgspec.Meta(description="By which cosines are divided, in the contrastive loss and in what is rebuilt."),
    ] = 0.2
    gate: Annotated[
        Positive, msgspec.Meta(description="Width of the gate between a modality and what rebuilds it.")
    ] = 8
    hidden: Annotated[Positive, msgspec.Meta(description="Width of the classifier's hidden layer.")] = 128


def register(registry: Registry) -> None:
    """Declare `fedmac-like`."""
    registry.fuser(
        "fedmac-like",
        "bench_fusers.fedmac.fuser:FedMAC",
        params=FedMACParams,
        summary="one encoder for all modalities, embeddings for absent ones; others of the same record rebuild each",
        paper="after Nguyen et al., FedMAC, 2024 (arXiv 2410.03070), as in the public code of CondI; the authors' code was "
        "not read",
        tags={"torch", "learner"},
        without_noise=("buffer",),
        randomness="seeded",
        seconds=extractor_seconds,
        space={"learning_rate": (3e-3, 1e-2, 3e-2), "contrast": (0.0, 0.1, 1.0)},
        test_params={
            "extractor": "small",
            "width": 16,
            "gate": 2,
            "hidden": 16,
            "epochs": 6,
            "batch_size": 16,
            "learning_rate": 0.05,
        },
    )
