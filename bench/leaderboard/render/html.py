"""Blocks as one HTML page that needs nothing else: pictures, tables to sort and to search, its
reader's light or dark theme, a screen of any width, and paper.

No network, no fonts or scripts from elsewhere, readable without JavaScript. The page is
`page.html`, a template of Jinja2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bench.figures.svg import key, svg
from bench.leaderboard.blocks import Block, Cell, Heading, Interval, Label, Link, Mark, Number, Rich, Table
from bench.leaderboard.render.spelling import pieces, title
from bench.text import clean

TAGS: dict[Mark, tuple[str, str]] = {
    "strong": ("<strong>", "</strong>"),
    "second": ("<u>", "</u>"),
    "emphasis": ("<em>", "</em>"),
    "code": ("<code>", "</code>"),
    "passed": ('<b class="passed">', "</b>"),
    "failed": ('<b class="failed">', "</b>"),
}

PINNED = 4
"""Columns, at most, that stay where they are while a table is moved to the side."""


class Part(NamedTuple):
    """A heading of level 2 and what stands below it, by kind; no heading above the first one."""

    heading: Heading | None
    groups: list[tuple[str, list[Block]]]


def to_html(blocks: Sequence[Block], above: Sequence[Link] = ()) -> str:
    """The whole page; the same bytes for the same blocks. above: links to other pages of a site."""
    headings = [block for block in blocks if isinstance(block, Heading)]
    return _page().render(
        title=next((heading.text for heading in headings if heading.level == 1), ""),
        parts=_parts(blocks),
        above=above,
        TAGS=TAGS,
    )


def _parts(blocks: Sequence[Block]) -> list[Part]:
    inside: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            inside.append([])
        inside[-1].append(block)
    parts = []
    for each in inside:
        heading = each[0] if each and isinstance(each[0], Heading) and each[0].level == 2 else None
        rest = each[1:] if heading else each
        parts.append(
            Part(
                heading, [(kind, list(group)) for kind, group in groupby(rest, key=lambda block: type(block).__name__)]
            )
        )
    return parts


@cache
def _page() -> Template:
    loader = PackageLoader("bench.leaderboard.render", "")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters |= {
        "classes": _classes,
        "key": key,
        "linked": _linked,
        "named": title,
        "number": _number,
        "svg": svg,
        "visible": _visible,
    }
    return environment.get_template("page.html")


def _classes(table: Table) -> list[str]:
    """The classes of the cells of each column: n (numbers, which end at one place), pin (stays),
    name (of a method).
    """
    columns = list(zip(*table.rows, strict=True)) if table.rows else [() for _ in table.columns]
    named = [any(isinstance(cell, Label) for cell in column) for column in columns]
    last = max((k for k, has in enumerate(named[:PINNED]) if has), default=0)
    classes = []
    for k, column in enumerate(columns):
        known = [cell for cell in column if cell not in (None, "")]
        numbers = bool(known) and all(_number(cell) is not None for cell in known)
        words = ["n"] * numbers + ["pin"] * (k <= last) + ["name"] * named[k]
        classes.append(" ".join(words))
    return classes


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
