"""From shared resamples to intervals, standard errors and p-values of differences: their variance
and their reference.

The null hypothesis of a pair: over the population of patients and of seeds (and splits), both
methods have the same mean score. The variance of a difference has a part of patients and one of
each level (seeds, splits). Each part is computed by itself:

- Patients: A, the variance over resamples of the groups, with all seeds in each. It holds what
  patients do by themselves and what they do together with seeds, for the seeds that were run.
- Seeds: the K differences scatter with variance S for their mean. S holds what patients and seeds
  do together once more; G, how much, is known from the resamples under each seed. So seeds by
  themselves add S - G, or nothing where that is negative: an analysis of variance of two crossed
  factors (Searle, Casella & McCulloch, Variance components, 1992, section 4.3). Drawing seeds as
  well as patients, the crossed bootstrap, counts G three times (Owen, The pigeonhole bootstrap,
  Annals of Applied Statistics 2007). Draws of K = 3 seeds have no tails.
- S has K - 1 degrees of freedom and may be small by chance, so a pair does not stand alone. Where
  seeds do nothing by themselves S is G on average; in this table it is R times G, by the median of
  S / G over all pairs. A pair has S or R G, whichever is larger. (Variances that lean on those of
  others: Smyth, Linear models and empirical Bayes methods, Statistical Applications in Genetics and
  Molecular Biology 2004.) Methods that are the same under all seeds have G = S = 0.
- Splits: the same once more. The difference scatters between splits; what patients and seeds add to
  that is known; the rest is of splits. Splits share training records, so they are not independent
  and an interval is too narrow rather than too wide. (Nadeau & Bengio, Inference for the
  generalization error, Machine Learning 2003.)

A part of a variance cannot be negative, so these are a little too large on average where seeds do
nothing by themselves.

The statistic of a pair is its difference over its standard error, with Student's t distribution.
Its degrees of freedom follow Satterthwaite (Biometrics Bulletin 1946), of the groups for A, and of
all contrasts of the table for the other parts. It is turned into the normal deviate of the same
tail. Its reference are the resamples. Each is the patients' part as drawn, minus what was observed,
plus normal noise with the variance of the other parts, independent between methods. That is divided
by the same standard error. `bench.statistics.corrections` adjusts for the number of pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from bench import seeds
from bench.results.coordinates import Method
from bench.results.records import Comparison, Correction, Interval
from bench.statistics.corrections import Exceedances, holm
from bench.statistics.resampling import Level, Resampled
from bench.statistics.student import as_normal, median_variance, wider

_HELD = 4_000_000
"""Differences of resamples held at once (pairs x resamples, float64): 32 megabytes, and a few times
that while computing.
"""

_ROUNDING = 1e-12
"""A difference or standard error that is smaller than this, relative to the largest score, is 0
but for rounding.
"""


@dataclass(frozen=True)
class _Spread:
    """Of some quantities, float64 [quantities] each: standard error, degrees of freedom, ends of
    the interval around 0.
    """

    error: np.ndarray
    freedom: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class _Noise:
    """What a level adds to the differences of a resample: float64 [pairs], standard deviations
    of both methods' parts.
    """

    of_a: np.ndarray
    of_b: np.ndarray
    rng: np.random.Generator


def intervals(methods: Sequence[Method], metric: str, resampled: Resampled, alpha: float) -> list[Interval]:
    """The interval and standard error of each method's own score. What all seeds share is in it,
    so nothing leans on others.
    """
    moved = resampled.drawn - resampled.scores[:, None]
    variance, tails = moved.var(axis=1, ddof=1), np.quantile(moved, [alpha / 2, 1 - alpha / 2], axis=1)
    total, doubt = variance.copy(), _squared_share(variance, resampled.groups - 1)
    for level in resampled.levels:
        explained = total if level.within is None else np.diag(level.within)
        own = np.maximum((level.apart**2).sum(axis=1) - explained, 0.0)
        total, doubt = total + own, doubt + _squared_share(own, level.freedom)
    spread = _spread(variance, total, doubt, tails, alpha)
    ends = zip(methods, resampled.scores + spread.low, resampled.scores + spread.high, spread.error, strict=True)
    return [Interval(method, metric, float(low), float(high), float(error)) for method, low, high, error in ends]


def compare(
    methods: Sequence[Method],
    pairs: Sequence[tuple[int, int]],
    metric: str,
    resampled: Resampled,
    alpha: float,
    correction: Correction,
    place: tuple[Any, ...],
) -> tuple[list[Comparison], float | None]:
    """The comparison of each pair (places in `methods`), adjusted over all of them. Also what the
    largest of their statistics exceeds with probability alpha where no two methods differ; None
    where nothing can differ.

    place: what the noise is derived from, the seed first. Methods whose scores are the same in all
    resamples are one method: their difference is 0, p = 1, and what they are compared with is
    compared once.
    """
    first, which = _distinct(resampled)
    ends = np.array([(which[a], which[b]) for a, b in pairs], np.int64).reshape(-1, 2)
    unordered = np.sort(ends, axis=1)
    apart = unordered[:, 0] < unordered[:, 1]
    hypotheses, index = np.unique(unordered[apart], axis=0, return_inverse=True)
    spread, p, adjusted, critical = _test(first, hypotheses, resampled, alpha, place)
    at = np.full(len(pairs), -1)
    at[apart] = index.reshape(-1)
    p_values = [float(p[k]) if k >= 0 else 1.0 for k in at]
    corrected = holm(p_values) if correction == "holm" else [float(adjusted[k]) if k >= 0 else 1.0 for k in at]
    comparisons = []
    for row, (a, b) in enumerate(pairs):
        k, difference = at[row], float(resampled.scores[a] - resampled.scores[b])
        low = high = error = 0.0
        if k >= 0:
            low, high, error = float(spread.low[k]), float(spread.high[k]), float(spread.error[k])
        if k >= 0 and ends[row, 0] > ends[row, 1]:
            low, high = -high + 0.0, -low + 0.0
        numbers = difference, difference + low, difference + high, error, p_values[row], corrected[row]
        comparisons.append(Comparison(methods[a], methods[b], metric, *numbers))
    return comparisons, critical


def _distinct(resampled: Resampled) -> tuple[np.ndarray, np.ndarray]:
    """Methods that never differ are one: the place of its first, ordered by score and not by name,
    and of each method which it is.
    """
    parts = [resampled.drawn, *(level.apart for level in resampled.levels)]
    keys = [
        (float(score), hashlib.sha256(b"".join(part[k].tobytes() for part in parts)).digest())
        for k, score in enumerate(resampled.scores)
    ]
    known = {key: number for number, key in enumerate(sorted(set(keys)))}
    which = np.array([known[key] for key in keys], np.int64)
    return np.unique(which, return_index=True)[1], which


def _test(
    first: np.ndarray, pairs: np.ndarray, resampled: Resampled, alpha: float, place: tuple[Any, ...]
) -> tuple[_Spread, np.ndarray, np.ndarray, float | None]:
    """Of pairs of distinct methods, int [pairs, 2]: spread, p-values, those of max-T, and the
    critical value of the largest.

    first: int [distinct], their places.
    """
    a, b = first[pairs[:, 0]], first[pairs[:, 1]]
    moved = resampled.drawn - resampled.scores[:, None]
    smallest = _ROUNDING * float(np.abs(resampled.scores).max(initial=0.0))
    variance, tails = np.empty(len(pairs)), np.empty((2, len(pairs)))
    for rows in _parts(len(pairs), moved.shape[1]):
        differences = moved[a[rows]] - moved[b[rows]]
        variance[rows] = differences.var(axis=1, ddof=1)
        tails[:, rows] = np.quantile(differences, [alpha / 2, 1 - alpha / 2], axis=1)
    total, doubt, noises = variance.copy(), _squared_share(variance, resampled.groups - 1), []
    for level in resampled.levels:
        added, contrasts = _added(level, a, b, total, smallest)
        total, doubt = total + added, doubt + _squared_share(added, level.freedom * contrasts)
        if added.any():
            rng = seeds.generator(place[0], "bootstrap", level.name, *place[1:])
            noises.append(_Noise(*_halves(level, added, a, b), rng))
    spread = _spread(variance, total, doubt, tails, alpha)
    difference = np.abs(resampled.scores[a] - resampled.scores[b])
    difference[difference <= smallest] = 0.0
    still = spread.error <= smallest
    with np.errstate(divide="ignore"):
        observed = np.where(
            still, np.where(difference > 0, np.inf, 0.0), difference / np.where(still, 1.0, spread.error)
        )
    counts = Exceedances(as_normal(observed, spread.freedom))
    scale = np.where(still, 0.0, 1 / np.where(still, 1.0, spread.error))[:, None]
    for part in _parts(moved.shape[1], max(1, len(pairs))):
        differences = moved[a, part] - moved[b, part]
        for noise in noises:
            drawn = noise.rng.standard_normal((differences.shape[1], len(first))).T
            differences += noise.of_a[:, None] * drawn[pairs[:, 0]] - noise.of_b[:, None] * drawn[pairs[:, 1]]
        counts.add(np.abs(differences, out=differences) * scale)
    critical = counts.critical(alpha) if (~still).any() else None
    return spread, counts.p_values(), counts.adjusted(), critical


def _added(level: Level, a: np.ndarray, b: np.ndarray, total: np.ndarray, smallest: float) -> tuple[np.ndarray, int]:
    """What a level adds to the variance of the difference of each pair, float64 [pairs], and by how
    many contrasts it is known.

    total: the variance by all that stands before. smallest: a standard deviation that is rounding.
    """
    scatter = ((level.apart[a] - level.apart[b]) ** 2).sum(axis=1)
    within = level.within
    explained = total if within is None else within[a, a] + within[b, b] - 2 * within[a, b]
    moving = explained > smallest**2
    ratio = np.median(scatter[moving] / explained[moving]) / median_variance(level.freedom) if moving.any() else 1.0
    added = np.maximum(scatter, max(1.0, ratio) * explained) - explained
    return np.maximum(0.0, added), _contrasts(level, a, b, smallest)


def _halves(level: Level, added: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each method of a pair has of the standard deviation that a level adds, float64 [pairs]
    each. It has as much of the variance as it moves by itself between units, half where neither
    does.
    """
    alone = np.ones(len(level.apart)) if level.within is None else np.maximum(0.0, np.diag(level.within))
    both = alone[a] + alone[b]
    share = np.where(both > 0, alone[a] / np.where(both > 0, both, 1.0), 0.5)
    return np.sqrt(added * share), np.sqrt(added * (1 - share))


