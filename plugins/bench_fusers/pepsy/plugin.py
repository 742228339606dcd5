"""`pepsy-like`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import IN_LABEL, AboveZero, NotNegative, Positive
from bench_fusers.extractor_params import ExtractorParams, extractor_seconds


class PepsyParams(ExtractorParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Embeddings of modalities, records and of what is missing, the last from a pool of controls.
    Raises ValueError where the pool holds fewer controls than a record has, or than it may hold.
    """

    pool: Annotated[Positive, msgspec.Meta(description="Controls at the start; merges change their number.")] = 10
    chosen: Annotated[Positive, IN_LABEL, msgspec.Meta(description="Controls of a record, whose mean it has.")] = 3
    contrast: Annotated[
        NotNegative, IN_LABEL, msgspec.Meta(description="Weight of the two contrastive losses, λ; 0 = none.")
    ] = 0.1
    attract: Annotated[
        NotNegative, IN_LABEL, msgspec.Meta(description="Weight of the cosine of controls to their query, η; 0 = none.")
    ] = 0.1
    temperature: Annotated[
        AboveZero, msgspec.Meta(description="By which cosines are divided in the contrastive losses, τ.")
    ] = 0.2
    hidden: Annotated[Positive, msgspec.Meta(description="Width of the classifier's hidden layer.")] = 128
    repeats: Annotated[Positive, msgspec.Meta(description="Passes over the clients in a merge of their pools.")] = 10
    largest: Annotated[Positive, msgspec.Meta(description="Most controls of a merged pool.")] = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.chosen <= self.pool <= self.largest:
            raise ValueError(
                f"chosen={self.chosen}, pool={self.pool}, largest={self.largest}: a record chooses from the pool, and the "
                "pool may grow to the largest; give numbers in this order, equal or rising"
            )


def register(registry: Registry) -> None:
    """Declare `pepsy-like`."""
    registry.fuser(
        "pepsy-like",
        "bench_fusers.pepsy.fuser:Pepsy",
        params=PepsyParams,
        summary="embeddings of modality, record and missing pattern, the last of controls that the server matches",
        paper="after Nguyen et al., PEPSY, NeurIPS 2025 (arXiv 2510.22880); neither the whole paper nor the authors' code "
        "was read",
        tags={"torch", "learner"},
        without_noise=("buffer", "own"),
        randomness="seeded",
        seconds=extractor_seconds,
        space={"learning_rate": (3e-3, 1e-2, 3e-2), "contrast": (0.0, 0.1, 1.0), "attract": (0.0, 0.1, 1.0)},
        test_params={
            "extractor": "small",
            "width": 16,
            "hidden": 16,
            "epochs": 6,
            "batch_size": 16,
            "learning_rate": 0.05,
        },
    )
