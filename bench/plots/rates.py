"""Error curves: how the scores of imputers change with the share of entries that was hidden."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from bench.config.words import ORIGIN
from bench.errors import UsageError, unknown
from bench.grid.matching_rows import matching, the_one
from bench.leaderboard import Board
from bench.leaderboard.sections.curves import SECTION, Curve
from bench.leaderboard.sections.imputation import METRICS
from bench.leaderboard.words import metric as name_of
from bench.plots import style
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


def draw(curves: Sequence[Curve], metric: str, title: str, path: Path) -> None:
    """A panel per modality set and scenario. Bars: the bootstrap interval over patients and
    seeds, where it is stored.
    """
    names = list(dict.fromkeys(row.imputer for curve in curves for row in curve.rows))
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    width = 5.2 if columns == 1 else 4.4
    drawn, axes = style.figure(rows, columns, width, 3.6)
    scale = 100 if metric in LEVELS else 1
    handles = {}
    for place, curve in enumerate(curves):
        axis = axes[place // columns, place % columns]
        for row in curve.rows:
            number = names.index(row.imputer)
            # A little to the side of each other: intervals at the same rate would hide one another.
            aside = 0.012 * (100 * (curve.rates[-1] - curve.rates[0])) * (number - (len(names) - 1) / 2)
            points = [
                (100 * rate + aside, scale * score.mean, interval)
                for rate, score, interval in zip(curve.rates, row.scores[metric], row.intervals[metric], strict=True)
                if score
            ]
            shares, values, intervals = zip(*points, strict=True)
            colour = style.colour(number)
            (handles[row.imputer],) = axis.plot(
                shares, values, color=colour, marker=style.marker(number), markersize=5, linewidth=1.4
            )
            for share, interval in zip(shares, intervals, strict=True):
                if interval:
                    axis.plot([share, share], interval, color=colour, linewidth=1.1, alpha=0.7)
        if metric in LEVELS:
            axis.axhline(LEVELS[metric], color="black", linewidth=0.8, linestyle=":")
        axis.set_title(style.wrapped(curve.title, width))
        axis.set_xlabel("rate of the scenario (%)")
        axis.set_ylabel(f"{name_of(metric)} ({UNITS[metric]})" if metric in UNITS else name_of(metric))
        axis.set_xticks([100 * rate for rate in curve.rates], [f"{100 * rate:g}" for rate in curve.rates])
    for place in range(len(curves), rows * columns):
        axes[place // columns, place % columns].set_visible(False)
    style.title(drawn, title)
    style.legend(drawn, [handles[name] for name in names], names)
    style.save(drawn, path)
