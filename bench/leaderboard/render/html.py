"""Blocks as one HTML page that needs nothing else: sortable tables, pictures, its reader's light or
dark theme.

No network, no fonts or scripts from elsewhere, readable without JavaScript. The page is
`page.html`, a template of Jinja2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bench.leaderboard.blocks import Block, Cell, Heading, Interval, Link, Mark, Number, Rich
from bench.leaderboard.render.spelling import pieces, title
from bench.leaderboard.render.svg import COLOURS, svg
from bench.text import clean

TAGS: dict[Mark, str] = {"strong": "strong", "second": "u", "emphasis": "em", "code": "code"}


def to_html(blocks: Sequence[Block], above: Sequence[Link] = ()) -> str:
    """The whole page; the same bytes for the same blocks. above: links to other pages of a site."""
    headings = [block for block in blocks if isinstance(block, Heading)]
    return _page().render(
        title=next((heading.text for heading in headings if heading.level == 1), ""),
        sections=[heading for heading in headings if heading.level == 2],
        groups=[(kind, list(group)) for kind, group in groupby(blocks, key=lambda block: type(block).__name__)],
        above=above,
        TAGS=TAGS,
        COLOURS=COLOURS,
    )


@cache
def _page() -> Template:
    loader = PackageLoader("bench.leaderboard.render", "")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters |= {"linked": _linked, "named": title, "visible": _visible, "number": _number, "svg": svg}
    return environment.get_template("page.html")


def _linked(cell: Cell) -> list[tuple[str, Mark | None, str]]:
    """Text, its mark, and the page that it leads to; "" where it leads nowhere."""
    addresses = [part.to if isinstance(part, Link) else "" for part in cell.parts] if isinstance(cell, Rich) else []
    return [(text, mark, addresses[place] if addresses else "") for place, (text, mark, _) in enumerate(pieces(cell))]


def _visible(text: str) -> str:
    """Text without characters that cannot be seen, with the space that parts it from its
    neighbours; Jinja2 escapes it.
    """
    inside = clean.line(text)
    return f"{' ' * text[:1].isspace()}{inside}{' ' * (bool(inside) and text[-1:].isspace())}"


def _number(cell: Cell) -> float | None:
    """What a column is sorted by; None where a cell is sorted by its words."""
    if isinstance(cell, tuple):
        cell = cell[0]
    if isinstance(cell, Interval):
        return cell.low
    number = cell.value if isinstance(cell, Number) else cell
    return number if isinstance(number, (int, float)) else None
