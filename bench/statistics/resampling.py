"""Scores of several methods on one shared set of resamples, and how much they scatter over seeds
and splits.

A resample draws as many groups (patients) as there are, with replacement, within the test part of
each split by itself. Every method, under every seed, is scored on the same draw; a method's score
is the mean over splits of its means over seeds. Seeds and splits are not drawn: of the three that
are usual, draws give a handful of distinct values. What they add to a variance is computed from
their scatter instead (`bench.statistics.differences`), which is kept here as a `Level` each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_CHUNK = 5_000_000
"""Weights held at once (records x resamples, float32): 20 megabytes."""

_WIDEST = 1024
"""Resamples held at once: rows long enough to be added quickly, and short enough that a chunk of a
usual test part stays near the processor.
"""

_KEPT = 2000
"""Resamples of which the scores under each seed are kept, for a variance and not for its tails."""

MOST_DRAWN = 80_000_000
"""Scores of resamples held at once (methods x resamples, float64): 640 megabytes, and as much
again where some are left out.
"""

MOST_PAIRS = 100_000
"""Pairs of one table that are compared: of 447 methods, and some 50 megabytes of an export."""


@dataclass(frozen=True)
class Level:
    """Units besides groups that a score is averaged over: seeds or splits.

    - name: of the stream that its noise is drawn from.
    - apart: float64 [methods, units], what each unit's score lies apart from the mean. It is
      scaled: the sum of the squares of a row, or of the difference of two rows, is a variance. That
      is the variance of the mean over units that their scatter shows.
    - within: float64 [methods, methods], the covariance of that scatter which the drawing of groups
      explains by itself. None: all the variance of the levels before, as where each unit has groups
      of its own.
    - freedom: degrees of freedom of the scatter of one method.
    """

    name: str
    apart: np.ndarray
    within: np.ndarray | None
    freedom: int


@dataclass(frozen=True)
class Split:
    """Methods on the test part of one split.

    - scores: float64 [methods, seeds], as they are.
    - drawn: float64 [methods, resamples], means over seeds; NaN where a score is not defined.
    - under: float64 [methods, seeds, kept], the first of them under each seed.
    - groups: of the test part.
    """

    scores: np.ndarray
    drawn: np.ndarray
    under: np.ndarray
    groups: int


@dataclass(frozen=True)
class Resampled:
    """Methods on all splits of a table.

    scores: float64 [methods]. drawn: float64 [methods, usable], of the resamples by which all
            scores are defined.
    groups: of all splits together. left_out: resamples that are not usable.
    """

    scores: np.ndarray
    drawn: np.ndarray
    levels: tuple[Level, ...]
    groups: int
    left_out: int


def resample(
    scores: np.ndarray,
    evaluate: Callable[[np.ndarray], np.ndarray],
    group_of: np.ndarray,
    groups: int,
    resamples: int,
    rng: np.random.Generator,
) -> Split:
    """Score all methods of one split on resamples of its groups.

    scores: float64 [methods, seeds], as they are; evaluate: weights float32 [n, chunk] -> float64
            [methods, seeds, chunk];
    group_of: int [n], the group of each row that is weighted.
    """
    methods, seeds = scores.shape
    drawn = np.empty((methods, resamples))
    under = np.empty((methods, seeds, min(resamples, _KEPT) if seeds > 1 else 0))
    start = 0
    for weights in weights_of(group_of, groups, resamples, rng):
        stop = start + weights.shape[1]
        values = evaluate(weights)
        drawn[:, start:stop] = values.mean(axis=1)
        kept = under[:, :, start:stop]
        kept[:] = values[:, :, : kept.shape[2]]
        start = stop
    return Split(scores, drawn, under, groups)


def joined(splits: Sequence[Split]) -> Resampled:
    """The means over splits of the means over seeds, with what both levels scatter."""
    usable = np.all([np.isfinite(split.drawn).all(axis=0) for split in splits], axis=0)
    drawn = splits[0].drawn if len(splits) == 1 else np.mean([split.drawn for split in splits], axis=0)
    by_split = np.stack([split.scores.mean(axis=1) for split in splits], axis=1)
    levels = [_seeds(splits, usable), _splits(by_split)]
    return Resampled(
        scores=by_split.mean(axis=1),
        drawn=drawn if usable.all() else drawn[:, usable],
        levels=tuple(level for level in levels if level),
        groups=sum(split.groups for split in splits),
        left_out=int((~usable).sum()),
    )


def _seeds(splits: Sequence[Split], usable: np.ndarray) -> Level | None:
    """The level of seeds, each split having seeds of its own; None where no split has several."""
    several = [split for split in splits if split.scores.shape[1] > 1]
    if not several:
        return None
    methods = len(splits[0].scores)
    within = np.zeros((methods, methods))
    for split in several:
        count = split.scores.shape[1]
        under = split.under[:, :, usable[: split.under.shape[2]]]
        own = under - under.mean(axis=1, keepdims=True)  # what a resample does under one seed and not under all
        flat = (own - own.sum(axis=2, keepdims=True) / max(1, own.shape[2])).reshape(methods, -1)
        # The variance of `own`, summed over seeds, is (count - 1) times that of what groups and
        # seeds do together under one seed. The scatter of seeds has it, too; of a mean over `count`
        # seeds it is one part in `count`.
        within += flat @ flat.T / max(1, own.shape[2] - 1) / (count - 1) / count / len(splits) ** 2
    return Level(
        name="seeds",
        apart=np.concatenate([_apart(split.scores) for split in several], axis=1) / len(splits),
        within=within,
        freedom=sum(split.scores.shape[1] - 1 for split in several),
    )


def _splits(scores: np.ndarray) -> Level | None:
    """The level of splits, from the scores of each, float64 [methods, splits]; None where there
    is one.
    """
    count = scores.shape[1]
    return Level("splits", _apart(scores), None, count - 1) if count > 1 else None


def _apart(scores: np.ndarray) -> np.ndarray:
    """float64 [methods, units]: `Level.apart` of the scores of so many units, two at least."""
    count = scores.shape[1]
    apart: np.ndarray = (scores - scores.mean(axis=1, keepdims=True)) / np.sqrt(count * (count - 1))
    return apart


def weights_of(group_of: np.ndarray, groups: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each record is drawn: float32 [n, chunk], chunk after chunk. The chunk's size
    changes no number.
    """
    chunk = int(np.clip(_CHUNK // max(len(group_of), groups), 1, min(resamples, _WIDEST)))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        picked = rng.integers(0, groups, (size, groups)) + np.arange(size)[:, None] * groups
        counts = np.bincount(picked.ravel(), minlength=size * groups).reshape(size, groups)
        yield np.ascontiguousarray(counts.T.astype(np.float32)[group_of])


def too_few(groups: int, alpha: float) -> str:
    """Why so few groups allow no statistics, in words; "" where they do.

    The differences of G groups that are as likely to be positive as negative all have one sign with
    probability 2^(1 - G), the smallest two-sided p-value of a sign test. Where this is not below
    alpha no two methods can be distinguished, whatever resampling says: of one group every resample
    is the same.
    """
    least = next(count for count in range(1, 1100) if 2.0 ** (1 - count) < alpha)
    return f"not compared: {groups} test group{'s' * (groups != 1)}, at least {least} are needed" * (groups < least)


def too_many(resamples: int, methods: int, pairs: int, alpha: float) -> str:
    """Why so many resamples of so many methods, or so many pairs, are not drawn and compared, in
    words; "" where they are.
    """
    if pairs > MOST_PAIRS:
        bound = f"{MOST_PAIRS:,} are compared at most; compare fewer methods"
        return f"not compared: {pairs:,} pairs of {methods:,} methods, and {bound}"
    return (
        f"not compared: {pairs:,} pairs at level {alpha:g} need {resamples:,} resamples of {methods:,} methods, and "
        f"{MOST_DRAWN:,} scores are held at most; raise stats.alpha, lower stats.resamples, compare fewer methods or set "
        "stats.correction=maxt"
    ) * (resamples * methods > MOST_DRAWN)
