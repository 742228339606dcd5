"""What a picture shows, as plain data of no target: points and lines, scores in rows, a heat map,
shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class Look(NamedTuple):
    """The places of a colour and of a shape in the lists of `bench.figures.looks`."""

    colour: int = 0
    shape: int = 0


class Point(msgspec.Struct, frozen=True):
    """x, y: in the units of the axes. name: told on hovering. label: printed beside it. faint:
    drawn hollow. low, high: its interval upwards.
    """

    x: float
    y: float
    name: str
    look: Look = Look()
    label: str = ""
    faint: bool = False
    low: float | None = None
    high: float | None = None


class Line(msgspec.Struct, frozen=True):
    """Points that are joined, in their order. steps: by right angles. dots: whether the points
    are drawn. joined: whether the line between them is.
    """

    points: Sequence[Point]
    steps: bool = False
    dots: bool = True
    joined: bool = True


class Mark(msgspec.Struct, frozen=True):
    """A line across the whole picture, at a value of x (or of y, where upright is False)."""

    at: float
    name: str
    look: Look | None = None
    upright: bool = True
    dashed: bool = True


class Axis(msgspec.Struct, frozen=True):
    """What stands along it, whether it is logarithmic, and its ends where they are fixed. ticks:
    values and their names, where they are not round numbers.
    """

    title: str
    log: bool = False
    ends: tuple[float, float] | None = None
    ticks: Sequence[tuple[float, str]] = ()


class Chart(msgspec.Struct, frozen=True):
    """A picture of lines and points.

    - about: what it shows, for those who cannot see it.
    - diagonal: of (0, 0) and (1, 1).
    - title: above it, where several stand side by side.
    """

    lines: Sequence[Line]
    x: Axis
    y: Axis
    about: str
    diagonal: bool = False
    marks: Sequence[Mark] = ()
    title: str = ""


class Shares(msgspec.Struct, frozen=True):
    """A bar of length 1 per row (its name, its shares), cut into shares. names: of the parts."""

    rows: Sequence[tuple[str, Sequence[float]]]
    names: Sequence[str]
    about: str


class ScoreRow(msgspec.Struct, frozen=True):
    """A score with its interval. shown: the score as text. band: rows of one band stand on one
    ground. gap: how many rows were left out above it.
    """

    name: str
    score: float
    shown: str
    look: Look
    low: float | None = None
    high: float | None = None
    control: bool = False
    band: int | None = None
    gap: int = 0


class Scores(msgspec.Struct, frozen=True):
    """A row per method, best first: its score and interval along one axis, its tie group as the
    ground.

    marks: values of the axis that are named, as a best possible score.
    """

    rows: Sequence[ScoreRow]
    axis: Axis
    about: str
    marks: Sequence[tuple[float, str]] = ()
    title: str = ""


class Square(msgspec.Struct, frozen=True):
    """A field of a heat map. level: 0 (palest) to 1; None where there is no value. strong: of the
    best. name: told on hovering.
    """

    shown: str
    name: str
    level: float | None = None
    strong: bool = False


class Heat(msgspec.Struct, frozen=True):
    """Fields in rows and columns, of more colour where better."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Square]]]
    about: str
    title: str = ""


Picture = Chart | Shares | Scores | Heat
