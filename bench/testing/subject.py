"""The component under test, with everything that is costly and shared by several checks computed
once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench import arrays
from bench.cohort import Cohort, Series, Task, bin_events
from bench.components import Context, Fuser, Imputer
from bench.errors import BenchError
from bench.registry import Spec
from bench.stages.validate import arrays_of, fields_of
from bench.testing.toy import TOY_TASK, TOY_TASKS, toy_cohort, toy_targets
from bench.testing.words import NotReached, Skip

T = TypeVar("T")

NOBODY = np.array([], np.int64)
"""The index of no record."""


@dataclass(frozen=True)
class Parts:
    """A toy cohort in three parts that share no group. The test part's last record has no
    observation at all.
    """

    train: Cohort
    valid: Cohort
    test: Cohort

    def map(self, change: Callable[[Cohort], Cohort]) -> Parts:
        """The same parts, each changed."""
        return Parts(change(self.train), change(self.valid), change(self.test))


def parts(train: int, valid: int, test: int, **toy: Any) -> Parts:
    """A toy cohort (arguments of `toy_cohort`) with all toy targets, cut into parts of these
    (even) sizes.
    """
    cohort = toy_cohort(n=train + valid + test, **toy)
    cohort = replace(cohort, targets=toy_targets(len(cohort)))
    index = np.arange(len(cohort))
    return Parts(
        cohort.take(index[:train]), cohort.take(index[train : train + valid]), cohort.take(index[train + valid :])
    )


@dataclass(frozen=True)
class SmallFit:
    """A fit on `small` and what it gave, which several checks look at.

    - data: the parts as the component left them.
    - component: fitted, and applied once.
    - returned: what it gave for the test part, as it is.
    - polls: how often `fit` polls whether to stop.
    """

    data: Parts
    component: Any
    returned: dict[str, Any]
    polls: int


class Subject:
    """A component under test.

    What cannot be computed fails the check that first asks for it; every later check that builds on
    it is NotReached.
    """

    def __init__(self, spec: Spec, data_root: Path | None = None):
        self.spec = spec
        self.data_root = data_root
        self._kept: dict[str, Any] = {}

    @cached_property
    def folder(self) -> Path:
        """A temporary folder of this subject, removed with it."""
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-check-")
        return Path(self._temporary.name)

    def has(self, tag: str) -> bool:
        """Whether the component declares a tag."""
        return tag in self.spec.tags

    def build(self) -> Any:
        """A fresh component with its parameters for tests."""
        return self.spec.build(dict(self.spec.test_params))

    def once(self, name: str, make: Callable[[], T]) -> T:
        """`make()`, computed once; where it raised, NotReached from then on (or Skip, where it
        was skipped).
        """
        if name not in self._kept:
            self._kept[name] = NotReached(name)
            try:
                self._kept[name] = make()
            except Skip as reason:
                self._kept[name] = reason
        if isinstance(self._kept[name], Skip):
            raise self._kept[name]
        result: T = self._kept[name]
        return result

    def require_reproducible(self) -> None:
        """Skip checks that compare two results of a component that declares itself not
        reproducible.
        """
        if self.spec.randomness == "stochastic":
            raise Skip("declared stochastic: two results cannot be compared")

    @property
    def data(self) -> Parts:
        """What most checks use, a fresh copy each time, so that a component that writes to it
        spoils nothing.

        Imputers: natural gaps, absent modalities, no targets. Fusers: completed grids; of the
        absent modalities half are filled and half are not; all toy targets.
        """
        return self._parts("data", (64, 16, 20), (192, 48, 100), 10)

    @property
    def small(self) -> Parts:
        """The same in small, for checks that fit again."""
        return self._parts("small", (32, 8, 12), (48, 16, 16), 6)

    def _parts(self, name: str, imputer: tuple[int, int, int], fuser: tuple[int, int, int], length: int) -> Parts:
        def make() -> Parts:
            if self.spec.kind == "imputer":
                return parts(*imputer, length=length).map(Cohort.without_targets)
            return self.completed_parts(*fuser, length=length)

        return self.once(name, make).map(copied)

    def completed_parts(self, train: int, valid: int, test: int, **toy: Any) -> Parts:
        """A toy cohort in parts as a fuser receives them, with draws for one that uses them."""
        return parts(train, valid, test, **toy).map(lambda cohort: completed(cohort, draws=self.has("uses_draws")))

    @cached_property
    def task(self) -> Task:
        """The first kind of toy task that the fuser does not refuse by a clear error."""
        tried = self.completed_parts(16, 8, 8, length=4)
        for task in TOY_TASKS.values():
            try:
                self.fit(tried, task)
            except BenchError:
                continue
            except Exception:
                return task
            return task
        return TOY_TASK

    @property
    def draws(self) -> int:
        """How many draws checks ask an imputer for."""
        return 3 if self.has("draws") else 1

    def fit(self, data: Parts, task: Task | None = None, seed: int = 0, **guest: Any) -> Any:
        """A fresh imputer or fuser, fitted as the harness fits it. guest: more of the context
        (scratch, should_stop).
        """
        component, context = self.build(), Context(seed=seed, **guest)
        if isinstance(component, Imputer):
            component.fit(data.train, data.valid, context)
        elif isinstance(component, Fuser):
            task = task or self.task
            component.fit(with_target(data.train, task), with_target(data.valid, task), task, context)
        return component

    def raw(self, component: Any, cohort: Cohort, seed: int = 0) -> dict[str, Any]:
        """What `impute` or `predict` returned, as it is; predictions under the name
        `predictions`.
        """
        cohort = cohort.without_targets()
        if isinstance(component, Imputer):
            return component.impute(cohort, self.draws, Context(seed=seed))
        return {"predictions": component.predict(cohort, Context(seed=seed))}

    def apply(self, component: Any, cohort: Cohort, seed: int = 0) -> dict[str, np.ndarray]:
        """The same with records on the first axis: [n, draws, length, channels] or [n, outputs]."""
        return self.records_first(self.raw(component, cohort, seed), len(cohort))

    def records_first(self, result: dict[str, Any], n: int) -> dict[str, np.ndarray]:
        """What was returned with records on the first axis; NotReached where that axis is not of
        n records.
        """
        axis = 1 if self.spec.kind == "imputer" else 0
        if not isinstance(result, dict):
            raise NotReached("output_form")
        for array in result.values():
            if not isinstance(array, np.ndarray) or array.ndim <= axis or array.shape[axis] != n:
                raise NotReached("output_form")
        return {name: np.moveaxis(array, axis, 0) for name, array in result.items()}

    def built(self) -> Any:
        """A component that was built once, to see that it can be."""
        return self.once("constructs", self.build)

    def fitted(self) -> Any:
        """The component fitted on `data`."""
        self.built()
        return self.once("fits", lambda: self.fit(self.data))

    def small_fit(self) -> SmallFit:
        """The component fitted on `small` and applied to its test part."""
        self.fitted()
        polls = 0

        def never() -> bool:
            nonlocal polls
            polls += 1
            return False

        def make() -> SmallFit:
            data = self.small
            component = self.fit(data, should_stop=never)
            return SmallFit(data, component, self.raw(component, data.test), polls)

        return self.once("fits on less", make)

    def small_result(self) -> dict[str, np.ndarray]:
        """What it gave for the test part of `small`, with records on the first axis."""
        return self.records_first(self.small_fit().returned, len(self.small.test))

    def returned(self) -> dict[str, Any]:
        """What the fitted component returned for the test part, as it is."""
        fitted = self.fitted()
        return self.once("fits and is applied", lambda: self.raw(fitted, self.data.test))

    def result(self) -> dict[str, np.ndarray]:
        """The same with records on the first axis."""
        return self.records_first(self.returned(), len(self.data.test))


def completed(cohort: Cohort, draws: bool = False) -> Cohort:
    """A toy cohort as a fuser receives it: no NaN, every second absent modality filled.

    Gaps hold the record's own channel mean, or 0 (the training mean) where there is none; a
    generated modality holds a slow rise. With `draws` there are three, half a standard deviation
    apart where nothing was observed.
    """

    def complete(series: Series) -> Series:
        n, length, channels = series.grid.shape
        counts = series.observed.sum(axis=1, keepdims=True)
        means = np.where(series.observed, series.grid, 0).sum(axis=1, keepdims=True) / np.maximum(counts, 1)
        filled = ~series.available & (np.cumsum(~series.available) % 2 == 1)
        rise = np.broadcast_to(np.linspace(-0.5, 0.5, length)[:, None], (n, length, channels))
        gaps = np.where(filled[:, None, None], rise, means)
        grid = np.where(series.observed, series.grid, gaps).astype(np.float32)
        apart = np.where(series.observed, np.float32(0), np.float32(0.5))
        return replace(
            series, grid=grid, filled=filled, draws=np.stack([grid - apart, grid, grid + apart]) if draws else None
        )

    return each(cohort, complete)


def without_validation(data: Parts) -> Parts:
    """The same with no record in the validation part."""
    return replace(data, valid=data.valid.take(NOBODY))


def with_target(cohort: Cohort, task: Task) -> Cohort:
    """The cohort with the target of one task and of nothing else, as `fit` receives it."""
    return replace(cohort, targets={task.name: cohort.targets[task.name]})


def emptied(series: Series) -> Series:
    """The series as of a modality that no record has."""
    events = replace(
        series.events,
        offsets=np.zeros_like(series.events.offsets),
        times=series.events.times[:0],
        values=series.events.values[:0],
    )
    grid, observed = bin_events(events, series.grid.shape[1])
    return replace(series, events=events, grid=grid, observed=observed, available=np.any(observed, axis=(1, 2)))


def each(cohort: Cohort, change: Callable[[Series], Series], only: str | None = None) -> Cohort:
    """The cohort with every series changed (or that of one modality)."""
    return cohort.with_modalities({n: change(s) if only in (None, n) else s for n, s in cohort.modalities.items()})


def with_values(
    cohort: Cohort, records: np.ndarray, change: Callable[[np.ndarray], np.ndarray], statics: bool = True
) -> Cohort:
    """The cohort with the recorded values of some records changed (records: bool [n]); masks and
    times stay.
    """

    def touch(series: Series) -> Series:
        grid, values = series.grid.copy(), series.events.values.copy()
        grid[records] = change(grid[records])
        rows = records[series.events.records()]
        values[rows] = change(values[rows])
        draws = series.draws
        if draws is not None:
            draws = draws.copy()
            draws[:, records] = change(draws[:, records])
        return replace(series, grid=grid, draws=draws, events=replace(series.events, values=values))

    changed = each(cohort, touch)
    if statics:
        other = cohort.statics.copy()
        other[records] = change(other[records])
        changed = replace(changed, statics=other)
    return changed


def leaves(cohort: Cohort) -> dict[str, np.ndarray]:
    """Every numeric array of a cohort, by name."""
    arrays = {"statics": cohort.statics}
    for name, series in cohort.modalities.items():
        arrays |= {f"{name}/{part}": array for part, array in arrays_of(series).items()}
        if series.draws is not None:
            arrays[f"{name}/draws"] = series.draws
    return arrays | {f"targets/{name}": target for name, target in cohort.targets.items()}


def with_leaves(cohort: Cohort, arrays: Mapping[str, np.ndarray]) -> Cohort:
    """The cohort with its numeric arrays replaced by those of the same names."""
    modalities = {
        name: replace(series, **fields_of(arrays, name), draws=arrays.get(f"{name}/draws"))
        for name, series in cohort.modalities.items()
    }
    targets = {name: arrays[f"targets/{name}"] for name in cohort.targets}
    return replace(cohort, modalities=modalities, statics=arrays["statics"], targets=targets)


def copied(cohort: Cohort) -> Cohort:
    """A copy that shares no memory."""
    return with_leaves(cohort, {name: leaf.copy() for name, leaf in leaves(cohort).items()})


def mapped(cohort: Cohort, path: Path) -> Cohort:
    """The same cohort, read-only and memory-mapped from a file, as the harness hands it over."""
    arrays.write(path, leaves(cohort))
    return with_leaves(cohort, arrays.read(path)[0])
