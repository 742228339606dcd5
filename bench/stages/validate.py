"""The promises of `bench.cohort.Cohort`, looked at once, when a dataset was read and before it is stored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.cohort import Cohort, Series, Task
from bench.errors import PluginError
from bench.registry import Spec
from bench.splits import crossing


def validate(cohort: Cohort, spec: Spec) -> None:
    """Raise PluginError for the first promise of `Cohort` that is broken."""
    problem = next(_problems(cohort, spec), None)
    if problem:
        raise PluginError(f'dataset "{spec.name}" (from {spec.plugin}) breaks its contract: {problem}')


def _problems(cohort: Cohort, spec: Spec) -> Iterator[str]:
    n = len(cohort.ids)
    if len(np.unique(cohort.ids)) != n:
        yield "record ids are not unique"
    if len(cohort.groups) != n:
        yield f"there are {len(cohort.groups)} groups for {n} records"
    if list(cohort.modalities) != list(spec.modalities):
        yield f"modalities are {list(cohort.modalities)}, declared {list(spec.modalities)}"
    if cohort.statics.ndim != 2 or len(cohort.statics) != n or cohort.statics.dtype != np.float32:
        yield f"statics are {cohort.statics.dtype} {cohort.statics.shape}, expected float32 [{n}, statics]"
    elif cohort.statics.shape[1] != len(cohort.static_names):
        yield f"statics are {cohort.statics.shape[1]}, but {len(cohort.static_names)} are named"
    if set(cohort.targets) != set(spec.tasks):
        yield f"targets are {sorted(cohort.targets)}, declared {sorted(spec.tasks)}"
    for name, target in cohort.targets.items():
        yield from (f"{name}: {said}" for said in _of_target(target, spec.tasks[name], n))
    for name, outputs in cohort.oracle.items():
        if name not in spec.tasks or outputs.shape != (n, spec.tasks[name].outputs):
            yield f"{name}: the oracle has shape {outputs.shape}"
    if set(cohort.splits) != set(spec.splits):
        yield f"splits are {sorted(cohort.splits)}, declared {sorted(spec.splits)}"
    for name, parts in cohort.splits.items():
        if parts.shape != (n,) or parts.dtype != np.int8 or not np.isin(parts, (0, 1, 2)).all():
            yield f"the split {name} must be int8 ({n},) of 0, 1 and 2 (train, valid, test)"
        elif astray := crossing(cohort.groups, parts):
            yield f"the split {name} parts the records of {astray} groups"
    for name, series in cohort.modalities.items():
        yield from (f"{name}: {said}" for said in _of_series(series, n, cohort.length))


def _of_target(target: np.ndarray, task: Task, n: int) -> Iterator[str]:
    shape = task.target_shape(n)
    if target.shape != shape or target.dtype != np.float32:
        yield f"the target is {target.dtype} {target.shape}, expected float32 {shape}"
        return
    known = np.unique(target[~np.isnan(target)])
    allowed = np.arange(task.outputs if task.kind == "multiclass" else 2)
    if task.kind != "regression" and not np.isin(known, allowed).all():
        strange = [f"{value:g}" for value in known if value not in allowed][:3]
        yield f"the target has values {', '.join(strange)}; a {task.kind} task accepts {allowed[0]} to {allowed[-1]}"


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
