"""What a page of a leaderboard is made of: headings, paragraphs, notes, tables and figures. Plain
data, of no target.

A section makes blocks, `bench.leaderboard.render` writes them. Text is its author's words, never
markup: each target makes it harmless where it is written (`bench.text.clean`). Numbers are kept in
full; a block says how many digits are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from bench.figures.shapes import Look, Picture

Mark = Literal["strong", "second", "emphasis", "code", "passed", "failed"]
"""strong: the best, or what must not be missed. second: the second best. emphasis: worse, or an
aside. code: what is typed. passed, failed: how a check ended.
"""


class Marked(msgspec.Struct, frozen=True):
    """Words that are marked."""

    text: str
    mark: Mark


class Link(msgspec.Struct, frozen=True):
    """Words that lead to another page, in targets that have pages.

    to: a relative address of ours, never the text of others.
    """

    text: str
    to: str


class Rich(str):
    """Words of which some are marked or lead to a page. As a str it is the words alone; `parts`
    holds them with their marks.

    What is marked stands between spaces, brackets or stops, since some targets cannot mark a part
    of a word.
    """

    parts: tuple[str | Marked | Link, ...]

    def __new__(cls, *parts: str | Marked | Link) -> Rich:
        flat = [each for part in parts for each in (part.parts if isinstance(part, Rich) else (part,)) if each]
        text = super().__new__(cls, "".join(each if isinstance(each, str) else each.text for each in flat))
        text.parts = tuple(flat)
        return text

    def __add__(self, other: str) -> Rich:
        return Rich(self, other)


def strong(text: str) -> Marked:
    return Marked(text, "strong")


def emphasis(text: str) -> Marked:
    return Marked(text, "emphasis")


def passed(text: str) -> Marked:
    return Marked(text, "passed")


def failed(text: str) -> Marked:
    return Marked(text, "failed")


def code(text: str) -> Marked:
    return Marked(text, "code")


def joined(between: str, texts: Iterable[str | Marked]) -> Rich:
    """`between.join(texts)` that keeps the marks."""
    return Rich(*[part for text in texts for part in (between, text)][1:])


class Number(msgspec.Struct, frozen=True):
    """A number in the unit of its column, and what is known of its spread.

    - form: of the digits that are shown (`format`).
    - std: sample standard deviation.
    - low, high: its interval.
    - p: of a test.
    - unit: printed after it.
    - note: an aside.
    - mark: of the number, not of its interval.
    """

    value: float
    form: str = ".4f"
    mark: Mark | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    unit: str = ""
    note: str = ""


class Interval(msgspec.Struct, frozen=True):
    """An interval that stands alone. signed: of differences, whose ends show their sign."""

    low: float
    high: float
    signed: bool = False


class Label(msgspec.Struct, frozen=True):
    """The name of an imputer or a fuser; control: of one that is in the grid as a control. note:
    an aside.
    """

    name: str
    control: bool = False
    note: str = ""


class Missing(msgspec.Struct, frozen=True):
    """What stands where there is no value, and says why. A cell that is None is missing without
    a word.
    """

    why: str


Cell = str | int | float | Number | Interval | Label | Missing | tuple[Number, ...] | None
"""A tuple of numbers: several values of one thing, as others published them. A float alone is
written in full.
"""


class Column(msgspec.Struct, frozen=True):
    """higher: whether larger values are better; None where none is better."""

    name: str
    higher: bool | None = None


class Heading(msgspec.Struct, frozen=True):
    """level 1 is the page, 2 a section, 3 and 4 its parts."""

    level: int
    text: str


class Paragraph(msgspec.Struct, frozen=True):
    text: str


class Command(msgspec.Struct, frozen=True):
    """A line to be typed."""

    text: str


class Notes(msgspec.Struct, frozen=True):
    """What a reader must know of the table above, a sentence or two each."""

    items: Sequence[str]


class Table(msgspec.Struct, frozen=True):
    """rows: as many cells each as there are columns."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


class Figure(msgspec.Struct, frozen=True):
    """A picture of what a table beside it says in numbers; a target without pictures leaves it
    out. keys: what each colour and shape stands for.
    """

    picture: Picture
    caption: str
    keys: Sequence[tuple[str, Look]] = ()


Block = Heading | Paragraph | Command | Notes | Table | Figure
