"""A line per quantity of each method: its value in every run, what is known of its noise, and its
steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from bench.gate.machine import deterministic, on_cpu, other_machine
from bench.gate.quantities import Cells, Kind, Quantity, Run, read
from bench.gate.same_test import incomparable, scored, state
from bench.history.changed import changed
from bench.history.runs import info_of
from bench.leaderboard.board import higher_is_better
from bench.results.coordinates import Method, Repeat
from bench.results.records import Export
from bench.results.run_info import RunInfo
from bench.statistics.steps import ALPHA, SPAN, Followed, Shift, Step, follow

if TYPE_CHECKING:
    import numpy as np

EXACT = ("parameters", "imputer_parameters")
"""Costs that are counted and not measured."""

Interval = tuple[float, float]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A line at one run.

    - run: its place in the history.
    - value: mean over the seeds that all runs since the last break have; None where the run has
      none, and `note` says why.
    - low, high: how far another training under the same seeds would move it; None: not known.
    - change: from the run before with other values, and its interval.
    - same: its values are those of an earlier run since the last step, so it is no evidence.
    - note: why it has no value; or why it cannot be compared with the run before.
    """

    run: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    same: bool = False
    note: str = ""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A step.

    - run: the first run behind it; before: the last one before it.
    - noticed: the run with which it was noticed.
    - size: from the mean of the runs before it to that of the runs behind it, up to the steps
      beside it. Of a cost the relative change. low, high: its interval; None where it is exact.
    - better: None where neither direction is.
    - changed: what of code, data and settings differs between the two runs; None: not known.
    """

    run: int
    before: int
    noticed: int
    size: float
    low: float | None
    high: float | None
    better: bool | None
    changed: list[str] | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one method over the runs.

    - method: of an imputation it has neither task nor fuser ("").
    - seeds: those of the values since the last break.
    - exact: whether it has no noise.
    """

    method: Method
    kind: Kind
    metric: str
    higher: bool | None
    seeds: list[Repeat]
    exact: bool
    points: list[Point]
    steps: list[Mark]

    @property
    def latest(self) -> Point | None:
        """The last point with a value."""
        return next((point for point in reversed(self.points) if point.value is not None), None)

    @property
    def is_cost(self) -> bool:
        return self.kind == "cost"


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Runs in the order of time, and lines. A step of an unchanged line is marked with probability
    `alpha` at most among `span` runs.
    """

    suite: str
    title: str
    runs: list[RunInfo]
    lines: list[Line]
    alpha: float
    span: int = SPAN


Choose = Callable[[Run, Method], Iterable[Quantity]]


def history(
    exports: Sequence[Export], choose: Choose, alpha: float = ALPHA, rows: Mapping[str, Collection[str]] = {}
) -> History:
    """The history of runs in the order of time, one at least.

    - choose: the quantities that are shown of a method, by the last run that has it.
    - rows: see `shown`.
    """
    runs = [read(export) for export in exports]
    methods: dict[Method, None] = {}
    for run in reversed(runs):
        methods |= dict.fromkeys([*run.methods, *run.imputations])
    lines = [line for method in shown(methods, rows) for line in _lines(method, runs, choose, alpha)]
    return History(
        suite=exports[-1].suite,
        title=exports[-1].title,
        runs=[info_of(export) for export in exports],
        lines=lines,
        alpha=alpha,
    )


def shown(methods: Iterable[Method], rows: Mapping[str, Collection[str]]) -> list[Method]:
    """The methods with these labels. rows: axis -> labels; all of an axis that is not named. An
    imputation belongs to all tasks and to no fuser.
    """
    return [
        method
        for method in methods
        if all(getattr(method, axis) in labels or (axis, method.task) == ("task", "") for axis, labels in rows.items())
    ]


@dataclass(frozen=True)
class _Seen:
    """A run in which a method stands. break_: why it cannot be compared with the run before."""

    place: int
    run: Run
    cells: Cells
    break_: str


def _lines(method: Method, runs: Sequence[Run], choose: Choose, alpha: float) -> Iterator[Line]:
    seen: list[_Seen] = []
    notes: dict[int, str] = {}
    for place, run in enumerate(runs):
        cells = run.cells_of(method)
        if cells is None:
            notes[place] = "not planned"
        elif lack := _lack(method, run, cells):
            notes[place] = lack
        else:
            seen.append(_Seen(place, run, cells, incomparable(method, seen[-1].run, run) if seen else ""))
    if not seen:
        return
    for quantity in choose(seen[-1].run, method):
        built = _Built(method, quantity, seen, notes, len(runs), alpha)
        if built.parts:
            yield built.line()


def _lack(method: Method, run: Run, cells: Cells) -> str:
    """Why a run says nothing of a method: not all its planned cells are ok."""
    metric = run.primary(method.task)
    holes = {
        seed: record
        for seed, record in sorted(cells.items())
        if not (scored(record, metric) if method.task else record is not None and record.status == "ok")
    }
    reasons = dict.fromkeys("edited since" if s in run.edited_seeds(method) else state(r) for s, r in holes.items())
    return f"{len(holes)} of {len(cells)} cells: {'; '.join(reasons)}" if holes else ""


@dataclass
class _Part:
    """Runs that can be compared, one after the other. begins: why not with the run before."""

    begins: str
    seen: list[_Seen]
    values: list[Mapping[Repeat, float]]
    seeds: list[Repeat]


@dataclass
class _Built:
    """A line while it is made."""

    method: Method
    quantity: Quantity
    seen: Sequence[_Seen]
    notes: Mapping[int, str]
    count: int
    alpha: float

    @cached_property
    def parts(self) -> list[_Part]:
        parts: list[_Part] = []
        for each in self.seen:
            values = self.quantity.values(each.cells)
            if not values:
                continue
            begins = each.break_ or (self._break(parts[-1], each, values) if parts else "")
            if not parts or begins:
                parts.append(_Part(begins, [], [], sorted(values)))
            part = parts[-1]
            part.seen.append(each)
            part.values.append(values)
            part.seeds = [seed for seed in part.seeds if seed in values]
        return parts

    def _break(self, part: _Part, each: _Seen, values: Mapping[Repeat, float]) -> str:
        if not any(seed in values for seed in part.seeds):
            return "no seed in common"
        if self.quantity.kind == "cost" and (names := other_machine(part.seen[-1].cells, each.cells)):
            return f"measured on another {names}"
        return ""

    @cached_property
    def exact(self) -> bool:
        if self.quantity.kind == "cost":
            return self.quantity.name in EXACT
        return on_cpu(each.cells for each in self.seen) and bool(
            deterministic(self.method, [each.run for each in self.seen])
        )

    @cached_property
    def higher(self) -> bool | None:
        """Whether larger is better; None where neither is."""
        if self.quantity.kind != "score":
            return self.quantity.higher
        return higher_is_better(self.seen[-1].run.export, self.quantity.name)

    def line(self) -> Line:
        points = {place: Point(run=place, note=note) for place, note in self.notes.items()}
        steps: list[Mark] = []
        for part in self.parts:
            followed = follow(self._matrix(part), self.exact, self.alpha)
            points |= {point.run: point for point in self._points(part, followed)}
            steps += [self._mark(part, followed, step) for step in followed.steps]
        lacking = Point(run=0, note="not measured")
        return Line(
            method=self.method,
            kind=self.quantity.kind,
            metric=self.quantity.name,
            higher=self.higher,
            seeds=self.parts[-1].seeds,
            exact=self.exact,
            points=[points.get(k) or msgspec.structs.replace(lacking, run=k) for k in range(self.count)],
            steps=steps,
        )

    def _matrix(self, part: _Part) -> np.ndarray:
        """float64 [runs, seeds]. Of a cost the logarithm of the mean over seeds, in one column: all
        seeds of a run share its machine, whose load differs from run to run.
        """
        import numpy as np

        values = np.array([[each[seed] for seed in part.seeds] for each in part.values])
        return np.log(np.maximum(values.mean(axis=1, keepdims=True), 1e-12)) if self.quantity.kind == "cost" else values

    def _points(self, part: _Part, followed: Followed) -> Iterator[Point]:
        half = followed.half_width()
        fresh = set(followed.fresh)
        for k, each in enumerate(part.seen):
            value = fmean(part.values[k][seed] for seed in part.seeds)
            ends = None if half is None else self._around(value, half)
            change = self._change(followed, k)
            yield Point(
                run=each.place,
                value=value,
                low=ends[0] if ends else None,
                high=ends[1] if ends else None,
                change=change[0] if change else None,
                change_low=change[1][0] if change and change[1] else None,
                change_high=change[1][1] if change and change[1] else None,
                same=k not in fresh,
                note=part.begins if k == 0 else "",
            )

    def _around(self, value: float, half: float) -> Interval:
        if self.quantity.kind == "cost":
            return value * math.exp(-half), value * math.exp(half)
        return value - half, value + half

    def _change(self, followed: Followed, k: int) -> tuple[float, Interval | None] | None:
        change = followed.change(k)
        return None if change is None else self._in_its_unit(change)

    def _in_its_unit(self, shift: Shift) -> tuple[float, Interval | None]:
        """A difference with its interval; of a cost the relative one."""
        ends = shift.interval()
        if self.quantity.kind != "cost":
            return shift.difference, ends
        return math.expm1(shift.difference), (math.expm1(ends[0]), math.expm1(ends[1])) if ends else None

    def _mark(self, part: _Part, followed: Followed, step: Step) -> Mark:
        before = followed.fresh[followed.fresh.index(step.at) - 1]
        last = max(k for k in range(step.at) if k >= before)
        old, new = part.seen[last], part.seen[step.at]
        size, ends = self._in_its_unit(step.shift)
        return Mark(
            run=new.place,
            before=old.place,
            noticed=part.seen[step.noticed].place,
            size=size,
            low=ends[0] if ends else None,
            high=ends[1] if ends else None,
            better=None if self.higher is None else (size > 0) == self.higher,
            changed=changed(old.run.export, new.run.export, self.method),
        )
