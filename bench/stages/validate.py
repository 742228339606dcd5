"""The promises of `bench.cohort.Cohort`, looked at by one function each: when a dataset was read,
before it is stored, and by `bench check`. Each says in words what is broken, nothing where all is
kept; it may rely on the promises before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bench.cohort import COUNT_KINDS, Cohort, Count, Events, Series, Task
from bench.data.splits import crossing
from bench.errors import PluginError
from bench.registry import Spec
from bench.stages.contract import LARGEST
from bench.stages.handed import difference, is_plain, is_text, kind_of

SERIES, EVENTS = ("grid", "observed", "times", "available", "filled"), ("offsets", "times", "values")
"""The arrays of a series, and of its events."""


def arrays_of(series: Series) -> dict[str, np.ndarray]:
    """The arrays of a series by name, those of its events as `events/NAME`; without draws, which
    no dataset has.
    """
    own = {part: getattr(series, part) for part in SERIES}
    return own | {f"events/{part}": getattr(series.events, part) for part in EVENTS}


def fields_of(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, Any]:
    """The fields of the series `name` that `arrays_of` took apart, from arrays named
    `name/PART`.
    """
    events = Events(*(arrays[f"{name}/events/{part}"] for part in EVENTS))
    return {part: arrays[f"{name}/{part}"] for part in SERIES} | {"events": events}


def validate(cohort: Cohort, spec: Spec) -> None:
    """Raise PluginError for the first promise of `Cohort` that is broken."""
    for promise in (
        names, components, statics, plain_arrays, targets, oracle, splits, columns, counts, series, missing, events,
    ):  # fmt: skip
        if problem := next(promise(cohort, spec), ""):
            raise PluginError(f'dataset "{spec.name}" (from {spec.plugin}) breaks its contract: {problem}')


def names(cohort: Cohort, spec: Spec) -> Iterator[str]:
    """Of records and of groups."""
    n = len(cohort.ids)
    for what, texts in (("record ids", np.asarray(cohort.ids)), ("groups", np.asarray(cohort.groups))):
        if texts.ndim != 1 or texts.dtype.kind not in "UO" or not all(map(is_text, texts.tolist())):
            yield f"{what} must be texts of 1 to 200 printable characters, str [n]"
    if len(np.unique(cohort.ids)) != n:
        yield "record ids are not unique"
    if len(cohort.groups) != n:
        yield f"there are {len(cohort.groups)} groups for {n} records"


def components(cohort: Cohort, spec: Spec) -> Iterator[str]:
    """The modalities, and the tasks of the targets, are those declared."""
    if list(cohort.modalities) != list(spec.modalities):
        differs = difference(cohort.modalities, spec.modalities)
        yield f"modalities must be those declared, in their order: {', '.join(spec.modalities)} ({differs})"
    if set(cohort.targets) != set(spec.tasks):
        differs = difference(cohort.targets, spec.tasks)
        yield f"targets must be those of the declared tasks: {', '.join(sorted(spec.tasks))} ({differs})"


def statics(cohort: Cohort, spec: Spec) -> Iterator[str]:
    n, named = len(cohort.ids), cohort.static_names
    if cohort.statics.ndim != 2 or len(cohort.statics) != n or cohort.statics.dtype != np.float32:
        yield f"statics are {kind_of(cohort.statics)}, expected float32 [{n}, statics]"
    elif cohort.statics.shape[1] != len(named):
        yield f"statics are {cohort.statics.shape[1]}, but {len(named)} are named"
    if not all(map(is_text, named)):
        yield "the names of statics must be texts of 1 to 200 printable characters"


def plain_arrays(cohort: Cohort, spec: Spec) -> Iterator[str]:
    """Every array of numbers is one of NumPy itself."""
    arrays: dict[str, object] = {"statics": cohort.statics}
    arrays |= {f"the target {name}": target for name, target in cohort.targets.items()}
    arrays |= {f"the oracle of {name}": outputs for name, outputs in cohort.oracle.items()}
    arrays |= {f"the split {name}": parts for name, parts in cohort.splits.items()}
    for name, each in cohort.modalities.items():
        arrays |= {f"{part} of {name}": array for part, array in arrays_of(each).items()}
    yield from (
        f"{what} must be a plain NumPy array, not {kind_of(a)}" for what, a in arrays.items() if not is_plain(a)
    )


def targets(cohort: Cohort, spec: Spec) -> Iterator[str]:
    for name, task in spec.tasks.items():
        yield from (f"{name}: {problem}" for problem in _of_target(cohort.targets[name], task, len(cohort)))


def oracle(cohort: Cohort, spec: Spec) -> Iterator[str]:
    for name, outputs in cohort.oracle.items():
        if name not in spec.tasks:
            yield "an oracle is of a declared task"
        elif outputs.shape != (len(cohort), spec.tasks[name].outputs):
            yield f"{name}: the oracle has shape {outputs.shape}"


def splits(cohort: Cohort, spec: Spec) -> Iterator[str]:
    if set(cohort.splits) != set(spec.splits):
        differs = difference(cohort.splits, spec.splits)
        yield f"splits must be those declared: {', '.join(sorted(spec.splits)) or 'no split'} ({differs})"
    for name, parts in cohort.splits.items():
        if parts.shape != (len(cohort),) or parts.dtype != np.int8 or not np.isin(parts, (0, 1, 2)).all():
            yield f"the split {name} must be int8 ({len(cohort)},) of 0, 1 and 2 (train, valid, test)"
        elif astray := crossing(cohort.groups, parts):
            yield f"the split {name} parts the records of {astray} groups"


def columns(cohort: Cohort, spec: Spec) -> Iterator[str]:
    if set(cohort.columns) != set(spec.columns):
        differs = difference(cohort.columns, spec.columns)
        yield f"columns must be those declared: {', '.join(sorted(spec.columns)) or 'no column'} ({differs})"
    for name, values in cohort.columns.items():
        if not is_plain(values) or values.shape != (len(cohort),) or values.dtype.kind != "U":
            yield f"the column {name} is {kind_of(values)}; it must be str [{len(cohort)}]"
        elif not all(value == "" or is_text(value) for value in values.tolist()):
            yield f"the column {name} must hold printable texts of up to 200 characters, empty where unknown"


def counts(cohort: Cohort, spec: Spec) -> Iterator[str]:
    held = cohort.counts
    if not isinstance(held, Mapping) or not all(is_text(what) and _is_count(count) for what, count in held.items()):
        yield (
            "counts must be whole numbers from 0, each of a kind "
            f"({', '.join(COUNT_KINDS)}), by a short printable name: collect them with bench.cohort.Counts"
        )


def series(cohort: Cohort, spec: Spec) -> Iterator[str]:
    """Shapes, channels and units, and that nothing is imputed yet."""
    n, length = len(cohort), cohort.length
    for name, each in cohort.modalities.items():
        channels = len(each.channels)
        shape = (n, length, channels)
        if each.grid.shape != shape or each.observed.shape != shape:
            yield f"{name}: grid {each.grid.shape}, observed {each.observed.shape}, expected {shape}"
        if not all(map(is_text, each.channels)) or not all(unit == "" or is_text(unit) for unit in each.units):
            yield f"{name}: channels and units must be texts of up to 200 printable characters"
        if len(each.units) != channels:
            yield f"{name}: {channels} channels but {len(each.units)} units"
        if each.times.shape != (length,):
            yield f"{name}: times {each.times.shape}, expected one per bin: ({length},)"
        if each.filled.shape != (n,) or each.filled.any():
            yield f"{name}: filled must be False: nothing is imputed yet"


def missing(cohort: Cohort, spec: Spec) -> Iterator[str]:
    """What the grid holds, and what is reported of it, where nothing was observed."""
    for name, each in cohort.modalities.items():
        finite = each.grid.dtype == np.float32 and not np.isinf(each.grid).any()
        if not finite or not np.array_equal(each.observed, ~np.isnan(each.grid)):
            yield f"{name}: the grid must be float32, finite where observed and NaN exactly where nothing was observed"
        if not np.array_equal(each.available, np.any(each.observed, axis=(1, 2))):
            yield f"{name}: available must be True exactly where a record has an observation in the grid"


def events(cohort: Cohort, spec: Spec) -> Iterator[str]:
    """Rows that belong to records, in the order of time."""
    for name, each in cohort.modalities.items():
        events, rows = each.events, len(each.events.times)
        ends = len(events.offsets) == len(cohort) + 1 and events.offsets[0] == 0 and events.offsets[-1] == rows
        if not ends or (events.counts < 0).any():
            yield f"{name}: the offsets of the events do not fit"
        elif events.values.shape != (rows, len(each.channels)):
            yield f"{name}: events {events.values.shape}, expected {(rows, len(each.channels))}"
        elif (
            not np.isfinite(events.times).all()
            or ((np.diff(events.times) < 0) & (np.diff(events.records()) == 0)).any()
        ):
            yield f"{name}: the times of the events must be finite and must not decrease within a record"


def _is_count(count: object) -> bool:
    if not isinstance(count, Count) or type(count.number) is not int or type(count.kind) is not str:
        return False
    return 0 <= count.number < 2**53 and count.kind in COUNT_KINDS


def _of_target(target: np.ndarray, task: Task, n: int) -> Iterator[str]:
    shape = task.target_shape(n)
    if target.shape != shape or target.dtype != np.float32:
        yield f"the target is {kind_of(target)}, expected float32 {shape}"
        return
    known = np.unique(target[~np.isnan(target)])
    if task.kind == "regression" and (np.abs(known) > LARGEST).any():
        yield f"the target has values that are infinite or beyond {LARGEST:g}, too large to compute with"
    allowed = np.arange(task.outputs if task.kind == "multiclass" else 2)
    if task.kind != "regression" and not np.isin(known, allowed).all():
        strange = int((~np.isnan(target) & ~np.isin(target, allowed)).sum())
        yield f"{strange} values of the target are none of {allowed[0]} to {allowed[-1]}, as a {task.kind} task needs"
