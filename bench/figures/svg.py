"""Pictures as inline SVG, drawn in the colours of the page around them.

Written by hand and not with matplotlib, so that a page needs no extra, follows its reader's dark or
light theme and every point can say what it is. Places along the axis of scores are shares of the
width, so that its rows fit any screen with letters of one size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from bench.figures.looks import COLOURS, SHAPES
from bench.figures.scales import scale
from bench.figures.shapes import Chart, Heat, Line, Look, Mark, Picture, Point, ScoreRow, Scores, Shares, Square
from bench.text.clean import html

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 74, 14, 14, 48
CHARACTER = 7.2
"""Pixels that a character takes, somewhat more than on average."""

LETTERS = 13
"""Pixels from one line of text to the next."""

LEVELS = 9
"""Grounds of a heat map, classes h0 (palest) to h8 of the page's style."""

OUTLINES = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",
    "M-4 -4H4V4H-4Z",
    "M0 -5L4.8 3.6H-4.8Z",
    "M0 -5.4L5.4 0L0 5.4L-5.4 0Z",
    "M0 5L4.8 -3.6H-4.8Z",
    "M-1.7 -5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z",
    "M-2.6 -5L0 -2.4L2.6 -5L5 -2.6L2.4 0L5 2.6L2.6 5L0 2.4L-2.6 5L-5 2.6L-2.4 0L-5 -2.6Z",
    "M0 -5.6L1.5 -1.8L5.4 -1.7L2.3 .8L3.4 4.6L0 2.4L-3.4 4.6L-2.3 .8L-5.4 -1.7L-1.5 -1.8Z",
)
"""The shapes of `bench.figures.looks`, around (0, 0)."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def svg(picture: Picture) -> str:
    """The picture as HTML; "" where there is nothing in it."""
    match picture:
        case Chart():
            return _chart(picture)
        case Shares():
            return _shares(picture)
        case Scores():
            return _scores(picture)
        case Heat():
            return _heat(picture)


def key(look: Look) -> str:
    """The colour and the shape of a method, as small as a letter."""
    return f'<svg class="swatch" viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true">{_dot(look)}</svg>'


def _chart(chart: Chart) -> str:
    x, y = chart.x, chart.y
    points = [point for line in chart.lines for point in line.points]
    if not points:
        return ""
    heights = [v for point in points for v in (point.y, point.low, point.high) if v is not None]
    across, x_ticks = scale(x, [point.x for point in points], LEFT, WIDTH - RIGHT)
    up, y_ticks = scale(y, heights, HEIGHT - BOTTOM, TOP)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{up(t):.1f}" y2="{up(t):.1f}"/>' for t, _ in y_ticks]
    parts += [
        f'<line class="grid" x1="{across(t):.1f}" x2="{across(t):.1f}" y1="{TOP}" y2="{bottom}"/>' for t, _ in x_ticks
    ]
    parts += [_text(LEFT - 6, up(t) + 4, name, "end") for t, name in y_ticks]
    parts += [_text(across(t), bottom + 17, name, "middle") for t, name in _apart(x_ticks, across)]
    parts.append(_text((LEFT + right) / 2, HEIGHT - 8, x.title, "middle"))
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text x="14" y="{middle:.0f}" transform="rotate(-90 14 {middle:.0f})" text-anchor="middle">{html(y.title)}</text>'
    )
    if chart.diagonal:
        parts.append(
            f'<line class="axis" stroke-dasharray="4 3" x1="{across(0):.1f}" y1="{up(0):.1f}" '
            f'x2="{across(1):.1f}" y2="{up(1):.1f}"/>'
        )
    parts += [_mark(mark, across, up) for mark in chart.marks]
    for line in chart.lines:
        parts += _line(line, across, up)
    parts += _labels(points, across, up)
    return _svg(WIDTH, HEIGHT, chart.about, parts)


def _apart(ticks: Sequence[tuple[float, str]], place: Callable[[float], float]) -> list[tuple[float, str]]:
    """Those ticks whose names do not touch the name before them, nor leave the picture."""
    kept: list[tuple[float, str]] = []
    end = -math.inf
    for tick, name in ticks:
        half = CHARACTER * len(name) / 2
        if place(tick) - half > end and place(tick) + half <= WIDTH:
            kept.append((tick, name))
            end = place(tick) + half + 4
    return kept


def _mark(mark: Mark, across: Callable[[float], float], up: Callable[[float], float]) -> str:
    if mark.upright:
        ends = f'x1="{across(mark.at):.1f}" x2="{across(mark.at):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"'
    else:
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(mark.at):.1f}" y2="{up(mark.at):.1f}"'
    colour = f" c{mark.look.colour}" if mark.look else ""
    dashes = ' stroke-dasharray="4 3"' if mark.dashed else ""
    return f'<line class="axis{colour}" {ends}{dashes}><title>{html(mark.name)}</title></line>'


def _line(line: Line, across: Callable[[float], float], up: Callable[[float], float]) -> list[str]:
    spots = [(across(point.x), up(point.y), point) for point in line.points]
    parts = []
    for px, _, point in spots:
        if point.low is not None and point.high is not None:
            ends = f'x1="{px:.1f}" x2="{px:.1f}" y1="{up(point.low):.1f}" y2="{up(point.high):.1f}"'
            parts.append(f'<line class="reach c{point.look.colour}" {ends}/>')
    if len(spots) > 1 and line.joined:
        path = f"M{spots[0][0]:.1f} {spots[0][1]:.1f}"
        path += "".join(f"H{px:.1f}V{py:.1f}" if line.steps else f"L{px:.1f} {py:.1f}" for px, py, _ in spots[1:])
        parts.append(f'<path class="joined c{line.points[0].look.colour}" d="{path}"/>')
    if line.dots:
        for px, py, point in spots:
            parts.append(_dot(point.look, point.faint, f' transform="translate({px:.1f} {py:.1f})"', point.name))
    return parts


def _dot(look: Look, faint: bool = False, place: str = "", name: str = "") -> str:
    hollow = " faint" if faint else ""
    title = f"<title>{html(name)}</title>" if name else ""
    outline = OUTLINES[look.shape % SHAPES]
    return f'<path class="dot c{look.colour % COLOURS}{hollow}" d="{outline}"{place}>{title}</path>'


def _labels(points: Sequence[Point], across: Callable[[float], float], up: Callable[[float], float]) -> list[str]:
    """Names beside their points, where they touch neither another name nor a point that has one.

    One that has no room is left out: its point says it on hovering, and the table holds it.
    """
    labelled = sorted((p for p in points if p.label), key=lambda point: (up(point.y), point.x))
    taken: list[Box] = [_around(across(point.x), up(point.y)) for point in labelled]
    parts: list[str] = []
    for point in labelled:
        px, py = across(point.x), up(point.y)
        size = CHARACTER * len(point.label)
        for left, line in _spots(px, py, size):
            box = (left, line - LETTERS + 3, left + size, line + 3)
            inside = box[0] >= LEFT and box[2] <= WIDTH and box[1] >= 0 and box[3] <= HEIGHT - BOTTOM
            if inside and not any(_touch(box, other) for other in taken):
                taken.append(box)
                if abs(line - 4 - py) > 1.5 * LETTERS:
                    end = left if left > px else left + size
                    place = f'x1="{px:.1f}" y1="{py:.1f}" x2="{end:.1f}" y2="{line - 4:.1f}"'
                    parts.append(f'<line class="leader" {place}/>')
                parts.append(_text(left, line, point.label, "start", "label"))
                break
    return parts


def _spots(px: float, py: float, size: float) -> Iterator[tuple[float, float]]:
    """Where a name of that size may begin, nearest first: left end and base line."""
    for step in range(9):
        for down in dict.fromkeys((step, -step)):
            line = py + 4 + down * LETTERS * 0.9
            yield px + 8, line
            yield px - 8 - size, line
            yield px - size / 2, line + (LETTERS if down >= 0 else -LETTERS)


def _around(px: float, py: float) -> Box:
    return px - 5, py - 5, px + 5, py + 5


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _scores(scores: Scores) -> str:
    """Rows of HTML, each with a strip of SVG whose places are shares of its width."""
    if not scores.rows:
        return ""
    ends = [v for row in scores.rows for v in (row.score, row.low, row.high) if v is not None]
    across, ticks = scale(scores.axis, [*ends, *(at for at, _ in scores.marks)], 1.5, 98.5)
    ticks = ticks[:: max(1, math.ceil(len(ticks) / 5))]
    grid = "".join(
        f'<line class="grid" x1="{across(t):.2f}%" x2="{across(t):.2f}%" y1="0" y2="100%"/>' for t, _ in ticks
    )
    grid += "".join(
        f'<line class="axis" stroke-dasharray="4 3" x1="{across(at):.2f}%" x2="{across(at):.2f}%" y1="0" y2="100%">'
        f"<title>{html(name)}</title></line>"
        for at, name in scores.marks
    )
    parts = [f'<div class="scores" role="img" aria-label="{html(scores.about)}">']
    for row in scores.rows:
        if row.gap:
            parts.append(f'<div class="gap">… {row.gap:,} more …</div>')
        parts.append(_score_row(row, across, grid))
    named = "".join(_axis_text(across(tick), name) for tick, name in ticks)
    parts.append(f'<div class="row foot"><span class="who"></span><svg height="30">{named}')
    parts.append(
        f'<text x="50%" y="27" text-anchor="middle">{html(scores.axis.title)}</text></svg><span></span></div></div>'
    )
    return "".join(parts)


def _axis_text(place: float, name: str) -> str:
    anchor = "start" if place < 4 else "end" if place > 96 else "middle"
    return f'<text x="{place:.2f}%" y="12" text-anchor="{anchor}">{html(name)}</text>'


def _score_row(row: ScoreRow, across: Callable[[float], float], grid: str) -> str:
    band = "" if row.band is None else f" band{row.band % 2}"
    at = f"{across(row.score):.2f}%"
    reach = ""
    if row.low is not None and row.high is not None:
        low, high = across(row.low), across(row.high)
        reach = f'<line class="reach c{row.look.colour % COLOURS}" x1="{low:.2f}%" x2="{high:.2f}%" y1="50%" y2="50%"/>'
    interval = "" if row.low is None or row.high is None else f" ({row.low:.4f} to {row.high:.4f})"
    dot = _dot(row.look, row.control, "", f"{row.name}: {row.shown}{interval}")
    spot = f'<svg x="{at}" y="50%" width="1" height="1" overflow="visible">{dot}</svg>'
    control = ' <abbr title="control">†</abbr>' if row.control else ""
    return (
        f'<div class="row{band}"><span class="who">{html(row.name)}{control}</span>'
        f'<svg height="22">{grid}{reach}{spot}</svg><span class="score">{html(row.shown)}</span></div>'
    )


FIELD_WIDTH, FIELD_HEIGHT, SLANT = 62, 22, 0.62


def _heat(heat: Heat) -> str:
    if not heat.rows or not heat.columns:
        return ""
    left = 10 + CHARACTER * min(34, max(len(name) for name, _ in heat.rows))
    top = 12 + CHARACTER * SLANT * min(34, max(map(len, heat.columns)))
    width = left + FIELD_WIDTH * len(heat.columns) + max(6.0, 0.75 * CHARACTER * len(heat.columns[-1]) - 26)
    height = top + FIELD_HEIGHT * len(heat.rows) + 4
    parts = []
    for k, name in enumerate(heat.columns):
        x, y = left + FIELD_WIDTH * (k + 0.5) - 4, top - 7
        parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" transform="rotate(-38 {x:.1f} {y:.1f})">{html(_short(name))}</text>'
        )
    for line, (name, squares) in enumerate(heat.rows):
        y = top + FIELD_HEIGHT * line
        parts.append(_text(left - 6, y + 15, _short(name), "end"))
        parts += [_square(each, left + FIELD_WIDTH * k, y) for k, each in enumerate(squares)]
    return _svg(width, height, heat.about, parts, "heat")


def _square(square: Square, x: float, y: float) -> str:
    level = "-" if square.level is None else str(min(LEVELS - 1, int(square.level * LEVELS)))
    strong = " strong" * square.strong
    field = f'<rect x="{x + 1:.1f}" y="{y + 1:.1f}" width="{FIELD_WIDTH - 2}" height="{FIELD_HEIGHT - 2}" rx="2"/>'
    text = _text(x + FIELD_WIDTH / 2, y + 15, square.shown, "middle")
    return f'<g class="field h{level}{strong}"><title>{html(square.name)}</title>{field}{text}</g>'


def _short(name: str) -> str:
    return name if len(name) <= 34 else f"{name[:32]}…"


def _shares(shares: Shares) -> str:
    rows, names = shares.rows, shares.names
    if not rows:
        return ""
    left, bar, line = 7 + int(CHARACTER * max(len(name) for name, _ in rows)), 300, 24
    parts = []
    for place, name in enumerate(names):
        parts.append(f'<rect class="fill c{place}" x="{left + 100 * place}" y="4" width="10" height="10"/>')
        parts.append(_text(left + 100 * place + 14, 13, name, "start"))
    for row, (name, values) in enumerate(rows):
        top, start = 24 + line * row, float(left)
        parts.append(_text(left - 7, top + 13, name, "end"))
        for place, value in enumerate(values):
            title = f"{name}: {names[place]} {100 * value:.0f} %"
            parts.append(
                f'<rect class="fill c{place}" x="{start:.1f}" y="{top}" width="{bar * value:.1f}" height="{line - 6}">'
                f"<title>{html(title)}</title></rect>"
            )
            start += bar * value
    return _svg(left + bar + 10, 24 + line * len(rows), shares.about, parts)


def _svg(width: float, height: float, about: str, parts: Sequence[str], kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return (
        f'<svg role="img"{named} viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        f"<title>{html(about)}</title>{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html(text)}</text>'
