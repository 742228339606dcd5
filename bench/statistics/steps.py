"""Did a method's score step from one run to the next? Runs of the same test, seed by seed, in the
order of time.

**Model.** x[i, s] = level of the regime of run i + effect of seed s + noise e[i, s], independent
normal with one variance. All runs score the same patients, and under the same seed the same
entries are hidden. So what patients and masks do to a score is in the effect of the seed, and
cancels. The noise is that of training again.

**Shift** from k runs to m later ones, with n seeds: the difference d of their means. With SS, the
sum of squares about both levels and the seeds' effects, and f = n (k + m) - 2 - (n - 1):

    variance        V = (SS + SS of other regimes) / (f + f of other regimes)
    standard error  sqrt(V (1/k + 1/m) / n)

and d over its standard error has Student's t distribution. For k = m = 1 and no other regime it is
the paired t test over seeds, for one seed the two-sample t test.

**Steps** are noticed one run after the other, as the runs come. This is the change-point model of
Hawkins, Qiu & Kang (The changepoint model for statistical process control, Journal of Quality
Technology 2003). With each new run the runs since the last step are cut in two at every place. The
cut with the smallest p-value is a step where that is below

    alpha / SPAN / (number of cuts)

and where no single training makes it: without the value (a run under a seed) that does most to it,
on either side, at least half of it is left. By Bonferroni, among SPAN runs of an unchanged method a
step is marked with probability alpha at most. A new regime begins at the cut. The old one goes on
to tell of noise, by what each seed scattered around its own mean. A step that was noticed stays
where it is, whatever comes.

**What is no evidence.** A run whose values are those of another run of the regime, seed by seed,
has used the same cells, or cells with the same bits: it counts once. A method that is known to have
no noise (`exact`) steps with any change beyond rounding. Else, where differences scatter by no more
than rounding, the noise is not known and nothing is a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.statistics.student import critical

if TYPE_CHECKING:
    import numpy as np

ALPHA = 0.01
"""The probability that a step is marked among `SPAN` runs of an unchanged method, at most."""

SPAN = 30

ROUNDING = 1e-9
"""Relative differences up to this are none."""


CANCELLED = 1e-12
"""A sum of squares that is so small a part of those it is the difference of is rounding."""


@dataclass(frozen=True)
class Scatter:
    """A sum of squares about what is explained, and its degrees of freedom; 0: not known."""

    squares: float = 0.0
    freedom: int = 0

    def __add__(self, other: Scatter) -> Scatter:
        return Scatter(self.squares + other.squares, self.freedom + other.freedom)


NONE = Scatter()


@dataclass(frozen=True)
class Shift:
    """The difference of the means of later and earlier runs, its standard error, and the degrees
    of freedom of that (0: not known, and the error is 0).
    """

    difference: float
    error: float
    freedom: int

    def interval(self, alpha: float = 0.05) -> tuple[float, float] | None:
        """Its ends; None where the noise is not known."""
        if not self.freedom:
            return None
        half = critical(alpha, self.freedom) * self.error
        return self.difference - half, self.difference + half


@dataclass(frozen=True)
class Step:
    """A step between two runs.

    - at: the place of the first run behind it.
    - noticed: the place of the run with which it was noticed.
    - shift: from the regime before it to the one behind it.
    """

    at: int
    noticed: int
    shift: Shift


@dataclass(frozen=True)
class Followed:
    """Runs in the order of time, with what they tell.

    - values: float64 [runs, seeds].
    - exact: an unchanged method has the same values.
    - regimes: the places of the runs of each that are evidence.
    - noticed: of each regime but the first, the place of the run with which it was noticed.
    """

    values: np.ndarray
    exact: bool
    regimes: list[list[int]]
    noticed: list[int]

    @property
    def fresh(self) -> list[int]:
        """The places of the runs that are evidence."""
        return [place for places in self.regimes for place in places]

    @property
    def steps(self) -> list[Step]:
        pairs = enumerate(zip(self.regimes, self.regimes[1:], self.noticed, strict=False))
        return [Step(new[0], place, self._shift(k, k + 1, old, new)) for k, (old, new, place) in pairs]

    def half_width(self, alpha: float = 0.05) -> float | None:
        """Half the interval of the mean of one run over its seeds: how far another training would
        move it. None where the noise is not known.
        """
        scatter = sum((about_seeds(self.values[places]) for places in self.regimes), NONE)
        if self.exact or not scatter.freedom:
            return None
        variance = scatter.squares / scatter.freedom / self.values.shape[1]
        return critical(alpha, scatter.freedom) * float(variance**0.5)

    def change(self, place: int) -> Shift | None:
        """From the run before to the run at a place, both evidence; None of the first run and of
        one that is no evidence.
        """
        fresh = self.fresh
        if place not in fresh[1:]:
            return None
        before = fresh[fresh.index(place) - 1]
        k = next(k for k, places in enumerate(self.regimes) if place in places)
        inside = self.regimes[k].index(place)
        if inside == 0:
            whole = self._shift(k - 1, k, self.regimes[k - 1], self.regimes[k])
            runs = 1 / len(self.regimes[k - 1]) + 1 / len(self.regimes[k])
        else:
            whole = self._shift(k, k, self.regimes[k][:inside], self.regimes[k][inside:])
            runs = 1 / inside + 1 / (len(self.regimes[k]) - inside)
        difference = float(self.values[place].mean() - self.values[before].mean())
        return Shift(difference, whole.error * float((2 / runs) ** 0.5), whole.freedom)

    def _shift(self, first: int, last: int, old: list[int], new: list[int]) -> Shift:
        """Between two parts of the regimes first to last, with the noise of all others."""
        others = (about_seeds(self.values[p]) for k, p in enumerate(self.regimes) if not first <= k <= last)
        known = sum(others, NONE)
        moved = shift(self.values[old], self.values[new], known)
        return Shift(moved.difference, 0.0, 0) if self.exact else moved


def shift(before: np.ndarray, after: np.ndarray, known: Scatter = NONE) -> Shift:
    """The shift from some runs to others. before, after: float64 [runs, seeds], the same seeds, one
    run at least each. known: of other regimes.
    """
    import numpy as np

    cut = len(before)
    differences, errors, freedom = _shifts(np.concatenate([before, after]), known)
    return Shift(float(differences[cut - 1]), float(errors[cut - 1]), freedom)


def _shifts(runs: np.ndarray, known: Scatter) -> tuple[np.ndarray, np.ndarray, int]:
    """The shift at each cut of two runs or more, float64 [runs, seeds]: differences and standard
    errors, float64 [runs - 1], and their degrees of freedom.
    """
    import numpy as np

    count, seeds = runs.shape
    means = runs.mean(axis=1)
    apart = runs - runs.mean(axis=0)
    levels = apart.mean(axis=1)
    together = float(((apart - levels[:, None]) ** 2).sum())
    k = np.arange(1, count)
    sums = np.cumsum(levels)[:-1]
    between = sums**2 * (1 / k + 1 / (count - k))  # of levels about 0, their mean
    total = float((levels**2).sum())
    within = np.where(total - between > CANCELLED * total, total - between, 0.0)
    squares = together + seeds * within + known.squares
    freedom = count * seeds - 2 - (seeds - 1) + known.freedom
    cumulated = np.cumsum(means)
    differences = (cumulated[-1] - cumulated[:-1]) / (count - k) - cumulated[:-1] / k
    if freedom < 1:
        return differences, np.zeros(count - 1), 0
    return differences, np.sqrt(squares / freedom * (1 / k + 1 / (count - k)) / seeds), freedom


def about_seeds(runs: np.ndarray) -> Scatter:
    """Of the runs of a regime, float64 [runs, seeds]: about the mean of each seed."""
    apart = runs - runs.mean(axis=0)
    return Scatter(float((apart**2).sum()), (len(runs) - 1) * runs.shape[1])


def distinct(values: np.ndarray) -> list[int]:
    """The places of runs, float64 [runs, seeds], that do not repeat an earlier one."""
    import numpy as np

    kept: list[int] = []
    for place, row in enumerate(values):
        if not any(np.array_equal(row, values[other]) for other in kept):
            kept.append(place)
    return kept


def follow(values: np.ndarray, exact: bool = False, alpha: float = ALPHA) -> Followed:
    """The regimes of runs, float64 [runs, seeds], no NaN, one run at least, in the order of time.

    exact: an unchanged method has the same values. alpha: see the module.
    """
    import numpy as np

    regimes: list[list[int]] = [[]]
    noticed: list[int] = []
    closed = NONE
    for place, row in enumerate(values):
        places = regimes[-1]
        if exact and places and not _differ(row, values[places[-1]]):
            continue
        if any(np.array_equal(row, values[other]) for other in places):
            continue
        places.append(place)
        cut = len(places) - 1 if exact else _cut(values[places], closed, alpha)
        if cut:
            noticed.append(place)
            closed = closed + about_seeds(values[places[:cut]])
            regimes[-1:] = [places[:cut], places[cut:]]
    return Followed(values, exact, regimes, noticed)


def _differ(one: np.ndarray, two: np.ndarray) -> bool:
    import numpy as np

    return bool((np.abs(one - two) > ROUNDING * np.maximum(1.0, np.abs(two))).any())


def _cut(runs: np.ndarray, closed: Scatter, alpha: float) -> int | None:
    """Where the runs of a regime, float64 [runs, seeds], are cut in two; None for nowhere."""
    import numpy as np
    from scipy.special import stdtr

    if len(runs) < 2:
        return None
    differences, errors, freedom = _shifts(runs, closed)
    rounding = ROUNDING * max(1.0, float(np.abs(runs).max()))
    known = errors > rounding
    if not known.any():
        return None
    tails = 2 * stdtr(freedom, -np.abs(differences) / np.where(known, errors, 1.0))
    p_values = np.where(known, tails, 1.0)
    small = p_values < alpha / SPAN / (len(runs) - 1)
    order = (int(place) + 1 for place in p_values.argsort(kind="stable") if small[place])
    return next((cut for cut in order if _broad(runs[:cut], runs[cut:])), None)


def _broad(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether at least half of a step is left without the value that does most to it, on either
    side.
    """
    moved = after - before.mean(axis=0), after.mean(axis=0) - before
    return all(_without_most(values) >= 0.5 for values in moved)


def _without_most(moved: np.ndarray) -> float:
    """The mean of differences without the largest one, as a share of the mean of all."""
    import numpy as np

    aligned = np.sort((moved * np.sign(moved.mean())).ravel())
    return float(aligned[:-1].mean() / aligned.mean()) if len(aligned) > 1 else 0.0
