"""`gru`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import AboveZero, Positive, Share, TorchFuserParams
from bench.workload import Workload, training_seconds


class GRUParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GRU per modality."""

    hidden: Annotated[Positive, msgspec.Meta(description="Width of each modality's GRU and of the head.")] = 64
    statics: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the statics.")] = 8
    dropout: Annotated[
        Share,
        msgspec.Meta(description="Share dropped of each modality's representation and of the head, while training."),
    ] = 0.5
    batch_size: Positive = 128
    learning_rate: AboveZero = 2e-3
    average: Share = 0.99
    epochs: Positive = 15


def gru_seconds(params: GRUParams, work: Workload) -> float:
    """Measured: every modality has a network of its own."""
    grown = len(work.channels) * (params.hidden / 64) ** 1.2
    return training_seconds(params, work, step=8e-3 * len(work.channels), visit=2.2e-4 * grown)


def register(registry: Registry) -> None:
    """Declare `gru`."""
    registry.fuser(
        "gru",
        "bench_fusers.gru.fuser:GRU",
        params=GRUParams,
        summary="a GRU per modality over values, masks and time gaps, concatenated",
        paper="Cho et al., RNN Encoder-Decoder, 2014; Che et al., RNNs for Time Series with Missing Values, 2018",
        tags={"torch", "learner"},
        randomness="seeded",
        seconds=gru_seconds,
        space={"learning_rate": (1e-3, 2e-3, 4e-3), "hidden": (16, 32, 64), "dropout": (0.1, 0.3, 0.5)},
    )
