"""Promises of datasets. They need the files; without them every check that reads no data is
skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bench.cohort import Cohort, bin_events
from bench.components import Context
from bench.errors import DataError
from bench.registry import Spec
from bench.stages import validate
from bench.testing import common  # noqa: F401  the shared promises come first
from bench.testing.checks import promise
from bench.testing.subject import Subject, leaves
from bench.testing.words import require, require_same, skip


def _context() -> Context:
    """As the harness gives it: a dataset that learns while preparing is told which records are
    for training (here: all).
    """
    return Context(parts=lambda ids, groups: np.zeros(len(groups), np.int8))


def _prepare(subject: Subject) -> Cohort:
    root = subject.data_root
    if root is None and not subject.has("synthetic"):
        skip("needs the files of the dataset: give data.root=DIR")
    prepared: Cohort = subject.build().prepare(Path(root or subject.folder), _context())
    return prepared


def _cohort(subject: Subject) -> Cohort:
    subject.built()
    return subject.once("prepares", lambda: _prepare(subject))


def _require(subject: Subject, promise: Callable[[Cohort, Spec], Iterator[str]]) -> None:
    """Require what a run requires too (`bench.stages.validate`)."""
    problem = next(promise(_cohort(subject), subject.spec), "")
    require(not problem, problem)


@promise("dataset", first=True)
def prepares(subject: Subject) -> None:
    """It reads the files into a cohort with at least one record."""
    require(len(_cohort(subject)) > 0, "the cohort has no record")


@promise("dataset")
def as_declared(subject: Subject) -> None:
    """It has the modalities that its registration lists, in that order, and a target for each
    declared task.
    """
    _require(subject, validate.components)


@promise("dataset")
def ids_and_groups(subject: Subject) -> None:
    """Record ids are unique and every record has a group."""
    _require(subject, validate.names)


@promise("dataset")
def series_form(subject: Subject) -> None:
    """Grids are float32 [n, length, channels] with a unit per channel, masks bool, times the
    left edges of bins.
    """
    cohort = _cohort(subject)
    _require(subject, validate.series)
    for name, series in cohort.modalities.items():
        # Counted in bins: at 100 Hz a whole bin of hours is less than any tolerance.
        require_same(
            np.arange(cohort.length, dtype=np.float64),
            np.asarray(series.times, np.float64) / cohort.bin_hours,
            f"times of {name}, in bins, against the left edges of the bins",
            exact=False,
        )
        require(series.draws is None, f"{name} has draws before anything was imputed")


@promise("dataset")
def missing_is_nan(subject: Subject) -> None:
    """The grid is NaN exactly where nothing was observed, finite elsewhere, and `available` says
    where anything was.
    """
    _require(subject, validate.missing)


@promise("dataset")
def events_in_order(subject: Subject) -> None:
    """Events belong to records by rising offsets; times within a record never decrease."""
    _require(subject, validate.events)


@promise("dataset")
def grid_from_events(subject: Subject) -> None:
    """The grid is the last observation of each bin of the events (`bench.cohort.bin_events`)."""
    cohort = _cohort(subject)
    for name, series in cohort.modalities.items():
        grid, _ = bin_events(series.events, cohort.length, cohort.bin_hours)
        require_same(grid, np.asarray(series.grid), f"the grid of {name} against its events")


@promise("dataset")
def targets_form(subject: Subject) -> None:
    """Targets are float32 [n], or [n, outputs], hold values the kind of task allows, and NaN
    where unknown.
    """
    cohort = _cohort(subject)
    _require(subject, validate.components)
    _require(subject, validate.targets)
    for name in subject.spec.tasks:
        require(not np.isnan(cohort.targets[name]).all(), f"{name} is unknown for every record")


@promise("dataset")
def splits_form(subject: Subject) -> None:
    """Splits are those that its registration lists: int8 [n] of 0, 1, 2 (train, valid, test), no
    group in two parts.
    """
    cohort = _cohort(subject)
    _require(subject, validate.splits)
    for name, parts in cohort.splits.items():
        require(set(np.unique(parts).tolist()) == {0, 1, 2}, f"the split {name} does not have the parts 0, 1 and 2")


@promise("dataset")
def columns_form(subject: Subject) -> None:
    """Columns are those that its registration lists: printable texts, str [n], empty where
    unknown.
    """
    _require(subject, validate.columns)


@promise("dataset")
def statics_form(subject: Subject) -> None:
    """Statics are float32 [n, statics] with a name for each column, NaN where unknown."""
    cohort = _cohort(subject)
    _require(subject, validate.statics)
    require(not np.isinf(cohort.statics).any(), "statics hold an infinite value")


@promise("dataset")
def counts_form(subject: Subject) -> None:
    """Counts are whole numbers from 0 by a short name, each of a kind (`bench.cohort.Counts`
    collects them).
    """
    _require(subject, validate.counts)


@promise("dataset")
def reproducible(subject: Subject) -> None:
    """Prepared twice from the same files it is the same, record by record and bit by bit."""
    first, second = _cohort(subject), _prepare(subject)
    require(first.ids.tolist() == second.ids.tolist(), "the ids or their order differ")
    require(first.groups.tolist() == second.groups.tolist(), "the groups differ")
    before, after = leaves(first), leaves(second)
    for name in before:
        require_same(before[name], after[name], f"{name}, prepared twice")


@promise("dataset")
def files_listed(subject: Subject) -> None:
    """Prepared from those files alone that its `files` lists, it is the same: no other file
    under the root decides anything.
    """
    root = subject.data_root
    if not subject.spec.files or root is None:
        skip(
            "it has no files"
            if root or subject.has("synthetic")
            else "needs the files of the dataset: give data.root=DIR"
        )
    whole, alone = _cohort(subject), subject.folder / "listed"
    assert root is not None
    root = Path(root).absolute()
    for file in subject.spec.load(subject.spec.files)(root, subject.spec.parameters(dict(subject.spec.test_params))):
        if file.is_relative_to(root):
            link = alone / file.relative_to(root)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    try:
        cohort: Cohort = subject.build().prepare(alone, _context())
    except DataError as error:
        require(False, f"without the files that it does not list it cannot be prepared: {error}")
    before, after = leaves(whole), leaves(cohort)
    require(
        whole.ids.tolist() == cohort.ids.tolist() and before.keys() == after.keys(), "other records or modalities came"
    )
    for name in before:
        require_same(before[name], after[name], f"{name} without the files that are not listed")
