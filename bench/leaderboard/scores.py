"""A score over seeds, and which of a column are the best two."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from bench.leaderboard.blocks import Cell, Mark, Number
from bench.results.coordinates import Method
from bench.results.records import Comparison


class Score(msgspec.Struct, frozen=True):
    """Mean over n seeds and the sample standard deviation (n - 1); std is None for one seed."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def over(cls, values: Sequence[float]) -> Score:
        """The score of at least one value, one per seed."""
        mean = math.fsum(values) / len(values)
        if len(values) == 1:
            return cls(mean, None, 1)
        return cls(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)), len(values))


class Difference(msgspec.Struct, frozen=True):
    """A paired difference with its bootstrap interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, comparison: Comparison, first: Method) -> Difference:
        """A comparison as first minus the other."""
        mean, low, high = comparison.difference, comparison.low, comparison.high
        return cls(mean, low, high) if comparison.a == first else cls(-mean, -high, -low)

    @property
    def words(self) -> str:
        return f"{self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


def sure(low: float, high: float, higher: bool) -> tuple[bool, bool]:
    """Whether the interval of a difference excludes 0 for the better, and for the worse."""
    return (low > 0, high < 0) if higher else (high < 0, low > 0)


def sure_mark(better: bool, worse: bool) -> Mark | None:
    return "strong" if better else "emphasis" if worse else None


def cell(score: Score | None, mark: Mark | None = None, note: str = "") -> Cell:
    return Number(score.mean, mark=mark, std=score.std, note=note) if score else None


def coverage(score: Score | None) -> Cell:
    """A share in percent, without a mark: of coverage nothing is best, 100 % of a forecaster that says nothing is no merit."""
    return Number(100 * score.mean, ".1f", unit=" %") if score else None


def best_two(scores: Sequence[Score | None], higher: bool, eligible: Sequence[bool] | None = None) -> list[Cell]:
    """Scores as cells, the best and the second marked. Means that print the same are the same.

    Where all but the best are equal there is no second. eligible: which scores may be best or second; None: all.
    """
    may = [True] * len(scores) if eligible is None else eligible
    shown = [f"{score.mean:.4f}" for score, counts in zip(scores, may, strict=True) if score and counts]
    means = sorted(set(shown), key=float, reverse=higher)
    second = means[1:2] if len(means) > 2 or len(shown) == 2 else []
    marks: dict[str, Mark] = dict(zip(means[:1] + second, ("strong", "second"), strict=False))
    return [
        cell(score, marks.get(f"{score.mean:.4f}") if counts else None) if score else None
        for score, counts in zip(scores, may, strict=True)
    ]
