"""What stands in the rows of tables: scores over seeds, differences, and one method with all of
it, or why it has none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from bench.figures.shapes import Look, Point
from bench.leaderboard.audited import AuditResult
from bench.leaderboard.blocks import Cell, Label, Mark, Number
from bench.leaderboard.board import Cells
from bench.leaderboard.published import PublishedScore
from bench.leaderboard.statements import nobody
from bench.leaderboard.words import metric
from bench.results.coordinates import Method, Repeat
from bench.results.records import STATUSES, Comparison, Export, TaskSummary
from bench.results.redact import redact_text


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
        return f"{self.mean:+z.4f} ({self.low:+z.4f} to {self.high:+z.4f})"


def sure(low: float, high: float, higher: bool) -> tuple[bool, bool]:
    """Whether the interval of a difference excludes 0 for the better, and for the worse."""
    return (low > 0, high < 0) if higher else (high < 0, low > 0)


def sure_mark(better: bool, worse: bool) -> Mark | None:
    return "strong" if better else "emphasis" if worse else None


def cell(score: Score | None, mark: Mark | None = None, note: str = "") -> Cell:
    return Number(score.mean, mark=mark, std=score.std, note=note) if score else None


def coverage(score: Score | None) -> Cell:
    """A share in percent, without a mark: of coverage nothing is best, 100 % of a forecaster
    that says nothing is no merit.
    """
    return Number(100 * score.mean, ".1f", unit=" %") if score else None


def best_two(scores: Sequence[Score | None], higher: bool | None, eligible: Sequence[bool] | None = None) -> list[Cell]:
    """Scores as cells, the best and the second marked. Means that print the same are the same.

    Where all but the best are equal there is no second. Where neither higher nor lower is better
    nothing is marked. eligible: which scores may be best or second; None: all.
    """
    may = [True] * len(scores) if eligible is None else eligible
    shown = [f"{score.mean:.4f}" for score, counts in zip(scores, may, strict=True) if score and counts]
    means = sorted(set(shown), key=float, reverse=higher) if higher is not None else []
    second = means[1:2] if len(means) > 2 or len(shown) == 2 else []
    marks: dict[str, Mark] = dict(zip(means[:1] + second, ("strong", "second"), strict=False))
    return [
        cell(score, marks.get(f"{score.mean:.4f}") if counts else None) if score else None
        for score, counts in zip(scores, may, strict=True)
    ]


class MethodRow(msgspec.Struct, kw_only=True):
    """One method of a table, and which of its two parts is in the grid as a control."""

    imputer: str
    fuser: str
    control_imputer: bool
    control_fuser: bool

    @property
    def control(self) -> bool:
        return self.control_imputer or self.control_fuser

    @property
    def pair(self) -> tuple[str, str]:
        return self.imputer, self.fuser

    @property
    def name(self) -> str:
        return f"{self.imputer} + {self.fuser}"

    @property
    def labels(self) -> tuple[Label, Label]:
        return Label(self.imputer, self.control_imputer), Label(self.fuser, self.control_fuser)

    @property
    def method(self) -> dict[str, Any]:
        """The fields of this struct alone, for a row of another table."""
        return {name: getattr(self, name) for name in MethodRow.__struct_fields__}


class Row(MethodRow, kw_only=True):
    """One method of a table.

    - scores, validation, interval, rank, tie_group: only there when every planned seed is ok: holes
      never become averages.
    - statuses: status -> how many cells.
    - reasons: why cells are not ok, each once.
    - `nobody`: the modalities of its set that no record has, so that the row is one of the set
      without them.
    - unranked: the audits that failed. Because of them the row has no interval, rank and tie group
      and takes no part in anything that names a best.
    """

    seeds_planned: list[Repeat]
    seeds_ok: list[Repeat]
    statuses: dict[str, int]
    reasons: list[str]
    unranked: str = ""
    rank: int | None = None
    tie_group: int | None = None
    scores: dict[str, Score] = {}
    validation: dict[str, Score] = {}
    interval: tuple[float, float] | None = None
    audits: dict[str, AuditResult] = {}
    nobody: list[str] = []
    published: list[PublishedScore] = []

    @property
    def complete(self) -> bool:
        return bool(self.scores)

    @property
    def eligible(self) -> bool:
        """Whether it may be ranked and compared: it has all its scores and failed no audit."""
        return self.complete and not self.unranked


def row_of(export: Export, method: Method, cells: Cells, task: TaskSummary) -> Row:
    """A row without rank. It is complete when every planned seed is ok and has the primary metric.

    Every other metric has a mean where every seed has it, else none.
    """
    scored = {at.repeat: record for at, record in cells.items() if record and record.status == "ok"}
    primary = task.metrics[0]
    short = sorted(seed for seed, record in scored.items() if primary not in record.scores)
    reasons = {
        f"{record.status}: {redact_text(record.reason)}"
        for record in cells.values()
        if record and record.status != "ok"
    }
    if short:
        reasons.add(f"ok, but {metric(primary)} is not defined for its predictions")
    row = Row(
        imputer=method.imputer,
        fuser=method.fuser,
        control_imputer=method.imputer in export.control_imputers and method.pair not in export.completing,
        control_fuser=method.fuser in export.control_fusers,
        seeds_planned=sorted(at.repeat for at in cells),
        seeds_ok=sorted(set(scored) - set(short)),
        statuses=statuses(cells),
        reasons=sorted(reasons),
        nobody=nobody(scored.values()),
    )
    if row.seeds_ok == row.seeds_planned:
        records = [scored[seed] for seed in row.seeds_ok]
        defined = [name for name in task.metrics if all(name in record.scores for record in records)]
        row.scores = {name: Score.over([record.scores[name] for record in records]) for name in defined}
        everywhere = [name for name in task.metrics if all(name in record.validation for record in records)]
        row.validation = {name: Score.over([record.validation[name] for record in records]) for name in everywhere}
    return row


def statuses(cells: Cells) -> dict[str, int]:
    """Status -> how many cells, in the order of `STATUSES`."""
    counts = Counter(record.status if record else "not-run" for record in cells.values())
    return {status: counts[status] for status in STATUSES if counts[status]}


def forget_lonely_fuser(rows: Collection[Row]) -> None:
    """Where the control fusers are all fusers, as in a suite for imputers, they control nothing."""
    if all(row.control_fuser for row in rows):
        for row in rows:
            row.control_fuser = False


def point(x: float, score: Score, interval: tuple[float, float] | None, name: str, at: str, look: Look) -> Point:
    """A score in a picture, with what is told on hovering."""
    low, high = interval or (None, None)
    reach = "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
    return Point(x, score.mean, f"{name}: {score.mean:.4f}{reach} at {at}", look, low=low, high=high)
