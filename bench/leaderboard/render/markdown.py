"""Blocks as Markdown. Figures are left out: their numbers stand in the tables beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.leaderboard.blocks import Block, Cell, Command, Figure, Heading, Mark, Notes, Paragraph, Table
from bench.leaderboard.render.spelling import pieces, title
from bench.text import clean

MARKS: dict[Mark | None, str] = {
    None: "{}",
    "strong": "**{}**",
    "second": "<u>{}</u>",
    "emphasis": "*{}*",
    "code": "{}",
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
            return grid(header, [[_text(cell) for cell in row] for row in block.rows])
        case Figure():
            return ""


def _text(cell: Cell) -> str:
    if type(cell) is str:
        return clean.markdown(cell)
    return "".join(MARKS[mark].format(text) if ours else _harmless(text, mark) for text, mark, ours in pieces(cell))


def _harmless(text: str, mark: Mark | None) -> str:
    """A piece of text that is no markup but its mark. White space at its ends stays, outside of the mark."""
    harmless = clean.code(text) if mark == "code" else clean.markdown(text)
    before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
    return f"{before}{MARKS[mark].format(harmless)}{after}" if harmless else before


def grid(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A pipe table; cells are text already and are not to be taken for numbers.

    The very text that `tabulate` writes (tablefmt "github", no numbers, every sign one column wide), without its search for
    types, which was a third of the time of a leaderboard of thousands of rows.
    """
    rows = [[cell.strip() for cell in row] for row in body]
    widths = [max([len(title) + 2, *map(len, column)]) for title, *column in zip(header, *rows, strict=True)]
    line = "| " + " | ".join(f"{{:<{width}}}" for width in widths) + " |"
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line.format(*header), rule, *(line.format(*row) for row in rows)])
