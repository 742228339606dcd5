"""How scores change with how much was hidden: errors of imputers over the rate, scores of
predictions over the settings of a scenario.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from bench.config.words import ORIGIN
from bench.errors import UsageError, unknown
from bench.figures import printed
from bench.figures.looks import Looks
from bench.figures.shapes import Axis, Chart, Line, Mark, Point
from bench.grid.matching_rows import matching, the_one
from bench.leaderboard import Board
from bench.leaderboard.sections.curves import SECTION, Curve
from bench.leaderboard.sections.degradation import SECTION as DEGRADATION
from bench.leaderboard.sections.degradation import Degradation, figure
from bench.leaderboard.sections.imputation import METRICS
from bench.leaderboard.words import metric as name_of
from bench.results.collect import suite_word
from bench.results.records import Export

UNITS = {"mae": "standard deviations", "rmse": "standard deviations", "crps": "over mean |truth|"}
LEVELS = {"coverage50": 50, "coverage90": 90}


def curves_of(export: Export, metric: str, imputers: Sequence[str] = (), scenarios: Sequence[str] = ()) -> list[Curve]:
    """The curves that have that score, of the imputers and scenarios that are named. UsageError
    when there are none.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS, ORIGIN)
    every = Board(export)[SECTION]
    known = list(dict.fromkeys(row.imputer for curve in every for row in curve.rows))
    imputers = [the_one("imputer", name, known) if every else name for name in imputers]
    families = {label for name in scenarios for label in matching(name, (curve.scenario for curve in every))}
    curves = []
    for curve in every:
        chosen = [row for row in curve.rows if not imputers or row.imputer in imputers]
        rows = [row for row in chosen if any(row.scores.get(metric, []))]
        if rows and (not scenarios or curve.scenario in families):
            curves.append(replace(curve, rows=rows))
    if not curves:
        raise UsageError(
            f"there is no curve of {metric}: it needs a scenario that was run at two rates or more, for example "
            f"bench run {suite_word(export)} scenario=mcar scenario.mcar.rate=0.1,0.3,0.5"
        )
    return curves


def draw(curves: Sequence[Curve], metric: str, title: str, path: Path, looks: Looks) -> None:
    """A panel per modality set and scenario. Bars: the bootstrap interval over patients and
    seeds, where it is stored.
    """
    names = list(dict.fromkeys(row.imputer for curve in curves for row in curve.rows))
    unit = f" ({UNITS[metric]})" if metric in UNITS else ""
    scale = 100 if metric in LEVELS else 1
    charts = []
    for curve in curves:
        ticks = [(100 * rate, f"{100 * rate:g}") for rate in curve.rates]
        # A little to the side of each other: intervals at the same rate would hide one another.
        step = 0.012 * 100 * (curve.rates[-1] - curve.rates[0])
        lines = []
        for row in curve.rows:
            aside, look = step * (names.index(row.imputer) - (len(names) - 1) / 2), looks.imputer(row.imputer)
            shown = zip(curve.rates, row.scores[metric], row.intervals[metric], strict=True)
            points = [
                Point(
                    100 * rate + aside,
                    scale * score.mean,
                    "",
                    look,
                    low=ends[0] if ends else None,
                    high=ends[1] if ends else None,
                )
                for rate, score, ends in shown
                if score
            ]
            lines.append(Line(points))
        marks = [Mark(LEVELS[metric], "right", upright=False, dashed=False)] if metric in LEVELS else []
        up = f"{name_of(metric)}{unit}"
        about = f"{up} over the rate"
        charts.append(
            Chart(lines, Axis("rate of the scenario (%)", ticks=ticks), Axis(up), about, marks=marks, title=curve.title)
        )
    printed.draw(charts, title, path, [(name, looks.imputer(name)) for name in names])


def degradations_of(export: Export, metric: str, scenarios: Sequence[str] = ()) -> list[Degradation]:
    """The scores of predictions by setting that have this primary metric, of the scenarios that
    are named. UsageError when there are none.
    """
    every = Board(export)[DEGRADATION]
    primaries = list(dict.fromkeys(task.metrics[0] for task in export.tasks))
    if metric not in primaries:
        raise unknown("metric", metric, [*METRICS, *primaries], ORIGIN)
    families = {label for name in scenarios for label in matching(name, (each.scenario for each in every))}
    shown = [each for each in every if each.metric == metric and (not scenarios or each.scenario in families)]
    if not shown:
        raise UsageError(
            f"there is no curve of {metric}: it needs a scenario that was run in two settings or more, for example "
            f"bench run {suite_word(export)} scenario=mcar scenario.mcar.rate=0.1,0.3,0.5"
        )
    return shown


def draw_degradations(every: Sequence[Degradation], title: str, path: Path, looks: Looks) -> None:
    """A panel per task, modality set and scenario: the best methods and the best control."""
    figures = [figure(each, looks) for each in every]
    charts = [
        replace(each.picture, title=one.title)
        for one, each in zip(every, figures, strict=True)
        if isinstance(each.picture, Chart)
    ]
    printed.draw(charts, title, path, list(dict(key for each in figures for key in each.keys).items()))
