"""What this package brings, declared by name; the methods themselves are imported when they are
first used.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.hooks import hookimpl
from bench.registry import Registry

bench_contract = 1


class DecayParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    half_life: Annotated[
        float,
        msgspec.Meta(
            gt=0, description="Hours after which a carried value has come half of the way to the channel's mean."
        ),
    ] = 12.0


class CentroidParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sharpness: Annotated[
        float, msgspec.Meta(gt=0, description="How strongly a difference in distance moves the probability.")
    ] = 1.0


def patient_accuracy(truth, outputs, groups):
    """The mean over patients of the share of right decisions."""
    import numpy as np

    right = (outputs[:, 0] >= 0.5) == truth
    return float(np.mean([right[groups == group].mean() for group in np.unique(groups)]))


@hookimpl
def bench_register(registry: Registry) -> None:
    registry.metric(
        "patient_accuracy",
        "gapbench_example.plugin:patient_accuracy",
        kinds=("binary",),
        asks=("groups",),
        summary="share of right decisions, each patient with the same weight",
    )
    registry.imputer(
        "decay",
        "gapbench_example.decay:Decay",
        params=DecayParams,
        summary="the last value, falling back to the training mean with a half-life",
        seconds=0.1,
    )
    registry.fuser(
        "centroid",
        "gapbench_example.centroid:Centroid",
        params=CentroidParams,
        summary="nearest class centroid on channel means and statics",
        seconds=0.1,
    )
    registry.federation(
        "evenly",
        "gapbench_example.evenly:Evenly",
        summary="the plain mean of the clients' weights",
        expected_failures={"items_count": "every client counts the same, however many records it has"},
    )
