"""Where a cell stands in the grid, the table and the row it belongs to, and what a row is
averaged over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec

from bench.grid.axes import AXES, CENTRAL, PATIENT

Repeat = int | str
"""A seed, or a split and a seed, `fold0/42`, where the split is not the default one."""


def split_of(repeat: Repeat) -> str:
    """The split of a repeat."""
    return PATIENT if isinstance(repeat, int) else repeat.rpartition("/")[0]


def one(repeat: Repeat) -> str:
    """A repeat in words: "seed 42", or "split fold0, seed 42"."""
    split, _, seed = str(repeat).rpartition("/")
    return f"split {split}, seed {seed}" if split else f"seed {seed}"


def in_words(repeats: Sequence[Repeat]) -> str:
    """The seeds, and the splits where they are not the default one: "splits: fold0, fold1; seed:
    42".
    """

    def counted(name: str, values: Iterable[object]) -> str:
        each = [str(value) for value in dict.fromkeys(values)]
        return f"{name}{'s' * (len(each) != 1)}: {', '.join(each)}"

    if all(isinstance(repeat, int) for repeat in repeats):
        return counted("seed", repeats)
    seeds = (str(repeat).rpartition("/")[2] for repeat in repeats)
    return f"{counted('split', map(split_of, repeats))}; {counted('seed', seeds)}"


def by_split(repeats: Iterable[Repeat]) -> dict[str, list[Repeat]]:
    """The repeats of each split, in their order."""
    repeats_of_split: dict[str, list[Repeat]] = {}
    for repeat in repeats:
        repeats_of_split.setdefault(split_of(repeat), []).append(repeat)
    return repeats_of_split


class Coordinates(msgspec.Struct, gc=False, frozen=True, order=True, omit_defaults=True):
    """Where a cell stands in the grid; what a gate compares by, since edited source rightly changes
    the key.

    - scenario, imputer, fuser: labels: the name, and in brackets whatever parameters the command
      line or a sweep set, e.g. `mcar(rate=0.1)`. Behind a method that a federation trained stands
      that one: `gru · fedavg`.
    - modalities: the name of a modality set of the suite.
    - audit: "" for a cell that is scored, else "permuted-labels" or "repeat".
    - split: the name of a split.
    - federation: its label.
    """

    suite: str
    task: str
    modalities: str
    scenario: str
    imputer: str
    fuser: str
    seed: int
    audit: str = ""
    split: str = PATIENT
    federation: str = CENTRAL

    @property
    def repeat(self) -> Repeat:
        """What of it a row of a table is averaged over."""
        return self.seed if self.split == PATIENT else f"{self.split}/{self.seed}"


class TableKey(msgspec.Struct, frozen=True, order=True):
    """What one table is about: the coordinates that all its rows share.

    One that is "" stands for all of its values: imputations have no task, and what compares
    modality sets has none of its own.
    """

    task: str
    modalities: str
    scenario: str

    @property
    def title(self) -> str:
        """The table in words."""
        return " · ".join(filter(None, _of_table(self)))


class Method(TableKey, frozen=True, order=True):
    """A row of a table: everything of the coordinates but the seed. An imputation, which all
    fusers share, has none ("").
    """

    imputer: str
    fuser: str

    @property
    def name(self) -> str:
        return f"{self.imputer} + {self.fuser}" if self.fuser else self.imputer

    @property
    def pair(self) -> tuple[str, str]:
        return self.imputer, self.fuser


_of_table = attrgetter(*TableKey.__struct_fields__)
_of_method = attrgetter(*Method.__struct_fields__)

BESIDE = tuple(axis for axis in AXES if axis.place == "row" and not axis.component)
"""Axes whose values stand in rows beside those of components."""


def table_of(at: TableKey | Coordinates) -> TableKey:
    """The table that a method, a cell or anything that is about one table belongs to."""
    return TableKey(*_of_table(at))


def across_sets(at: TableKey | Coordinates) -> TableKey:
    """The same table of all modality sets."""
    return msgspec.structs.replace(table_of(at), modalities="")


def method_of(at: Coordinates) -> Method:
    """The row a cell belongs to.

    A value of an axis that is no component, and not the default one, stands behind the label of the
    method that it concerns.
    """
    row = Method(*_of_method(at))
    for axis in BESIDE:
        value, kind = getattr(at, axis.name), "fuser" if axis.stage == "fuse" else "imputer"
        if value != axis.default:
            label = f"{getattr(row, kind)} · {axis.name}={value}"
            row = msgspec.structs.replace(row, **{kind: label})
    return row


def beside(at: Coordinates) -> str:
    """What of a cell a person must be told besides its components, its seed and its audit; empty
    where all is the default.
    """
    axes = (
        axis
        for axis in AXES
        if axis.default is not None and not axis.component and getattr(at, axis.name) != axis.default
    )
    return "".join(f" {axis.name}={getattr(at, axis.name)}" for axis in axes)


def cell_in_words(at: Coordinates) -> str:
    """A cell on one line, for a person."""
    audit = f" [{at.audit}]" if at.audit else ""
    return f"{at.task} {at.modalities} {at.scenario} {at.imputer} x {at.fuser} seed {at.seed}{beside(at)}{audit}"


def method_in(table: TableKey, imputer: str, fuser: str = "") -> Method:
    """The row of an imputer and a fuser in a table."""
    return Method(*(*_of_table(table), imputer, fuser))


def imputation_of(at: Coordinates) -> Method:
    """The imputation that a cell uses, which all tasks and fusers share."""
    return msgspec.structs.replace(method_of(at), task="", fuser="")
