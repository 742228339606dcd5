"""Methods by the metrics that somebody asked for besides the primary one: ranks, ties and
intervals as in the main tables.
"""

from __future__ import annotations

import msgspec

from bench.leaderboard.blocks import Block, Cell, Column, Heading, Interval, Notes, Number, Paragraph, Table
from bench.leaderboard.board import Board, Section, higher_is_better
from bench.leaderboard.rows import Difference, MethodRow, Row, Score, cell
from bench.leaderboard.sections import tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import capital, directed, metric, percent
from bench.results.coordinates import Method, TableKey, method_in, table_of
from bench.results.records import Comparison, Statistics
from bench.statistics.ties import tie_groups


class ComparedRow(MethodRow, kw_only=True):
    """One method: its score over the seeds of the table, and where it stands by it.

    behind: its difference from the best, with the p-value of that comparison, corrected for all of
    the table.
    """

    score: Score
    rank: int
    tie_group: int | None = None
    interval: tuple[float, float] | None = None
    behind: Difference | None = None
    p: float | None = None


class Compared(TableKey, kw_only=True, frozen=True):
    """The methods of one table by one metric, best first; without a rank in the main table there is
    none here.

    reason: why there are no intervals and ties, in words. chance: what an uninformed prediction
            scores, where it is known.
    """

    metric: str
    higher: bool | None
    summary: str = ""
    chance: float | None = None
    alpha: float | None = None
    reason: str = ""
    rows: list[ComparedRow] = msgspec.field(default_factory=list)


def aggregate(board: Board) -> list[Compared]:
    compared = {task.name: task.compared for task in board.export.tasks}
    return [_compared(board, table, name) for table in board[tables.SECTION] for name in compared.get(table.task, ())]


def _compared(board: Board, table: TaskTable, name: str) -> Compared:
    export = board.export
    higher, about = higher_is_better(export, name), export.metrics.get(name)
    scored: list[tuple[Method, Row, Score]] = [
        (method_in(table, *pair), row, row.scores[name]) for pair, row in table.eligible.items() if name in row.scores
    ]
    sign = -1 if higher else 1
    scored.sort(key=lambda each: (sign * each[2].mean, each[0]))
    methods = [method for method, _, _ in scored]
    intervals, groups, pairs, reason = _stored(export.statistics, table, name, methods)
    of_best = {m: c for c in pairs for m, other in ((c.a, c.b), (c.b, c.a)) if other == methods[0]}
    ranks = [1 + sum(sign * other.mean < sign * score.mean for _, _, other in scored) for _, _, score in scored]
    rows = [
        ComparedRow(
            **row.method,
            score=score,
            rank=rank,
            tie_group=groups.get(method),
            interval=intervals.get(method),
            behind=Difference.of(of_best[method], method) if method in of_best else None,
            p=of_best[method].p_adjusted if method in of_best else None,
        )
        for rank, (method, row, score) in zip(ranks, scored, strict=True)
    ]
    return Compared(
        **msgspec.structs.asdict(table_of(table)),
        metric=name,
        higher=higher,
        summary=about.summary if about else "",
        chance=about.chance if about else None,
        alpha=export.statistics.alpha if export.statistics and intervals else None,
        reason=reason,
        rows=rows,
    )


def _stored(
    statistics: Statistics | None, table: TableKey, name: str, methods: list[Method]
) -> tuple[dict[Method, tuple[float, float]], dict[Method, int], list[Comparison], str]:
    """Intervals, tie groups and comparisons of these methods, best first, where all of them were
    compared; else why there are none.
    """
    if statistics is None or not methods:
        return {}, {}, [], "no comparisons are stored"
    about = next((t for t in statistics.tables if table_of(t) == table_of(table) and t.metric == name), None)
    intervals = {i.method: (i.low, i.high) for i in statistics.intervals if i.metric == name}
    if about is None or not set(methods) <= intervals.keys():
        return {}, {}, [], about.reason if about and about.reason else "the stored comparisons are of other cells"
    among = set(methods)
    pairs = [c for c in statistics.comparisons if c.metric == name and {c.a, c.b} <= among]
    groups = dict(zip(methods, tie_groups(methods, pairs, statistics.alpha), strict=True))
    return {method: intervals[method] for method in methods}, groups, pairs, ""


def blocks(board: Board) -> list[Block]:
    return [block for each in board[SECTION] for block in _blocks(each)]


def _blocks(each: Compared) -> list[Block]:
    chance = "" if each.chance is None else f" An uninformed prediction scores {each.chance:g}."
    about = f"{capital(each.summary)}." * bool(each.summary) + chance
    parts: list[Block] = [Heading(3, f"{each.title}: {directed(each.metric, each.higher)}")]
    parts += [Paragraph(about)] if about else []
    if not each.rows:
        return [*parts, Notes([f"{metric(each.metric)} is defined for no method with a rank."])]
    columns = [Column("rank"), Column("tie group"), Column("imputer"), Column("fuser")]
    columns.append(Column(metric(each.metric), each.higher))
    columns += [Column(f"{percent(each.alpha)} interval"), Column("minus the best")] if each.alpha else []
    body: list[list[Cell]] = [
        [
            *((row.rank, row.tie_group) if each.higher is not None else (None, None)),
            *row.labels,
            cell(row.score, "strong" if row.rank == 1 and each.higher is not None else None),
            *([Interval(*row.interval) if row.interval else None, _behind(row)] if each.alpha else []),
        ]
        for row in each.rows
    ]
    parts.append(Table(columns, body))
    return [*parts, Notes([f"Not compared: {each.reason}."])] if each.reason else parts


def _behind(row: ComparedRow) -> Cell:
    if row.behind is None:
        return None
    return Number(row.behind.mean, "+z.4f", low=row.behind.low, high=row.behind.high, p=row.p)


SECTION = Section("compared", aggregate, blocks, chapter="By further metrics")
