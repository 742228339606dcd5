"""Scores by which modalities a test record has."""

from __future__ import annotations

import statistics as plain
from collections.abc import Mapping, Sequence

import msgspec

from bench.figures.shapes import Heat, Square
from bench.leaderboard.blocks import Block, Cell, Figure, Heading, Paragraph, Rich, Table, emphasis
from bench.leaderboard.board import Board, Cells, Section
from bench.leaderboard.rows import MethodRow, Row, Score, cell
from bench.leaderboard.sections import tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import columns, count, directed
from bench.metrics.patterns import SMALLEST
from bench.results.coordinates import Method, Repeat, TableKey, table_of
from bench.results.records import Record

DRAWN = 16
"""Methods in the picture, the best of the table."""

ENOUGH = 50
"""Records a pattern needs, on average over seeds, to be called a method's worst: of less than
that, chance picks the worst.
"""


class PatternRow(MethodRow, kw_only=True):
    """The primary score of one method by pattern, in the order of the table's; None where a seed
    lacks it.

    worst: place of the worst pattern among those large enough to be called so.
    """

    scores: list[Score | None]
    worst: int | None = None


class Patterns(TableKey, kw_only=True, frozen=True):
    """Scores by which modalities a test record has, for one table. records: per pattern, the
    mean over seeds.
    """

    metric: str
    higher: bool
    names: list[str]
    records: list[float]
    rows: list[PatternRow]


def eligible_records(table: TaskTable, methods: Mapping[Method, Cells]) -> dict[tuple[str, str], list[Record]]:
    """(imputer, fuser) of each eligible row of a table -> its records by seed."""
    eligible = table.eligible
    return {
        (m.imputer, m.fuser): [record for _, record in sorted(cells.items()) if record is not None]
        for m, cells in methods.items()
        if (m.imputer, m.fuser) in eligible
    }


def aggregate(board: Board) -> list[Patterns]:
    """One per table whose records have more than one pattern. Rows in the order of the table,
    eligible ones only.
    """
    patterns = []
    for table in board[tables.SECTION]:
        key = table_of(table)
        by_row = eligible_records(table, board.methods[key])
        stored: dict[Repeat, dict[str, int]] = {}
        for records in by_row.values():
            for record in records:
                if record.patterns:
                    stored.setdefault(record.coordinates.repeat, {p.name: p.records for p in record.patterns})
        names = {name for of_seed in stored.values() for name in of_seed}
        if len(names) < 2:
            continue
        sizes = {name: plain.fmean(of_seed[name] for of_seed in stored.values() if name in of_seed) for name in names}
        sizes = dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))
        higher = table.primary_higher
        patterns.append(
            Patterns(
                **msgspec.structs.asdict(key),
                metric=table.primary,
                higher=higher,
                names=list(sizes),
                records=list(sizes.values()),
                rows=[_row(row, by_row[pair], sizes, higher) for pair, row in table.eligible.items()],
            )
        )
    return patterns


def _row(row: Row, records: Sequence[Record], sizes: Mapping[str, float], higher: bool) -> PatternRow:
    """A pattern has a mean where every seed has it and its score is defined in all of them."""
    by_seed = [{p.name: p.score for p in record.patterns if p.score is not None} for record in records]
    scores = [
        Score.over([scores[name] for scores in by_seed]) if all(name in scores for scores in by_seed) else None
        for name in sizes
    ]
    sign = 1 if higher else -1
    large = [
        (sign * score.mean, place)
        for place, (score, size) in enumerate(zip(scores, sizes.values(), strict=True))
        if score is not None and size >= ENOUGH
    ]
    return PatternRow(
        **row.method,
        scores=scores,
        worst=min(large)[1] if len(large) > 1 else None,
    )


def blocks(board: Board) -> list[Block]:
    if not board[SECTION]:
        return []
    about = Rich(
        "The primary score over the test records that have just these modalities, after hiding; means over seeds. "
        f"Combinations of fewer than {SMALLEST} records are taken together as (others). ",
        emphasis("Italic"),
        f": the method's worst, among combinations of {ENOUGH} records or more; –: not defined (one class alone), or a record "
        "made before this was kept.",
    )
    parts: list[Block] = [Heading(3, "By which modalities a record has"), Paragraph(about)]
    for table in board[SECTION]:
        sizes = zip(table.names, table.records, strict=True)
        header = columns("imputer", "fuser", *(f"{name} ({size:,.0f})" for name, size in sizes))
        body: list[list[Cell]] = [
            [
                *row.labels,
                *(cell(score, "emphasis" if k == row.worst else None) for k, score in enumerate(row.scores)),
            ]
            for row in table.rows
        ]
        title = Heading(4, f"{table.title}, {directed(table.metric, table.higher)}")
        parts += [title, Table(header, body), *_figure(table), *_worst(table)]
    return parts


def _figure(table: Patterns) -> list[Block]:
    """Each combination by itself: how far a method is from the best one there."""
    rows = table.rows[:DRAWN]
    if len(rows) < 2:
        return []
    sign = 1 if table.higher else -1
    by_pattern = [[sign * s.mean for row in rows if (s := row.scores[k])] for k in range(len(table.names))]

    def square(row: PatternRow, k: int) -> Square:
        score, known = row.scores[k], by_pattern[k]
        name = f"{row.name}, {table.names[k]}"
        if score is None:
            return Square("–", f"{name}: not defined")
        low, high = min(known), max(known)
        level = (sign * score.mean - low) / (high - low) if high > low else 1.0
        return Square(f"{score.mean:.3f}", f"{name}: {score.mean:.4f}", level, sign * score.mean == high)

    lines = [(row.name, [square(row, k) for k in range(len(table.names))]) for row in rows]
    about = f"{directed(table.metric, table.higher)} by combination of modalities"
    caption = "More colour is better within a column, among methods on the same records. Framed: the best of it."
    return [Figure(Heat(table.names, lines, about), caption)]


def _worst(table: Patterns) -> list[Block]:
    """Which combination is worst for how many methods."""
    counts = [sum(row.worst == place for row in table.rows) for place in range(len(table.names))]
    named = [
        f"{name} for {count(number, 'method')}" for name, number in zip(table.names, counts, strict=True) if number
    ]
    return [Paragraph(f"Worst: {', '.join(named)}.")] if named else []


SECTION = Section("patterns", aggregate, blocks, chapter="What the grid tells")
