"""Blocks as plain text for a terminal, without markup, as wide as asked for."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from bench.leaderboard.blocks import Block, Cell, Command, Figure, Heading, Notes, Paragraph, Table
from bench.leaderboard.render.spelling import pieces, title
from bench.text import clean

GAP = "  "


def to_terminal(blocks: Iterable[Block], width: int) -> str:
    """The blocks, at most `width` characters wide; ends with a newline.

    Of a table the columns that fit are shown, from the left, and a line below names the others.
    Figures are left out.
    """
    return "\n\n".join(text for block in blocks if (text := _block(block, width))) + "\n"


def _block(block: Block, width: int) -> str:
    match block:
        case Heading():
            text = _text(block.text)
            return f"{text}\n{('=' if block.level < 3 else '-') * min(len(text), width)}"
        case Paragraph():
            return _wrapped(_text(block.text), width)
        case Command():
            return f"    {clean.line(block.text)}"
        case Notes():
            return "\n".join(_wrapped(_text(item), width, "- ") for item in block.items)
        case Table():
            return _table(block, width)
        case Figure():
            return ""


def _table(table: Table, width: int) -> str:
    header = [clean.line(title(column)) for column in table.columns]
    body = [[_text(cell) for cell in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    shown, left = [], width + len(GAP)
    for number, needed in enumerate(widths):
        if needed + len(GAP) <= left:
            shown.append(number)
            left -= needed + len(GAP)
    lines = [_line([row[k] for k in shown], [widths[k] for k in shown]) for row in (header, *body)]
    lines.insert(1, GAP.join("-" * widths[k] for k in shown))
    if absent := [name for k, name in enumerate(header) if k not in shown]:
        lines += ["", _wrapped(f"Not shown, for want of width: {', '.join(absent)}.", width)]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _text(cell: Cell) -> str:
    return clean.line("".join(text for text, _, _ in pieces(cell)))


def _wrapped(text: str, width: int, begin: str = "") -> str:
    return textwrap.fill(text, width, initial_indent=begin, subsequent_indent=" " * len(begin), break_on_hyphens=False)
