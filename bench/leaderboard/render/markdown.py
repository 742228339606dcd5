"""Blocks as Markdown. Figures are left out: their numbers stand in the tables beside them."""

from __future__ import annotations

from collections.abc import Iterable

import tabulate

from bench.leaderboard.blocks import Block, Cell, Command, Figure, Heading, Mark, Notes, Paragraph, Table
from bench.leaderboard.render.spelling import pieces, title
from bench.text import clean

tabulate.WIDE_CHARS_MODE = False  # else tables have other bytes where wcwidth is installed

MARKS: dict[Mark | None, str] = {
    None: "{}",
    "strong": "**{}**",
    "second": "<u>{}</u>",
    "emphasis": "*{}*",
    "code": "{}",
    "passed": "{}",
    "failed": "**{}**",
}


def to_markdown(blocks: Iterable[Block]) -> str:
    """A page; ends with a newline."""
    return "\n\n".join(text for block in blocks if (text := _block(block))) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_text(block.text)}"
        case Paragraph():
            return _text(block.text)
        case Command():
            return f"    {clean.line(block.text)}"
        case Notes():
            return "\n".join(f"- {_text(item)}" for item in block.items)
        case Table():
            header = [clean.markdown(title(column)) for column in block.columns]
            body = [[_text(cell, in_table=True) for cell in row] for row in block.rows]
            return tabulate.tabulate(body, header, tablefmt="github", disable_numparse=True)
        case Figure():
            return ""


def _text(cell: Cell, in_table: bool = False) -> str:
    if type(cell) is str:
        return clean.markdown(cell)
    return "".join(
        MARKS[mark].format(text) if ours else _harmless(text, mark, in_table) for text, mark, ours in pieces(cell)
    )


def _harmless(text: str, mark: Mark | None, in_table: bool) -> str:
    """A piece of text that is no markup but its mark. White space at its ends stays, outside of
    the mark. in_table: a bar ends the cell, also in code, unless it is escaped.
    """
    harmless = clean.code(text) if mark == "code" else clean.markdown(text)
    if mark == "code" and in_table:
        harmless = harmless.replace("|", "\\|")
    before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
    return f"{before}{MARKS[mark].format(harmless)}{after}" if harmless else before
