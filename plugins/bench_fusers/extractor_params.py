"""Parameters of the fusers that are built on an extractor per modality, light enough to be imported
where they declare themselves.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.train_params import IN_LABEL, AboveZero, NotNegative, Positive, TorchFuserParams
from bench.workload import Workload, training_seconds

__all__ = ["ExtractorParams", "extractor_seconds"]


class ExtractorParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What reads a modality, and the budget of the federated study: 70 rounds of 3 epochs."""

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


def extractor_seconds(params: ExtractorParams, work: Workload) -> float:
    """Of the extractors, which cost most and are those of `condi-head`."""
    series = len(work.channels)
    if params.extractor == "small":
        return training_seconds(params, work, step=2e-3 * series, visit=1e-4 * series)
    return training_seconds(params, work, step=2e-2 * series, visit=5e-3 * series * (params.filters / 32) ** 2)