def _contrasts(level: Level, a: np.ndarray, b: np.ndarray, smallest: float) -> int:
    """How many of the differences are independent as far as a level goes: their rank, one at least.
    A method that is the same in all units adds nothing to a difference.
    """
    graph = np.zeros((len(level.apart), len(level.apart)))  # its Laplacian has the rank of the matrix of differences
    for one, two in ((a, b), (b, a)):
        np.add.at(graph, (one, one), 1.0)
        np.add.at(graph, (one, two), -1.0)
    own = np.full(len(graph), np.inf) if level.within is None else np.diag(level.within)
    moving = np.flatnonzero(own > smallest**2)
    return max(1, int(np.linalg.matrix_rank(graph[np.ix_(moving, moving)], hermitian=True))) if len(moving) else 1


def _squared_share(variance: np.ndarray, freedom: int) -> np.ndarray:
    """What a part of a variance adds to Satterthwaite's denominator."""
    return variance**2 / max(1, freedom)


def _spread(variance: np.ndarray, total: np.ndarray, doubt: np.ndarray, tails: np.ndarray, alpha: float) -> _Spread:
    """variance: of the groups alone, whose quantiles are `tails` [2, ...]; total: with all levels;
    doubt: Satterthwaite's denominator.

    The normal quantiles of what levels add and the quantiles of resamples are added as standard
    deviations are. The interval is as much wider as Student's t is than the normal distribution.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(doubt > 0, total**2 / doubt, np.inf)
    normal = NormalDist().inv_cdf(1 - alpha / 2)
    added = normal**2 * (total - variance)
    stretch = wider(alpha, freedom)
    low, high = (stretch * np.sqrt(np.maximum(0.0, side) ** 2 + added) for side in (-tails[0], tails[1]))
    return _Spread(np.sqrt(total), freedom, 0.0 - low, high)


def _parts(count: int, beside: int) -> Iterator[slice]:
    """Slices of `count` rows of so many numbers, of a size that can be held."""
    step = max(1, _HELD // max(1, beside))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
