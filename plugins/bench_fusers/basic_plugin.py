"""Parameters of `linear`, `gbm` and `gru`: in a file of their own, since what a fuser imports is part of its cells' keys."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import AboveZero, NotNegative, Positive, TorchFuserParams

Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class LinearParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logistic or ridge regression.

    penalties: inverse strengths of the L2 penalty (scikit-learn's C) to choose from on the validation part; ridge uses
               1 / (2 C) as its alpha, so that small means strong for both.
    clip:      standardised features beyond so many standard deviations are cut off there.
    """

    penalties: Annotated[tuple[AboveZero, ...], msgspec.Meta(min_length=1)] = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)
    clip: AboveZero = 5.0


class GBMParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Histogram gradient boosting.

    trees:         boosting rounds grown; how many of them predict is chosen on the validation part.
    learning_rate: shrinkage of each tree. leaves: most leaves of a tree.
    leaf_records:  fewest records in a leaf, but never more than a tenth of the training records.
    l2:            penalty of leaf values. columns: share of the features drawn for each split.
    """

    trees: Positive = 400
    learning_rate: AboveZero = 0.05
    leaves: Annotated[int, msgspec.Meta(ge=2)] = 15
    leaf_records: Positive = 20
    l2: NotNegative = 5.0
    columns: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2


class GRUParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GRU per modality.

    hidden: width of each modality's GRU and of the head. statics: width of the embedding of the statics.
    dropout: share dropped of each modality's representation and of the head, while training.
    """

    hidden: Positive = 64
    statics: Positive = 8
    dropout: Share = 0.5
    batch_size: Positive = 128
    learning_rate: AboveZero = 2e-3
    average: Share = 0.99
    epochs: Positive = 15


def register(registry: Registry) -> None:
    """Declare linear, gbm and gru."""
    registry.fuser(
        "linear",
        "bench_fusers.linear:Linear",
        params=LinearParams,
        summary="logistic or ridge regression on summary statistics, masks and statics; penalty chosen on validation",
        paper="Cox, The Regression Analysis of Binary Sequences, 1958; Hoerl & Kennard, Ridge Regression, 1970",
        randomness="deterministic",
        seconds=1.0,
        space={"clip": (2.0, 3.0, 5.0, 10.0)},
    )
    registry.fuser(
        "gbm",
        "bench_fusers.gbm:GBM",
        params=GBMParams,
        summary="histogram gradient boosting on the same summaries; number of trees chosen on validation",
        paper="Friedman, Greedy Function Approximation: A Gradient Boosting Machine, 2001; Ke et al., LightGBM, 2017",
        tags={"nan_aware"},
        randomness="seeded",
        seconds=1.5,
        space={"learning_rate": (0.02, 0.05, 0.1), "leaves": (7, 15, 31), "columns": (0.1, 0.2, 0.5)},
    )
    registry.fuser(
        "gru",
        "bench_fusers.gru:GRU",
        params=GRUParams,
        summary="a GRU per modality over values, masks and time gaps, concatenated",
        paper="Cho et al., RNN Encoder-Decoder, 2014; Che et al., RNNs for Time Series with Missing Values, 2018",
        tags={"torch"},
        randomness="seeded",
        seconds=12.0,
        space={"learning_rate": (1e-3, 2e-3, 4e-3), "hidden": (16, 32, 64), "dropout": (0.1, 0.3, 0.5)},
    )
