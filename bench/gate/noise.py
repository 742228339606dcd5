"""The noise of a difference between two honest runs of one method; see `bench.gate`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev, variance

import msgspec

from bench.gate.quantities import Cells, Quantity
from bench.results.coordinates import Method, Repeat, TableKey, table_of

ROUNDING = 1e-9
"""Relative differences up to this are none."""


class Noise(msgspec.Struct, frozen=True):
    """A variance between seeds and its degrees of freedom; 0 degrees: not known."""

    variance: float
    freedom: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs of one quantity.

    - baseline, new: means over the seeds compared.
    - error: the standard error of their difference between honest runs.
    - freedom: the degrees of freedom of the error (0: not known).
    - runs: of how many the baseline is the mean.
    """

    baseline: float
    new: float
    error: float
    freedom: int
    seeds: tuple[Repeat, ...]
    paired: bool
    pooled: bool = False
    runs: int = 1

    @property
    def value(self) -> float:
        return self.new - self.baseline

    @property
    def nothing(self) -> bool:
        """Whether it is mere rounding."""
        return abs(self.value) <= rounding(self.baseline)


def rounding(value: float) -> float:
    return ROUNDING * max(1.0, abs(value))


def difference(
    before: Mapping[Repeat, float],
    after: Mapping[Repeat, float],
    pooled: Noise,
    identical: bool,
    fixed: bool,
    earlier: Sequence[Mapping[Repeat, float]] = (),
    together: bool = False,
) -> Difference:
    """Compare the values of two runs by seed; both hold one at least.

    - earlier: of runs before the baseline, whose mean with it the new run is compared with. They
      count where they have the same seeds and are no repetitions.
    - together: what moves one seed of a run moves all of them, as the load of a machine does.
    - identical: the same seed gives the same bits while the code is the same (a CPU, and nothing
      but declared deterministic components).
    - fixed: equal values of all seeds show the same (a CPU).
    """
    common = sorted(before.keys() & after.keys())
    seeds = common or sorted(after)
    old = [before[seed] for seed in (common or sorted(before))]
    new = [after[seed] for seed in seeds]
    own = _scatter(list(before.values()))
    constant = own.freedom > 0 and own.variance == 0
    noise, paired = Noise(0.0, max(own.freedom, 1)), len(common) > 1
    error = 0.0
    if not ((identical and common) or (fixed and constant)):
        if earlier and (pooled_runs := _of_several([*earlier, before], after, together)):
            return pooled_runs
        if paired and not constant:
            each = [b - a for a, b in zip(old, new, strict=True)]
            scatter = 0.0 if max(each) - min(each) <= rounding(fmean(old)) else stdev(each)
            noise, error = Noise(scatter**2, len(each) - 1), scatter / math.sqrt(len(each))
        else:
            noise = pooled if constant or not own.freedom else own
            error = math.sqrt(noise.variance * (1 / len(old) + 1 / len(new)))
    return Difference(
        baseline=fmean(old),
        new=fmean(new),
        error=error,
        freedom=noise.freedom,
        seeds=tuple(seeds),
        paired=paired,
        pooled=noise is pooled,
    )


def _of_several(
    runs: Sequence[Mapping[Repeat, float]], after: Mapping[Repeat, float], together: bool
) -> Difference | None:
    """The new run against the mean of several, the last of which is the baseline. Those that repeat
    another one, or are the new run's cells, do not count; None where fewer than two are left.
    """
    import numpy as np

    from bench.statistics.steps import distinct, shift

    seeds = sorted(runs[-1].keys() & after.keys())
    alike = [run for run in runs if seeds and run.keys() >= set(seeds)]
    values = np.array([[run[seed] for seed in seeds] for run in alike])
    new = np.array([[after[seed] for seed in seeds]])
    values = values[[place for place in distinct(values) if not np.array_equal(values[place], new[0])]]
    if len(values) < 2:
        return None
    moved = shift(*(part.mean(axis=1, keepdims=True) for part in (values, new))) if together else shift(values, new)
    return Difference(
        baseline=float(values.mean()),
        new=float(new.mean()),
        error=moved.error if moved.error > rounding(float(values.mean())) else 0.0,
        freedom=moved.freedom,
        seeds=tuple(seeds),
        paired=True,
        runs=len(values),
    )


def _scatter(values: list[float]) -> Noise:
    if len(values) < 2:
        return Noise(0.0, 0)
    return Noise(0.0 if max(values) - min(values) <= rounding(values[0]) else variance(values), len(values) - 1)


def pool(methods: Mapping[Method, Cells], quantities: Iterable[Quantity]) -> dict[tuple[TableKey, Quantity], Noise]:
    """The noise of each quantity over the scattering methods of each table, with their degrees of
    freedom together.

    Where no method with two seeds scatters there is no noise: variance 0.
    """
    tables: dict[TableKey, list[Cells]] = {}
    for method, cells in methods.items():
        tables.setdefault(table_of(method), []).append(cells)
    pooled = {}
    for table, members in tables.items():
        for quantity in quantities:
            known = [noise for cells in members if (noise := _scatter([*quantity.values(cells).values()])).freedom]
            scattering = [noise for noise in known if noise.variance > 0] or known
            freedom = sum(noise.freedom for noise in scattering)
            whole = sum(noise.variance * noise.freedom for noise in scattering) / max(freedom, 1)
            pooled[table, quantity] = Noise(whole, freedom)
    return pooled
