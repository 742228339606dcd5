"""Pictures of a history: a panel per line, its values over runs with intervals, and its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.history.lines import History, Line, Mark, Point
from bench.leaderboard.words import directed
from bench.plots import style

MOST = 24
"""Panels of one picture."""

MOST_NAMES = 12
"""Runs whose names stand along an axis."""

BETTER, WORSE, MOVED = style.PALETTE[2], style.PALETTE[1], style.PALETTE[7]


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
    columns = min(len(lines), 3)
    rows = -(-len(lines) // columns)
    width = 5.6 if columns == 1 else 4.2
    drawn, axes = style.figure(rows, columns, width, 2.9)
    for number, line in enumerate(lines):
        axis = axes[number // columns, number % columns]
        _panel(axis, line, len(history.runs))
        axis.set_title(style.wrapped(f"{line.method.name}: {line.method.title}", width))
        axis.set_ylabel(directed(line.metric, line.higher))
        places = range(0, len(history.runs), -(-len(history.runs) // MOST_NAMES))
        axis.set_xticks([*places], [history.runs[k].name for k in places], rotation=40, ha="right")
    for place in range(len(lines), rows * columns):
        axes[place // columns, place % columns].set_visible(False)
    style.title(drawn, title)
    style.save(drawn, path)


def _panel(axis: Any, line: Line, runs: int) -> None:
    valued = [point for point in line.points if point.value is not None]
    for point in valued:
        if point.low is not None and point.high is not None:
            axis.plot([point.run, point.run], [point.low, point.high], color=style.PALETTE[0], linewidth=1.1, alpha=0.7)
    for same in (False, True):
        group = [point for point in valued if point.same == same]
        axis.plot(
            [point.run for point in group],
            [point.value for point in group],
            linestyle="",
            marker="o",
            markersize=4,
            color=style.PALETTE[0],
            markerfacecolor="white" if same else style.PALETTE[0],
        )
    for first, last, level in _levels(line, valued):
        axis.plot([first - 0.4, last + 0.4], [level, level], color="black", linewidth=0.9)
    for step in line.steps:
        axis.axvline(step.run - 0.5, color=_colour(step), linewidth=1.2, linestyle="--")
    for point in valued:
        if point.note:
            axis.axvline(point.run - 0.5, color="black", linewidth=0.8, linestyle=":")
    axis.set_xlim(-0.6, runs - 0.4)


def _colour(step: Mark) -> str:
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
