"""Small pictures as inline SVG, drawn in the colours of the page around them: points, lines and
shares.

Written by hand and not with matplotlib, so that a page needs no extra, follows its reader's dark or
light theme and every point can say what it is. `bench.plots` draws the pictures for print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bench.leaderboard.blocks import Axis, Chart, Line, Point, Shares
from bench.text.clean import html

COLOURS = 8
"""Classes c0 to c7 of the page's style."""

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 14, 14, 44


def svg(picture: Chart | Shares) -> str:
    """The picture; "" where there is nothing in it."""
    return _chart(picture) if isinstance(picture, Chart) else _shares(picture)


def _chart(chart: Chart) -> str:
    x, y = chart.x, chart.y
    points = [point for line in chart.lines for point in line.points]
    if not points:
        return ""
    across, x_ticks = _scale(x, [point.x for point in points], LEFT, WIDTH - RIGHT)
    up, y_ticks = _scale(y, [point.y for point in points], HEIGHT - BOTTOM, TOP)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{up(t):.1f}" y2="{up(t):.1f}"/>' for t in y_ticks]
    parts += [
        f'<line class="grid" x1="{across(t):.1f}" x2="{across(t):.1f}" y1="{TOP}" y2="{bottom}"/>' for t in x_ticks
    ]
    parts += [_text(LEFT - 6, up(t) + 4, _number(t), "end") for t in y_ticks]
    parts += [_text(across(t), bottom + 16, _number(t), "middle") for t in x_ticks]
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
    for line in chart.lines:
        parts += _line(line, across, up)
    parts += _labels([point for point in points if point.label], across, up)
    return _svg(WIDTH, HEIGHT, chart.about, parts)


def _line(line: Line, across: Callable[[float], float], up: Callable[[float], float]) -> list[str]:
    spots = [(across(point.x), up(point.y), point) for point in line.points]
    parts = []
    if len(spots) > 1:
        path = f"M{spots[0][0]:.1f} {spots[0][1]:.1f}"
        path += "".join(f"H{px:.1f}V{py:.1f}" if line.steps else f"L{px:.1f} {py:.1f}" for px, py, _ in spots[1:])
        parts.append(f'<path class="joined c{line.points[0].colour % COLOURS}" d="{path}"/>')
    if line.dots:
        parts += [_dot(px, py, point) for px, py, point in spots]
    return parts


def _dot(px: float, py: float, point: Point) -> str:
    faint = " faint" if point.faint else ""
    return (
        f'<circle class="dot c{point.colour % COLOURS}{faint}" cx="{px:.1f}" cy="{py:.1f}" r="4.5">'
        f"<title>{html(point.name)}</title></circle>"
    )


def _labels(points: Sequence[Point], across: Callable[[float], float], up: Callable[[float], float]) -> list[str]:
    """Names beside their points, moved down where they would stand on one another."""
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda point: (up(point.y), point.x)):
        px, py = across(point.x), up(point.y)
        size = 6.3 * len(point.label)
        left = px + 8 if px + 8 + size < WIDTH else px - 8 - size
        while any(left < end and begin < left + size and abs(py - other) < 12 for begin, end, other in taken):
            py += 12
        taken.append((left, left + size, py))
        parts.append(_text(left, py + 9, point.label, "start", "label"))
    return parts


def _shares(shares: Shares) -> str:
    rows, names = shares.rows, shares.names
    if not rows:
        return ""
    left, bar, line = 7 + int(6.3 * max(len(name) for name, _ in rows)), 300, 24
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


def _svg(width: int, height: int, about: str, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<title>{html(about)}</title>{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.10g}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.0e}"


def _scale(
    axis: Axis, values: Sequence[float], first: float, last: float
) -> tuple[Callable[[float], float], list[float]]:
    """From a value to its place on the page, and the values of the ticks."""
    if axis.log:
        low, high = math.log10(min(values)), math.log10(max(values))
        room = max(0.06 * (high - low), 0.1)
        low, high = low - room, high + room

        def place(value: float) -> float:
            return first + (math.log10(value) - low) / (high - low) * (last - first)

        steps = (1, 2, 5) if high - low < 2.5 else (1,)
        steps_of_ten = [s * 10.0**k for k in range(math.floor(low), math.ceil(high) + 1) for s in steps]
        ticks = [tick for tick in steps_of_ten if low <= math.log10(tick) <= high]
        return place, ticks[:: max(1, math.ceil(len(ticks) / 8))]
    low, high = axis.ends or (min(values), max(values))
    if axis.ends is None:
        room = max(0.06 * (high - low), 1e-9 + 1e-3 * abs(high))
        low, high = low - room, high + room

    def straight(value: float) -> float:
        return first + (value - low) / (high - low) * (last - first)

    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    begin = math.ceil(low / step - 1e-9)
    return straight, [round(k * step, 12) for k in range(begin, math.floor(high / step + 1e-9) + 1)]
