"""The axes of the grid, in one table. A cell has one value of each.

These loop over it: the suite's `[grid]`, the words of the command line, the plan, keys,
coordinates, statistics, the gate, tuning and tables. A new axis is an entry here, with a field of
the same name in `bench.config.suite.Grid` and in `bench.results.coordinates.Coordinates`. Its value
is in the key of the stage that it names, and in `Cell.chosen`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

PATIENT = "patient"
"""The default rule by which records are split."""

CENTRAL = "central"
"""The default federation: none, all records lie in one place."""


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One axis of the grid.

    - name: of the axis.
    - component: its values are components of this kind with parameters; else they are plain values.
    - stage: the first stage whose key its value is in.
    - default: the value that is left out of keys, labels and tables; None where there is none.
    - place: where a value stands: in a "table" of its own, in a "row" of it, or as a "repeat", over
      which a row is averaged.
    """

    name: str
    stage: str
    place: Literal["table", "row", "repeat"]
    component: bool = False
    default: str | None = None


AXES = (
    Axis(name="split", stage="hide", place="repeat", default=PATIENT),
    Axis(name="task", stage="fuse", place="table"),
    Axis(name="modalities", stage="impute", place="table"),
    Axis(name="scenario", stage="hide", place="table", component=True),
    Axis(name="imputer", stage="impute", place="row", component=True),
    Axis(name="fuser", stage="fuse", place="row", component=True),
    Axis(name="federation", stage="impute", place="row", component=True, default=CENTRAL),
    Axis(name="seed", stage="fuse", place="repeat"),
)
"""In the order of a plan: cells of one split first, seed after seed."""

NAMES = tuple(axis.name for axis in AXES)
COMPONENTS = tuple(axis.name for axis in AXES if axis.component)
REPEATS = tuple(axis.name for axis in AXES if axis.place == "repeat")
OF_IMPUTATION = tuple(axis.name for axis in AXES if axis.stage != "fuse" or axis.name == "seed")
"""What an imputation is chosen by."""


def shown(name: str, value: str | int) -> bool:
    """Whether a value is told where people read: every one but the default of its axis."""
    return value != next(axis.default for axis in AXES if axis.name == name)
