"""`gbm`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import (
    AboveZero,
    NotNegative,
    Positive,
)


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


def register(registry: Registry) -> None:
    """Declare `gbm`."""
    registry.fuser(
        "gbm",
        "bench_fusers.gbm.fuser:GBM",
        params=GBMParams,
        summary="histogram gradient boosting on the same summaries; number of trees chosen on validation",
        paper="Friedman, Greedy Function Approximation: A Gradient Boosting Machine, 2001; Ke et al., LightGBM, 2017",
        tags={"nan_aware"},
        randomness="seeded",
        seconds=1.5,
        space={"learning_rate": (0.02, 0.05, 0.1), "leaves": (7, 15, 31), "columns": (0.1, 0.2, 0.5)},
    )
