"""`gbm`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import AboveZero, NotNegative, Positive
from bench.workload import Workload


class GBMParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Histogram gradient boosting."""

    trees: Annotated[
        Positive,
        msgspec.Meta(description="Boosting rounds grown; how many of them predict is chosen on the validation part."),
    ] = 400
    learning_rate: Annotated[AboveZero, msgspec.Meta(description="Shrinkage of each tree.")] = 0.05
    leaves: Annotated[int, msgspec.Meta(ge=2, description="Most leaves of a tree.")] = 15
    leaf_records: Annotated[
        Positive,
        msgspec.Meta(description="Fewest records in a leaf, but never more than a tenth of the training records."),
    ] = 20
    l2: Annotated[NotNegative, msgspec.Meta(description="Penalty of leaf values.")] = 5.0
    columns: Annotated[float, msgspec.Meta(gt=0, le=1, description="Share of the features drawn for each split.")] = 0.2


def gbm_seconds(params: GBMParams, work: Workload) -> float:
    """Measured: a tree takes a while however few records there are, and more with records and
    channels, of 13 features each.
    """
    return work.labels * params.trees * params.leaves / 15 * (4e-3 + 1.5e-7 * work.train * work.width)


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
        seconds=gbm_seconds,
        space={"learning_rate": (0.02, 0.05, 0.1), "leaves": (7, 15, 31), "columns": (0.1, 0.2, 0.5)},
    )
