"""The promises of `bench.cohort.Cohort`, looked at once, when a dataset was read and before it is stored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.cohort import COUNT_KINDS, Cohort, Count, Series, Task
from bench.data.splits import crossing
from bench.errors import PluginError
from bench.metrics.declared import unfit
from bench.registry import Spec
from bench.stages.contract import LARGEST
from bench.stages.handed import difference, is_plain, is_text, kind_of


def validate(cohort: Cohort, spec: Spec) -> None:
    """Raise PluginError for the first promise of `Cohort` that is broken."""
    problem = next(_problems(cohort, spec), None)
    if problem:
        raise PluginError(f'dataset "{spec.name}" (from {spec.plugin}) breaks its contract: {problem}')


def _problems(cohort: Cohort, spec: Spec) -> Iterator[str]:
    n = len(cohort.ids)
    for what, names in (("record ids", cohort.ids), ("groups", cohort.groups)):
        texts = np.asarray(names)
        if texts.ndim != 1 or texts.dtype.kind not in "UO" or not all(map(is_text, texts.tolist())):
            yield f"{what} must be texts of 1 to 200 printable characters, str [n]"
            return
    if len(np.unique(cohort.ids)) != n:
        yield "record ids are not unique"
    if len(cohort.groups) != n:
        yield f"there are {len(cohort.groups)} groups for {n} records"
    if list(cohort.modalities) != list(spec.modalities):
        found = difference(cohort.modalities, spec.modalities)
        yield f"modalities must be those declared, in their order: {', '.join(spec.modalities)} ({found})"
        return
    if cohort.statics.ndim != 2 or len(cohort.statics) != n or cohort.statics.dtype != np.float32:
        yield f"statics are {kind_of(cohort.statics)}, expected float32 [{n}, statics]"
    elif cohort.statics.shape[1] != len(cohort.static_names):
        yield f"statics are {cohort.statics.shape[1]}, but {len(cohort.static_names)} are named"
    if set(cohort.targets) != set(spec.tasks):
        found = difference(cohort.targets, spec.tasks)
        yield f"targets must be those of the declared tasks: {', '.join(sorted(spec.tasks))} ({found})"
        return
    yield from filter(None, map(unfit, spec.tasks.values()))
    strange = [
        f"{what} must be a plain NumPy array, not {kind_of(a)}" for what, a in _arrays(cohort, spec) if not is_plain(a)
    ]
    if strange:
        yield strange[0]
        return
    for name, target in cohort.targets.items():
        yield from (f"{name}: {said}" for said in _of_target(target, spec.tasks[name], n))
    for name, outputs in cohort.oracle.items():
        if name not in spec.tasks:
            yield "an oracle is of a declared task"
        elif outputs.shape != (n, spec.tasks[name].outputs):
            yield f"{name}: the oracle has shape {outputs.shape}"
    if set(cohort.splits) != set(spec.splits):
        found = difference(cohort.splits, spec.splits)
        yield f"splits must be those declared: {', '.join(sorted(spec.splits)) or 'no split'} ({found})"
        return
    for name, parts in cohort.splits.items():
        if parts.shape != (n,) or parts.dtype != np.int8 or not np.isin(parts, (0, 1, 2)).all():
            yield f"the split {name} must be int8 ({n},) of 0, 1 and 2 (train, valid, test)"
        elif astray := crossing(cohort.groups, parts):
            yield f"the split {name} parts the records of {astray} groups"
    if not all(map(is_text, cohort.static_names)):
        yield "the names of statics must be texts of 1 to 200 printable characters"
    if not all(is_text(what) and _is_count(count) for what, count in cohort.counts.items()):
        yield (
            "counts must be whole numbers from 0, each of a kind "
            f"({', '.join(COUNT_KINDS)}), by a short printable name: collect them with bench.cohort.Counts"
        )
    for name, series in cohort.modalities.items():
        yield from (f"{name}: {said}" for said in _of_series(series, n, cohort.length))


def _is_count(count: object) -> bool:
    if not isinstance(count, Count) or type(count.number) is not int or type(count.kind) is not str:
        return False
    return 0 <= count.number < 2**53 and count.kind in COUNT_KINDS


def _arrays(cohort: Cohort, spec: Spec) -> Iterator[tuple[str, object]]:
    """Every array of numbers, and what it is called."""
    yield "statics", cohort.statics
    yield from ((f"the target {name}", target) for name, target in cohort.targets.items())
    yield from (("an oracle", outputs) for outputs in cohort.oracle.values())
    yield from (("a split", parts) for parts in cohort.splits.values())
    for name, series in cohort.modalities.items():
        for part in ("grid", "observed", "times", "available", "filled"):
            yield f"{part} of {name}", getattr(series, part)
        for part in ("offsets", "times", "values"):
            yield f"{part} of the events of {name}", getattr(series.events, part)


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


def _of_series(series: Series, n: int, length: int) -> Iterator[str]:
    channels = len(series.channels)
    shape = (n, length, channels)
    if series.grid.shape != shape or series.observed.shape != shape:
        yield f"grid {series.grid.shape}, observed {series.observed.shape}, expected {shape}"
        return
    if (
        series.grid.dtype != np.float32
        or np.isinf(series.grid).any()
        or not np.array_equal(series.observed, ~np.isnan(series.grid))
    ):
        yield "the grid must be float32, finite where observed and NaN exactly where nothing was observed"
    if not all(map(is_text, series.channels)) or not all(unit == "" or is_text(unit) for unit in series.units):
        yield "channels and units must be texts of up to 200 printable characters"
    if len(series.units) != channels:
        yield f"{channels} channels but {len(series.units)} units"
    if series.times.shape != (length,):
        yield f"times {series.times.shape}, expected one per bin: ({length},)"
    if not np.array_equal(series.available, np.any(series.observed, axis=(1, 2))):
        yield "available must be True exactly where a record has an observation in the grid"
    if series.filled.shape != (n,) or series.filled.any():
        yield "filled must be False: nothing is imputed yet"
    events = series.events
    rows = len(events.times)
    if (
        len(events.offsets) != n + 1
        or events.offsets[0] != 0
        or events.offsets[-1] != rows
        or (events.counts < 0).any()
    ):
        yield "the offsets of the events do not fit"
    elif events.values.shape != (rows, channels):
        yield f"events {events.values.shape}, expected {(rows, channels)}"
    else:
        steps = np.diff(events.times)
        steps[events.offsets[1:-1][(events.offsets[1:-1] > 0) & (events.offsets[1:-1] < rows)] - 1] = 0
        if (steps < 0).any() or not np.isfinite(events.times).all():
            yield "the times of the events must be finite and must not decrease within a record"
