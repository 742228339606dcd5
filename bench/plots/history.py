"""Pictures of a history: a panel per line, its values over runs with intervals, and its steps."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UsageError
from bench.figures import printed, shapes
from bench.history.lines import History, Line, Mark, Point
from bench.leaderboard.words import directed

MOST = 24
"""Panels of one picture."""

MOST_NAMES = 12
"""Runs whose names stand along an axis."""

BETTER, WORSE, MOVED, LEVEL = shapes.Look(2), shapes.Look(1), shapes.Look(7), shapes.Look(7)


def chosen(history: History, every: bool) -> list[Line]:
    """The lines that are drawn: every one, else those of scores, or of imputation errors where no
    method has a score. UsageError where they are too many.
    """
    kinds = ("score", "imputation", "calibration", "cost")
    first = next(kind for kind in kinds if any(line.kind == kind for line in history.lines))
    lines = [line for line in history.lines if every or line.kind == first]
    if len(lines) > MOST:
        raise UsageError(
            f"the picture would have {len(lines)} panels, at most {MOST} are drawn; name fewer rows: imputer=, fuser=, task=, "
            "scenario=, modalities=, or one metric="
        )
    return lines


def draw(history: History, lines: list[Line], title: str, path: Path) -> None:
    """A panel per line. Bars: how far another training would move a value. Level lines: the mean
    between two steps; a dashed line stands at a step.
    """
    printed.draw([_chart(line, history) for line in lines], title, path)


def _chart(line: Line, history: History) -> shapes.Chart:
    valued = [point for point in line.points if point.value is not None]
    points = [
        shapes.Point(point.run, point.value, "", faint=point.same, low=point.low, high=point.high)
        for point in valued
        if point.value is not None
    ]
    levels = [
        shapes.Line([shapes.Point(end, level, "", LEVEL) for end in (first - 0.4, last + 0.4)], dots=False)
        for first, last, level in _levels(line, valued)
    ]
    marks = [shapes.Mark(step.run - 0.5, "step", _look(step)) for step in line.steps]
    marks += [shapes.Mark(point.run - 0.5, point.note, dashed=False) for point in valued if point.note]
    places = range(0, len(history.runs), -(-len(history.runs) // MOST_NAMES))
    ticks = [(float(k), history.runs[k].name) for k in places]
    up = directed(line.metric, line.higher)
    return shapes.Chart(
        [shapes.Line(points, joined=False), *levels],
        shapes.Axis("", ends=(-0.6, len(history.runs) - 0.4), ticks=ticks),
        shapes.Axis(up),
        f"{up} over runs",
        marks=marks,
        title=f"{line.method.name}: {line.method.title}",
    )


def _look(step: Mark) -> shapes.Look:
    return MOVED if step.better is None else BETTER if step.better else WORSE


def _levels(line: Line, valued: list[Point]) -> list[tuple[int, int, float]]:
    """First run, last run and mean of the evidence between steps and breaks."""
    begins = {step.run for step in line.steps} | {point.run for point in valued if point.note}
    groups: list[list[Point]] = []
    for point in valued:
        if not groups or point.run in begins:
            groups.append([])
        groups[-1].append(point)
    levels = []
    for group in groups:
        values = [point.value for point in group if point.value is not None and not point.same]
        if values:
            levels.append((group[0].run, group[-1].run, sum(values) / len(values)))
    return levels
