"""`linear`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.train_params import AboveZero
from bench.workload import Workload


class LinearParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logistic or ridge regression."""

    penalties: Annotated[
        tuple[AboveZero, ...],
        msgspec.Meta(
            min_length=1,
            description="Inverse strengths of the L2 penalty (scikit-learn's C) to choose from on the validation part; "
            "ridge uses 1 / (2 C) as its alpha, so that small means strong for both.",
        ),
    ] = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)
    clip: Annotated[
        AboveZero,
        msgspec.Meta(description="Standardised features beyond so many standard deviations are cut off there."),
    ] = 5.0


def linear_seconds(params: LinearParams, work: Workload) -> float:
    """Measured: a fit for each label and penalty, on 13 features of every channel."""
    return 2e-6 * work.labels * len(params.penalties) * work.train * work.width


def register(registry: Registry) -> None:
    """Declare `linear`."""
    registry.fuser(
        "linear",
        "bench_fusers.linear.fuser:Linear",
        params=LinearParams,
        summary="logistic or ridge regression on summary statistics, masks and statics; penalty chosen on validation",
        paper="Cox, The Regression Analysis of Binary Sequences, 1958; Hoerl & Kennard, Ridge Regression, 1970",
        randomness="deterministic",
        seconds=linear_seconds,
        space={"clip": (2.0, 3.0, 5.0, 10.0)},
    )
