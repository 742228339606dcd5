"""What more modalities add: the stored comparisons of one method on two modality sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from bench.leaderboard.blocks import Block, Cell, Heading, Notes, Number, Paragraph, Rich, Table, emphasis, strong
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import sure, sure_mark
from bench.leaderboard.sections import head, tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import CORRECTIONS, columns, count, directed, modality_set, percent
from bench.results.coordinates import TableKey, across_sets, table_of
from bench.results.records import Comparison


class Gain(msgspec.Struct, kw_only=True):
    """What one method gains, in the primary metric, from a larger modality set: paired difference
    over groups x seeds.

    - difference: score with `larger` - score with `smaller`.
    - low, high: its interval.
    - p_adjusted: for all gains of the task and scenario.
    - better: the difference is an improvement and its interval excludes 0; worse: the opposite.
    """

    smaller: str
    larger: str
    imputer: str
    fuser: str
    difference: float
    low: float
    high: float
    p_adjusted: float
    better: bool
    worse: bool


class Gains(TableKey, kw_only=True, frozen=True):
    """All gains of one task under one scenario. best: modality set -> its best method and that
    method's mean score.
    correction: how p-values are adjusted for their number.
    """

    metric: str
    higher: bool
    alpha: float
    correction: str
    best: dict[str, tuple[str, float]]
    rows: list[Gain]


def aggregate(board: Board) -> list[Gains]:
    """One per table, whatever its modality set, with stored gains. Both methods must be eligible
    rows.
    """
    statistics = board.export.statistics
    if statistics is None:
        return []
    stored: dict[TableKey, list[Comparison]] = {}
    for comparison in statistics.gains:
        stored.setdefault(across_sets(comparison.a), []).append(comparison)
    by_table: dict[TableKey, list[TaskTable]] = {}
    for table in board[tables.SECTION]:
        by_table.setdefault(across_sets(table), []).append(table)
    gains = []
    for key, inside in by_table.items():
        primary, higher = inside[0].primary, inside[0].primary_higher
        eligible = {table_of(table): table.eligible for table in inside}
        rows = [
            _gain(c, higher)
            for c in stored.get(key, [])
            if c.metric == primary and all((m.imputer, m.fuser) in eligible.get(table_of(m), {}) for m in (c.a, c.b))
        ]
        if rows:
            winners = {table.modalities: table.rows[0] for table in inside if table.rows[0].eligible}
            best = {name: (row.name, row.scores[primary].mean) for name, row in winners.items()}
            about: dict[str, Any] = msgspec.structs.asdict(key)
            about |= {"alpha": statistics.alpha, "correction": statistics.correction}
            gains.append(Gains(**about, metric=primary, higher=higher, best=best, rows=rows))
    return gains


def _gain(c: Comparison, higher: bool) -> Gain:
    better, worse = sure(c.low, c.high, higher)
    return Gain(
        smaller=c.b.modalities,
        larger=c.a.modalities,
        imputer=c.a.imputer,
        fuser=c.a.fuser,
        difference=c.difference,
        low=c.low,
        high=c.high,
        p_adjusted=c.p_adjusted,
        better=better,
        worse=worse,
    )


def blocks(board: Board) -> list[Block]:
    nobody = board[head.SECTION].nobody
    return [block for gains in board[SECTION] for block in _blocks(gains, nobody)]


def _blocks(gains: Gains, nobody: Mapping[str, Sequence[str]]) -> list[Block]:
    """A line per method, a column per pair of modality sets."""
    best = "; ".join(f"{name} {score:.4f} ({winner})" for name, (winner, score) in gains.best.items())
    about = Rich(
        f"Differences in {directed(gains.metric, gains.higher)} of the same method on two modality sets, paired in patients and "
        f"seeds, with {percent(gains.alpha)} intervals; ",
        strong("bold"),
        " where the interval excludes 0 for the better, ",
        emphasis("italic"),
        f" for the worse; p adjusted over this table by {CORRECTIONS[gains.correction]}. Best of each set: {best}.",
    )
    pair_of, method_of = attrgetter("smaller", "larger"), attrgetter("imputer", "fuser")
    cells = {(pair_of(row), method_of(row)): _cell(row) for row in gains.rows}
    pairs, methods = (list(dict.fromkeys(map(of, gains.rows))) for of in (pair_of, method_of))
    body = [[*method, *(cells.get((pair, method)) for pair in pairs)] for method in methods]
    over = {(a, b): f"{modality_set(b, nobody)} over {modality_set(a, nobody)}" for a, b in pairs}
    counts = [
        f"{over[pair]}: the interval excludes 0 for the better in {sum(row.better for row in inside)}, for the worse in "
        f"{sum(row.worse for row in inside)} of {count(len(inside), 'method')}; adjusted p below "
        f"{gains.alpha:g} in {sum(row.p_adjusted < gains.alpha for row in inside)}."
        for pair in pairs
        for inside in [[row for row in gains.rows if pair_of(row) == pair]]
    ]
    title = Heading(2, f"What more modalities add: {gains.title}")
    return [title, Paragraph(about), Table(columns("imputer", "fuser", *over.values()), body), Notes(counts)]


def _cell(row: Gain) -> Cell:
    mark = sure_mark(row.better, row.worse)
    return Number(row.difference, "+z.4f", mark, low=row.low, high=row.high, p=row.p_adjusted)


SECTION = Section("gains", aggregate, blocks)
