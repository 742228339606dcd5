"""Promises of datasets. They need the files; without them every check that reads no data is skipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.cohort import COUNT_KINDS, Cohort, Count, bin_events
from bench.components import Context
from bench.data.splits import crossing
from bench.errors import DataError
from bench.stages.handed import is_text
from bench.testing import common  # noqa: F401  the shared promises come first
from bench.testing.checks import promise
from bench.testing.subject import Subject, leaves
from bench.testing.words import require, require_same, skip


def _context() -> Context:
    """As the harness gives it: a dataset that learns while preparing is told which records are for training (here: all)."""
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


@promise("dataset", first=True)
def prepares(subject: Subject) -> None:
    """It reads the files into a cohort with at least one record."""
    require(len(_cohort(subject)) > 0, "the cohort has no record")


@promise("dataset")
def as_declared(subject: Subject) -> None:
    """It has the modalities that its registration lists, in that order, and a target for each declared task."""
    cohort, spec = _cohort(subject), subject.spec
    require(
        tuple(cohort.modalities) == spec.modalities,
        f"modalities {tuple(cohort.modalities)}, declared {spec.modalities}",
    )
    require(set(cohort.targets) == set(spec.tasks), f"targets {sorted(cohort.targets)}, declared {sorted(spec.tasks)}")


@promise("dataset")
def ids_and_groups(subject: Subject) -> None:
    """Record ids are unique and every record has a group."""
    cohort = _cohort(subject)
    require(len(np.unique(cohort.ids)) == len(cohort), "two records have the same id")
    require(cohort.groups.shape == (len(cohort),), f"groups have shape {cohort.groups.shape}")


@promise("dataset")
def series_form(subject: Subject) -> None:
    """Grids are float32 [n, length, channels] with a unit per channel, masks bool, times the left edges of bins."""
    cohort = _cohort(subject)
    for name, series in cohort.modalities.items():
        shape = (len(cohort), cohort.length, len(series.channels))
        require(series.grid.shape == shape, f"the grid of {name} has shape {series.grid.shape}, not {shape}")
        require(series.grid.dtype == np.float32, f"the grid of {name} is {series.grid.dtype}, not float32")
        require(
            series.observed.shape == shape and series.observed.dtype == np.bool_,
            f"observed of {name} is no mask of {shape}",
        )
        require(
            len(series.units) == len(series.channels), f"{name} has {len(series.units)} units for {shape[2]} channels"
        )
        # Counted in bins: at 100 Hz a whole bin of hours is less than any tolerance.
        require_same(
            np.arange(cohort.length, dtype=np.float64),
            np.asarray(series.times, np.float64) / cohort.bin_hours,
            f"times of {name}, in bins, against the left edges of the bins",
            exact=False,
        )
        require(not series.filled.any(), f"{name} has filled records before anything was imputed")
        require(series.draws is None, f"{name} has draws before anything was imputed")


@promise("dataset")
def missing_is_nan(subject: Subject) -> None:
    """The grid is NaN exactly where nothing was observed, finite elsewhere, and `available` says where anything was."""
    for name, series in _cohort(subject).modalities.items():
        require_same(series.observed, ~np.isnan(series.grid), f"observed of {name} against the NaN of its grid")
        require(not np.isinf(series.grid).any(), f"the grid of {name} holds an infinite value")
        require_same(np.any(series.observed, axis=(1, 2)), np.asarray(series.available), f"available of {name}")


@promise("dataset")
def events_in_order(subject: Subject) -> None:
    """Events belong to records by rising offsets; times within a record never decrease."""
    cohort = _cohort(subject)
    for name, series in cohort.modalities.items():
        events = series.events
        counted = len(events.offsets) == len(cohort) + 1 and events.offsets[0] == 0
        require(
            bool(counted) and bool((events.counts >= 0).all()),
            f"offsets of {name} do not rise from 0 over {len(cohort)} records",
        )
        rows = int(events.offsets[-1])
        require(events.times.shape == (rows,), f"times of {name} have shape {events.times.shape} for {rows} rows")
        require(
            events.values.shape == (rows, len(series.channels)), f"values of {name} have shape {events.values.shape}"
        )
        falling = (np.diff(events.times) < 0) & (np.diff(events.records()) == 0)
        require(not falling.any(), f"{int(falling.sum())} times of {name} lie before the row above them")


@promise("dataset")
def grid_from_events(subject: Subject) -> None:
    """The grid is the last observation of each bin of the events (`bench.cohort.bin_events`)."""
    cohort = _cohort(subject)
    for name, series in cohort.modalities.items():
        grid, _ = bin_events(series.events, cohort.length, cohort.bin_hours)
        require_same(grid, np.asarray(series.grid), f"the grid of {name} against its events")


@promise("dataset")
def targets_form(subject: Subject) -> None:
    """Targets are float32 [n], or [n, outputs], hold values the kind of task allows, and NaN where unknown."""
    cohort = _cohort(subject)
    for name, task in subject.spec.tasks.items():
        target = cohort.targets.get(name)
        require(target is not None, f"no target for task {name}")
        assert target is not None
        shape = task.target_shape(len(cohort))
        require(
            target.shape == shape and target.dtype == np.float32,
            f"{name} is {target.dtype} {target.shape}, not float32 {shape}",
        )
        known = target[~np.isnan(target)]
        require(known.size > 0, f"{name} is unknown for every record")
        classes = {"binary": 2, "multilabel": 2, "multiclass": task.outputs}.get(task.kind)
        if classes is None:
            require(bool(np.isfinite(known).all()), f"{name} holds an infinite value")
        else:
            found = set(np.unique(known).tolist())
            require(found <= set(range(classes)), f"{name} holds {sorted(found)}; classes are 0 to {classes - 1}")


@promise("dataset")
def splits_form(subject: Subject) -> None:
    """Splits are those that its registration lists: int8 [n] of 0, 1, 2 (train, valid, test), no group in two parts."""
    cohort = _cohort(subject)
    require(set(cohort.splits) == set(subject.spec.splits), f"splits {sorted(cohort.splits)} are not those declared")
    for name, parts in cohort.splits.items():
        form = parts.dtype == np.int8 and parts.shape == (len(cohort),)
        require(form, f"the split {name} is {parts.dtype} {parts.shape}, not int8 ({len(cohort)},)")
        require(set(np.unique(parts).tolist()) == {0, 1, 2}, f"the split {name} does not have the parts 0, 1 and 2")
        require(crossing(cohort.groups, parts) == 0, f"the split {name} parts the records of a group")


@promise("dataset")
def statics_form(subject: Subject) -> None:
    """Statics are float32 [n, statics] with a name for each column, NaN where unknown."""
    cohort = _cohort(subject)
    shape = (len(cohort), len(cohort.static_names))
    right = cohort.statics.shape == shape and cohort.statics.dtype == np.float32
    require(right, f"statics are {cohort.statics.dtype} {cohort.statics.shape}, not float32 {shape}")
    require(not np.isinf(cohort.statics).any(), "statics hold an infinite value")


@promise("dataset")
def counts_form(subject: Subject) -> None:
    """Counts are whole numbers from 0 by a short name, each of a kind (`bench.cohort.Counts` collects them)."""
    for what, count in _cohort(subject).counts.items():
        require(is_text(what), "the name of a count is no short printable text")
        require(isinstance(count, Count), f'"{what}" is {count!r}, no bench.cohort.Count')
        require(type(count.number) is int and count.number >= 0, f'"{what}" counts {count.number!r}')
        require(count.kind in COUNT_KINDS, f'"{what}" is {count.kind!r}, which is no kind: {", ".join(COUNT_KINDS)}')


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
    """Prepared from those files alone that its `files` lists, it is the same: no other file under the root decides anything."""
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
        found: Cohort = subject.build().prepare(alone, _context())
    except DataError as error:
        require(False, f"without the files that it does not list it cannot be prepared: {error}")
    before, after = leaves(whole), leaves(found)
    require(
        whole.ids.tolist() == found.ids.tolist() and before.keys() == after.keys(), "other records or modalities came"
    )
    for name in before:
        require_same(before[name], after[name], f"{name} without the files that are not listed")
