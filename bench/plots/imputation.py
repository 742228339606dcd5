"""What imputers make of single records: observed points, hidden truth, median and 5-95 % band,
in recorded units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cohort import Series
from bench.config.words import ORIGIN
from bench.errors import UsageError, unknown
from bench.figures import printed
from bench.figures.looks import COLOURS, PALETTE
from bench.grid.cell import Cell
from bench.registry import Registry
from bench.run.last_run import LastRun, missing, seen_of
from bench.stages.artifacts import is_imputed
from bench.stages.imputing import load
from bench.stages.view import View

RECORDS, CHANNELS, METHODS = 2, 4, 3
"""How many are drawn when none are named."""

MOST = 40
"""Panels a picture may have."""


@dataclass(frozen=True)
class Guess:
    """What one imputer says of a panel, in recorded units: float64 [length]; low and high None
    for a single draw.
    """

    median: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None


@dataclass(frozen=True)
class Panel:
    """One channel of one record, in recorded units. observed, hidden: float64 [length], NaN
    where there is nothing.
    """

    record: str
    channel: str
    unit: str
    times: np.ndarray
    observed: np.ndarray
    hidden: np.ndarray
    guesses: dict[str, Guess]


def panels(
    cells: Sequence[Cell],
    run: LastRun,
    registry: Registry,
    records: Sequence[str] = (),
    channels: Sequence[str] = (),
    modalities: Sequence[str] = (),
) -> list[list[Panel]]:
    """The panels to draw, a row per channel, a column per record.

    cells: one per imputer, of one modality set, scenario and seed. Where no records or channels are
    named: test records, and in them channels, with most hidden entries (without any, most observed
    ones). Real records that were not named are called "record 1", "record 2". Raises UsageError for
    a name that is not there, StorageError when an imputation is not in the cache.
    """
    seen = seen_of(cells[0], run, registry)
    series = {
        name: modality for name, modality in seen.cohort.modalities.items() if not modalities or name in modalities
    }
    for name in modalities:
        if name not in seen.cohort.modalities:
            raise unknown("modality", name, seen.cohort.modalities, ORIGIN)
    places = [(name, k) for name, modality in series.items() for k in range(len(modality.channels))]
    known = {series[name].channels[k] for name, k in places}
    for channel in channels:
        if channel not in known:
            raise unknown("channel", channel, known, ORIGIN)
    places = [(name, k) for name, k in places if not channels or series[name].channels[k] in channels]
    counts = _counts(seen, series, places)
    rows = _records(seen, counts, records)
    if not channels:
        order = np.argsort(-counts[rows].sum(axis=0), kind="stable")[:CHANNELS]
        places = [places[k] for k in sorted(order)]
    if len(rows) * len(places) > MOST:
        raise UsageError(f"{len(rows)} records x {len(places)} channels are too many panels; at most {MOST} are drawn")
    loaded = {}
    for cell in cells:
        if not is_imputed(run.setup.store, cell.keys["impute"]):
            raise missing(f"the imputation of {cell.imputer.label}", run)
        loaded[cell.imputer.label] = load(run.setup.store, cell.keys["impute"])
    named = bool(records) or run.prepared.synthetic
    panel_rows = []
    for name, k in places:
        line = []
        for number, i in enumerate(rows, 1):
            raw = seen.recorded.modalities[name].grid[i, :, k].astype(np.float64)
            guesses = {}
            for label, imputation in loaded.items():
                median = seen.scaler.unscale(name, imputation.completed[name][i])[:, k]
                low = high = None
                if imputation.draws is not None:
                    ends = np.quantile(imputation.draws[name][:, i, :, k], [0.05, 0.95], axis=0)
                    low, high = (_unscaled(seen, name, k, end) for end in ends)
                guesses[label] = Guess(median, low, high)
            line.append(
                Panel(
                    record=f"record {seen.cohort.ids[i]}" if named else f"record {number}",
                    channel=series[name].channels[k],
                    unit=series[name].units[k],
                    times=series[name].times.astype(np.float64),
                    observed=np.where(series[name].observed[i, :, k], raw, np.nan),
                    hidden=np.where(seen.hidden[name][i, :, k], raw, np.nan),
                    guesses=guesses,
                )
            )
        panel_rows.append(line)
    return panel_rows


def _unscaled(seen: View, name: str, channel: int, values: np.ndarray) -> np.ndarray:
    whole = np.zeros((len(values), seen.cohort.modalities[name].grid.shape[2]))
    whole[:, channel] = values
    return seen.scaler.unscale(name, whole)[:, channel]


def _counts(seen: View, series: Mapping[str, Series], places: Sequence[tuple[str, int]]) -> np.ndarray:
    """Hidden entries of each record and channel, int [n, places]; observed ones where nothing is
    hidden at all.
    """
    hides = any(seen.hidden[name].any() for name in series)
    of = seen.hidden if hides else {name: modality.observed for name, modality in series.items()}
    return np.stack([of[name][:, :, k].sum(axis=1) for name, k in places], axis=1)


def _records(seen: View, counts: np.ndarray, records: Sequence[str]) -> list[int]:
    """Places of the records to draw."""
    if not records:
        tests = np.flatnonzero(seen.parts == 2)
        drawn: list[int] = tests[np.argsort(-counts[tests].sum(axis=1), kind="stable")[:RECORDS]].tolist()
        return drawn
    place = {str(record): i for i, record in enumerate(seen.cohort.ids)}
    for record in records:
        if record not in place:
            raise UsageError(f'record "{record}" (from {ORIGIN}) is not among the {len(place)} records of the suite')
    return [place[record] for record in records]


def draw(panel_rows: Sequence[Sequence[Panel]], title: str, path: Path) -> None:
    """The picture of some panels, a row per channel and a column per record. Raises
    StorageError.
    """
    drawn, axes = printed.figure(len(panel_rows), len(panel_rows[0]), 4.2, 2.0, sharex="col", sharey="row")
    handles: dict[str, object] = {}
    for row, line in enumerate(panel_rows):
        for column, panel in enumerate(line):
            axis = axes[row, column]
            for place, (label, guess) in enumerate(panel.guesses.items()):
                colour = PALETTE[place % COLOURS]
                if guess.low is not None and guess.high is not None:
                    band = axis.fill_between(panel.times, guess.low, guess.high, color=colour, alpha=0.2, linewidth=0)
                    handles.setdefault(f"{label}: 5–95 % of the draws", band)
                dash = ("-", "--", "-.", ":")[place % 4]
                (median,) = axis.plot(panel.times, guess.median, color=colour, linewidth=1.3, linestyle=dash)
                handles.setdefault(f"{label}: median" if guess.low is not None else label, median)
            (seen,) = axis.plot(panel.times, panel.observed, "o", color="black", markersize=3.2, zorder=4)
            handles.setdefault("observed", seen)
            if np.isfinite(panel.hidden).any():
                (truth,) = axis.plot(
                    panel.times,
                    panel.hidden,
                    "o",
                    markersize=5,
                    markerfacecolor="white",
                    markeredgecolor="black",
                    zorder=5,
                )
                handles.setdefault("hidden truth", truth)
            if row == 0:
                axis.set_title(panel.record)
            if row == len(panel_rows) - 1:
                axis.set_xlabel("time (hours)")
            if column == 0:
                axis.set_ylabel(f"{panel.channel}\n({panel.unit})" if panel.unit else panel.channel)
            axis.locator_params(axis="y", nbins=4)
            axis.margins(x=0.02)
    drawn.align_ylabels(axes[:, 0])
    order = sorted(handles, key=lambda label: (label != "observed", label != "hidden truth"))
    printed.add_title(drawn, title)
    printed.legend(drawn, [handles[label] for label in order], order)
    printed.save(drawn, path)
