"""How a cell reads, for all targets that people read: pieces of text with their marks, not yet
made harmless for a target.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.leaderboard.blocks import Cell, Column, Interval, Label, Mark, Marked, Missing, Number, Rich
from bench.leaderboard.words import arrow

NOTHING = "–"


Piece = tuple[str, Mark | None, bool]
"""Text, its mark, and whether it is ours: digits and signs that no target takes for markup."""


def pieces(cell: Cell) -> Sequence[Piece]:
    """A cell, or the text of any other block."""
    match cell:
        case Number():
            return _number(cell)
        case Label():
            return [(cell.name, None, False), *_ours(" †" * cell.control), *_aside(cell.note)]
        case Rich():
            return [
                (part, None, False)
                if isinstance(part, str)
                else (part.text, part.mark if isinstance(part, Marked) else None, False)
                for part in cell.parts
            ]
        case str():
            return [(cell, None, False)]
        case None:
            return _ours(NOTHING)
        case int():
            return _ours(f"{cell:,}")
        case float():
            return _ours(repr(cell))
        case Interval():
            low, high = (f"{end:+z.4f}" if cell.signed else f"{end:.4f}" for end in (cell.low, cell.high))
            return _ours(f"{low} to {high}" if cell.signed else f"{low}–{high}")
        case Missing():
            return [(cell.why, None, False)]
        case tuple():
            return [piece for k, number in enumerate(cell) for piece in [*_ours("; " * (k > 0)), *_number(number)]]


def title(column: Column) -> str:
    return column.name if column.higher is None else f"{column.name} {arrow(column.higher)}"


def _number(number: Number) -> list[Piece]:
    form, low, high = number.form, number.low, number.high
    text = f"{number.value:{form}}{number.unit}"
    if number.std is not None:
        text = f"{text} ± {number.std:{form}}"
    if low is None and not number.note:
        return [(text, number.mark, True)]
    p = "" if number.p is None else f"; p {number.p:.3g}"
    interval = "" if low is None else f" ({low:{form}} to {high:{form}}{p})"
    return [(text, number.mark, True), *_ours(interval), *_aside(number.note)]


def _aside(note: str) -> list[Piece]:
    return [(" ", None, True), (note, "emphasis", False)] if note else []


def _ours(text: str) -> list[Piece]:
    return [(text, None, True)] if text else []
