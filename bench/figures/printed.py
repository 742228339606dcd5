"""Pictures as PNG or SVG files for print and slides, drawn with matplotlib: no display, the same
bytes for the same picture.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.figures.looks import COLOURS, MARKERS, PALETTE, SHAPES
from bench.figures.shapes import Axis, Chart, Heat, Line, Look, Picture, Scores, Shares
from bench.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")

CHARACTER = 0.08
"""Inches that a character of the font takes, somewhat more than on average."""

ROW = 0.21
"""Inches of a row of scores or of a heat map."""

BANDS = ("#EAF2FA", "#F7F7F9")
"""The grounds of tie groups, in turn."""

MANY = 5000
"""Points of one line; more are drawn as an image inside an SVG file."""


def draw(pictures: Sequence[Picture], title: str, path: Path, keys: Sequence[tuple[str, Look]] = ()) -> None:
    """The panels of one picture, two or three beside one another, and one legend below all of them.

    A title that a panel has stands above it. Raises UsageError where matplotlib is not installed,
    StorageError where the file cannot be written.
    """
    columns = min(len(pictures), 3 if isinstance(pictures[0], Chart) else 2)
    rows = math.ceil(len(pictures) / columns)
    width, height = _size(pictures, columns)
    drawn, axes = figure(rows, columns, width, height)
    for place, picture in enumerate(pictures):
        _panel(axes[place // columns, place % columns], picture, width)
    for place in range(len(pictures), rows * columns):
        axes[place // columns, place % columns].set_visible(False)
    add_title(drawn, title)
    if keys:
        legend(drawn, [_handle(look) for _, look in keys], [name for name, _ in keys])
    save(drawn, path)


def _size(pictures: Sequence[Picture], columns: int) -> tuple[float, float]:
    """Width and height of a panel in inches."""
    first = pictures[0]
    if isinstance(first, Chart):
        square = first.x.ends is not None and first.x.ends == first.y.ends
        return (4.0, 4.2) if square else (5.4 if columns == 1 else 4.4, 3.6)
    rows = max(len(picture.rows) for picture in pictures if not isinstance(picture, Chart))
    if isinstance(first, Heat):
        return 2.2 + 0.6 * len(first.columns), 1.4 + ROW * rows
    return 7.2, 1.0 + ROW * rows


def _panel(axis: Any, picture: Picture, width: float) -> None:
    match picture:
        case Chart():
            _chart(axis, picture, width)
        case Scores():
            _scores(axis, picture)
        case Heat():
            _heat(axis, picture)
        case Shares():
            _shares(axis, picture)


def _chart(axis: Any, chart: Chart, width: float) -> None:
    if chart.diagonal:
        axis.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--", transform=axis.transAxes, zorder=1)
    for mark in chart.marks:
        along = axis.axvline if mark.upright else axis.axhline
        colour = "black" if mark.look is None else PALETTE[mark.look.colour % COLOURS]
        along(mark.at, color=colour, linewidth=1.0, linestyle="--" if mark.dashed else ":")
    for line in chart.lines:
        _line(axis, line)
    for which, ends in ((chart.x, axis.set_xlim), (chart.y, axis.set_ylim)):
        if which.ends:
            ends(*which.ends)
    if chart.x.log:
        axis.set_xscale("log")
    if chart.y.log:
        axis.set_yscale("log")
    if chart.x.ticks:
        _named_ticks(axis, chart.x, width)
    elif chart.x.ends is not None and chart.x.ends == chart.y.ends:
        axis.set_aspect("equal")
        axis.locator_params(nbins=5)
    axis.set_xlabel(wrapped(chart.x.title, width - 0.8))
    axis.set_ylabel(wrapped(chart.y.title, 3.0))
    if chart.title:
        axis.set_title("\n".join(wrapped(text, width - 0.8) for text in chart.title.splitlines()))


def _named_ticks(axis: Any, along: Axis, width: float) -> None:
    places, names = zip(*along.ticks, strict=True)
    crowded = CHARACTER * sum(len(name) + 1 for name in names) > width - 0.9
    turned = {"rotation": 40, "ha": "right"} if crowded else {}
    axis.set_xticks(places, names, **turned)


def _line(axis: Any, line: Line) -> None:
    points = line.points
    if not points:
        return
    colour, shape = PALETTE[points[0].look.colour % COLOURS], MARKERS[points[0].look.shape % SHAPES]
    xs, ys = [point.x for point in points], [point.y for point in points]
    for point in points:
        if point.low is not None and point.high is not None:
            axis.plot([point.x, point.x], [point.low, point.high], color=colour, linewidth=1.1, alpha=0.7)
    if line.joined and len(points) > 1:
        axis.plot(xs, ys, color=colour, linewidth=1.4, drawstyle="steps-post" if line.steps else "default")
    if not line.dots:
        return
    if len(points) > 50 and not line.joined:
        size = min(18.0, max(4.0, 400 / len(points)))
        axis.scatter(xs, ys, s=size, color=colour, alpha=0.45, linewidths=0, rasterized=len(points) > MANY)
        return
    for faint in (False, True):
        group = [point for point in points if point.faint == faint]
        axis.plot(
            [point.x for point in group],
            [point.y for point in group],
            linestyle="",
            marker=shape,
            markersize=5,
            color=colour,
            markerfacecolor="white" if faint else colour,
        )
    for point in points:
        if point.label:
            axis.annotate(point.label, (point.x, point.y), xytext=(5, 3), textcoords="offset points", fontsize=8)


def _scores(axis: Any, scores: Scores) -> None:
    place, places = 0.0, []
    for row in scores.rows:
        if row.gap:
            axis.text(
                0.5,
                place,
                f"… {row.gap:,} more …",
                transform=axis.get_yaxis_transform(),
                ha="center",
                va="center",
                fontsize=8,
            )
            place += 1
        if row.band is not None:
            axis.axhspan(place - 0.5, place + 0.5, color=BANDS[row.band % 2], linewidth=0, zorder=0)
        colour = PALETTE[row.look.colour % COLOURS]
        if row.low is not None and row.high is not None:
            axis.plot([row.low, row.high], [place, place], color=colour, linewidth=1.3)
        axis.plot(
            [row.score],
            [place],
            marker=MARKERS[row.look.shape % SHAPES],
            markersize=5,
            color=colour,
            markerfacecolor="white" if row.control else colour,
        )
        axis.text(1.01, place, row.shown, transform=axis.get_yaxis_transform(), va="center", fontsize=8)
        places.append((place, f"{row.name}{' †' * row.control}"))
        place += 1
    for at, _ in scores.marks:
        axis.axvline(at, color="black", linewidth=0.8, linestyle="--")
    axis.set_yticks([at for at, _ in places], [name for _, name in places], fontsize=8)
    axis.set_ylim(place - 0.4, -0.6)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel(scores.axis.title)
    axis.set_title(wrapped(scores.title, 6.4))


def _heat(axis: Any, heat: Heat) -> None:
    levels = [[math.nan if square.level is None else square.level for square in squares] for _, squares in heat.rows]
    axis.imshow(levels, cmap="Blues", vmin=-0.1, vmax=1.15, aspect="auto")
    for y, (_, squares) in enumerate(heat.rows):
        for x, square in enumerate(squares):
            dark = square.level is not None and square.level > 0.65
            weight = "bold" if square.strong else "normal"
            axis.text(
                x,
                y,
                square.shown,
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
                weight=weight,
            )
            if square.strong:
                frame = (
                    [x - 0.46, x + 0.46, x + 0.46, x - 0.46, x - 0.46],
                    [y - 0.44, y - 0.44, y + 0.44, y + 0.44, y - 0.44],
                )
                axis.plot(*frame, color=PALETTE[1], linewidth=1.6)
    axis.set_xticks(range(len(heat.columns)), heat.columns, rotation=38, ha="left", rotation_mode="anchor", fontsize=8)
    axis.xaxis.tick_top()
    axis.set_title(wrapped(heat.title, 4.0))
    axis.set_yticks(range(len(heat.rows)), [name for name, _ in heat.rows], fontsize=8)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)


def _shares(axis: Any, shares: Shares) -> None:
    for place, name in enumerate(shares.names):
        starts = [sum(values[:place]) for _, values in shares.rows]
        axis.barh(
            range(len(shares.rows)),
            [values[place] for _, values in shares.rows],
            left=starts,
            color=PALETTE[place],
            label=name,
        )
    axis.set_yticks(range(len(shares.rows)), [name for name, _ in shares.rows])
    axis.invert_yaxis()
    axis.legend(loc="lower right", fontsize=8)


def _handle(look: Look) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color=PALETTE[look.colour % COLOURS], marker=MARKERS[look.shape % SHAPES], markersize=5, linewidth=1.4
    )


def figure(rows: int, columns: int, width: float, height: float, **more: Any) -> tuple[Figure, Any]:
    """A figure with rows x columns axes of that size each in inches, and the axes as an array
    [rows, columns].

    Raises UsageError, with the command that helps, where matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise UsageError("pictures need matplotlib; install it with: pip install 'gapbench[report]'") from None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(
        {
            "svg.hashsalt": "gapbench",
            "svg.fonttype": "none",
            "font.family": ["DejaVu Sans"],
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#E6E6E6",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "legend.frameon": False,
        }
    )
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **more)


def check_target(path: Path) -> None:
    """UsageError, before any work is done, when the name does not say which kind of picture it
    is.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f'"to" = "{path}" is no picture; its name must end in one of: {", ".join(SUFFIXES)}')


def save(figure: Figure, path: Path) -> None:
    """Write a PNG or SVG, by the suffix, whole or not at all. Raises StorageError."""
    check_target(path)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=150, metadata=metadata)


def add_title(figure: Figure, text: str) -> None:
    """What the picture is about, above all panels, in as many lines as it needs."""
    figure.suptitle(wrapped(text, figure.get_figwidth()), fontsize=9)


def wrapped(text: str, inches: float) -> str:
    """A text in as many lines as that width needs."""
    return "\n".join(textwrap.wrap(text, max(20, int(inches / CHARACTER)), break_on_hyphens=False))


def legend(figure: Figure, handles: list[Any], labels: list[str]) -> None:
    """One legend below all panels, in as many columns as fit."""
    labels = [wrapped(label, figure.get_figwidth() - 0.55) for label in labels]
    widest = max((len(line) for label in labels for line in label.splitlines()), default=1)
    room = figure.get_figwidth() / (0.55 + CHARACTER * widest)
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(len(labels), int(room))))
