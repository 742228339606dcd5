"""How well probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.figures.looks import Looks
from bench.figures.shapes import Axis, Chart, Line, Point
from bench.leaderboard.blocks import Block, Cell, Column, Figure, Heading, Paragraph, Table
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import MethodRow, Row, Score, best_two
from bench.leaderboard.sections import tables
from bench.leaderboard.sections.patterns import eligible_records
from bench.metrics.calibration import BINS
from bench.results.coordinates import TableKey, table_of
from bench.results.records import Bin, Record

DRAWN = 6
"""Rows of a table whose reliability is drawn, the best ones: more lines than that cannot be
distinguished.
"""


class CalibrationRow(MethodRow, kw_only=True):
    """How well one method's probabilities are calibrated. bins: of all seeds together, of the
    best rows, for a picture.
    """

    ece: Score | None
    brier: Score | None
    bins: list[Bin]


class Calibrations(TableKey, kw_only=True, frozen=True):
    """Calibration of one table's rows, in their order."""

    rows: list[CalibrationRow]


def aggregate(board: Board) -> list[Calibrations]:
    """One per table in which some row's records say how their probabilities are calibrated."""
    calibrations = []
    for table in board[tables.SECTION]:
        key = table_of(table)
        records = eligible_records(table, board.methods[key])
        if any(record.calibration for of_row in records.values() for record in of_row):
            eligible = enumerate(table.eligible.values())
            rows = [_row(row, records[row.pair], place < DRAWN) for place, row in eligible]
            calibrations.append(Calibrations(**msgspec.structs.asdict(key), rows=rows))
    return calibrations


def _row(row: Row, records: Sequence[Record], drawn: bool) -> CalibrationRow:
    known = [record.calibration for record in records if record.calibration]
    whole = len(known) == len(records)
    return CalibrationRow(
        **row.method,
        ece=Score.over([c.ece for c in known]) if whole else None,
        brier=Score.over([c.brier for c in known]) if whole else None,
        bins=_together([b for c in known for b in c.bins]) if whole and drawn else [],
    )


def _together(bins: Sequence[Bin]) -> list[Bin]:
    """The bins of all seeds, those of the same place taken together."""
    places: dict[int, list[Bin]] = {}
    for each in bins:
        places.setdefault(min(int(each.predicted * BINS), BINS - 1), []).append(each)
    merged = []
    for _, inside in sorted(places.items()):
        n = sum(b.records for b in inside)
        predicted, observed = (
            sum(b.records * getattr(b, name) for b in inside) / n for name in ("predicted", "observed")
        )
        merged.append(Bin(n, predicted, observed))
    return merged


def blocks(board: Board) -> list[Block]:
    if not board[SECTION]:
        return []
    about = (
        f"ECE: the mean distance between the probability and how often it came true, over {BINS} bins of equal width; Brier: "
        "the mean squared error of the probability. Smaller is better. –: a record made before this was kept."
    )
    header = [Column("imputer"), Column("fuser"), Column("ECE", higher=False), Column("Brier", higher=False)]
    parts: list[Block] = [Heading(3, "Calibration"), Paragraph(about)]
    for table in board[SECTION]:
        marked = [best_two([getattr(row, name) for row in table.rows], higher=False) for name in ("ece", "brier")]
        body: list[list[Cell]] = [[*row.labels, *scores] for row, *scores in zip(table.rows, *marked, strict=True)]
        parts += [Heading(4, table.title), Table(header, body), *_figure(table, board.looks)]
    return parts


def _figure(table: Calibrations, looks: Looks) -> list[Block]:
    rows = [row for row in table.rows if row.bins]
    lines = [
        Line(
            [
                Point(
                    b.predicted,
                    b.observed,
                    f"{row.name}: {b.predicted:.3f} predicted, {b.observed:.3f} came true, {b.records:,}",
                    looks.of(*row.pair),
                )
                for b in row.bins
            ]
        )
        for row in rows
    ]
    axes = Axis("probability", ends=(0, 1)), Axis("share that came true", ends=(0, 1))
    caption = "On the diagonal a probability is right; below, it is too high. Of the best methods those with bins of 10 records."
    keys = [(row.name, looks.of(*row.pair)) for row in rows]
    return [Figure(Chart(lines, *axes, "Reliability diagram", diagonal=True), caption, keys)] if rows else []


SECTION = Section("calibrations", aggregate, blocks, chapter="What the grid tells")
