"""The tables among blocks as CSV, for programs: numbers in full, each part of a number in a
column of its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from bench.leaderboard.blocks import Block, Cell, Interval, Number, Table
from bench.leaderboard.render.spelling import pieces
from bench.text import clean

PLAIN = {int, float, type(None)}
PARTS = ("std", "low", "high", "p")


def to_csv(blocks: Iterable[Block]) -> str:
    """Table after table, an empty line between two.

    A column whose numbers have a standard deviation, an interval or a p-value has a column for each
    of these behind it. What is missing is empty, or says why. Text that a spreadsheet would take
    for a formula has an apostrophe before it (`bench.text.clean.cell`).
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for place, table in enumerate(block for block in blocks if isinstance(block, Table)):
        if place:
            writer.writerow([])
        cells = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
        named = [
            (f"{column.name} {part}".strip(), values)
            for column, down in zip(table.columns, cells, strict=True)
            for part, values in _parts(down)
        ]
        writer.writerow(clean.cell(name) for name, _ in named)
        writer.writerows(zip(*(values for _, values in named), strict=True))
    return text.getvalue()


def _parts(cells: Sequence[Cell]) -> list[tuple[str, Any]]:
    """What a column becomes: its cells, and each part that its numbers have, by name. Of
    intervals alone, their parts.
    """
    kinds = set(map(type, cells))
    if kinds <= PLAIN:
        return [("", cells)]
    if kinds <= {str, type(None)}:
        values = {cell: _value(cell) for cell in set(cells)}  # thousands of rows share their words
        return [("", [values[cell] for cell in cells])]
    if not kinds & {Number, Interval}:
        return [("", list(map(_value, cells)))]
    parts = [(part, [getattr(cell, part, None) for cell in cells]) for part in PARTS]
    known = [(part, values) for part, values in parts if any(value is not None for value in values)]
    return known if kinds <= {Interval, type(None)} else [("", list(map(_value, cells))), *known]


def _value(cell: Cell) -> str | int | float | None:
    if cell is None or isinstance(cell, (int, float)):
        return cell
    if isinstance(cell, Interval):
        return None
    if isinstance(cell, Number):
        return cell.value
    text = cell if type(cell) is str else "".join(text for text, _, _ in pieces(cell))
    return str(clean.cell(text))
