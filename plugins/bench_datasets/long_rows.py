"""Measurements in long form, a row each of record, time, channel and value, as the series of a
cohort.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bench.cohort import Counts, Events, Series, bin_events, bins_of

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Channel:
    """What is measured: its modality, name and unit, and the values that are kept, ends
    included.
    """

    modality: str
    name: str
    unit: str
    low: float = -LARGEST
    high: float = LARGEST


@dataclass(frozen=True)
class Rows:
    """Measurements in any order; each array is [rows].

    - record: int; the place of the record.
    - hours: float; since the record's origin, finite.
    - channel: int; an index into the channels.
    - value: float64; NaN where there is none.
    - rank: int; of several values at one time the smallest rank wins.
    """

    record: np.ndarray
    hours: np.ndarray
    channel: np.ndarray
    value: np.ndarray
    rank: np.ndarray

    def take(self, rows: np.ndarray) -> Rows:
        """Those rows. rows: bool [rows], or int indices."""
        return Rows(self.record[rows], self.hours[rows], self.channel[rows], self.value[rows], self.rank[rows])


def kept_rows(
    rows: Rows, channels: tuple[Channel, ...], length: int, bin_hours: float, counts: Counts, what: str
) -> Rows:
    """The rows that enter the cohort, by record, time and channel; all others are counted, each
    under the first reason that holds.

    Of values with equal record, time and channel the smallest rank wins, and within a rank the
    smallest value: the order of the rows decides nothing. Times are compared as float32.
    what: how the names of counts begin.
    """
    # Float32 is what events hold, so the bin of a float32 is where the value will lie.
    hours = rows.hours.astype(np.float32) + np.float32(0)  # -0.0 would be another time than 0
    place = bins_of(hours, bin_hours)
    empty = np.isnan(rows.value)
    left = np.ones(len(place), bool)
    for count, reason, hit in (
        (counts.left_out, "rows without a value, left out", empty),
        (counts.unusable, "rows with a value that is infinite or too large, skipped", np.abs(rows.value) > LARGEST),
        (counts.left_out, "rows before time 0, left out", place < 0),
        (counts.left_out, "rows after the last bin of the grid, left out", place >= length),
    ):
        count(f"{what}: {reason}", (left & hit).sum())
        left &= ~hit
    low, high = (np.array([getattr(each, end) for each in channels]) for end in ("low", "high"))
    outside = left & ((rows.value < low[rows.channel]) | (rows.value > high[rows.channel]))
    for channel, number in zip(channels, np.bincount(rows.channel[outside], minlength=len(channels)), strict=True):
        counts.left_out(f"{channel.name}: outside {_bounds(channel)}, removed", number)
    rows = replace(rows, hours=hours).take(left & ~outside)
    moment = (rows.record.astype(np.int64) << 32) | rows.hours.view(np.int32)
    order = np.lexsort((rows.value, rows.rank, rows.channel, moment))
    again = np.zeros(len(order), bool)
    again[1:] = (np.diff(moment[order]) == 0) & (np.diff(rows.channel[order]) == 0)
    counts.left_out(f"{what}: rows repeating a time and variable, one kept", again.sum())
    kept = rows.take(order[~again])
    counts.found(f"{what}: rows kept", len(kept.record))
    return kept


def _bounds(channel: Channel) -> str:
    if channel.high == LARGEST:
        return f"{channel.low:g} and above"
    return f"{channel.high:g} and below" if channel.low == -LARGEST else f"{channel.low:g} to {channel.high:g}"


def series_of_rows(
    kept: Rows, n: int, channels: tuple[Channel, ...], length: int, bin_hours: float
) -> dict[str, Series]:
    """Modality -> its series, in the order of the channels. kept: of `kept_rows`; n: records."""
    series = {}
    for modality in dict.fromkeys(each.modality for each in channels):
        members = [number for number, each in enumerate(channels) if each.modality == modality]
        rows = kept.take(np.isin(kept.channel, members))
        places = np.searchsorted(members, rows.channel)
        events = events_of_rows(n, rows.record, rows.hours, places, rows.value, len(members))
        names, units = ([getattr(channels[number], key) for number in members] for key in ("name", "unit"))
        series[modality] = series_of_events(events, tuple(names), tuple(units), length, bin_hours)
    return series


def events_of_rows(
    n: int, record: np.ndarray, hours: np.ndarray, channel: np.ndarray, value: np.ndarray, channels: int
) -> Events:
    """Values sorted by record and time as events: one row per record and distinct time.

    record, hours, channel, value: [values]; at most one value per record, time and channel.
    """
    record, times = record.astype(np.int64), hours.astype(np.float32)
    new = np.ones(len(record), bool)
    new[1:] = (np.diff(record) > 0) | (np.diff(hours) > 0)
    values = np.full((int(new.sum()), channels), np.nan, np.float32)
    values[np.cumsum(new) - 1, channel] = value
    offsets = np.concatenate([[0], np.cumsum(np.bincount(record[new], minlength=n))]).astype(np.int64)
    return Events(offsets, times[new], values)


def series_of_events(
    events: Events, channels: tuple[str, ...], units: tuple[str, ...], length: int, bin_hours: float = 1.0
) -> Series:
    """Events of all records as a series with a grid of `length` bins."""
    grid, observed = bin_events(events, length, bin_hours)
    return Series(
        channels=channels,
        units=units,
        grid=grid,
        observed=observed,
        times=(np.arange(length) * bin_hours).astype(np.float32),
        events=events,
        available=np.asarray(observed.any(axis=(1, 2))),
        filled=np.zeros(len(events.offsets) - 1, bool),
    )


def count_cohort(series: Mapping[str, Series], targets: Mapping[str, np.ndarray], counts: Counts) -> None:
    """What there is of each modality and task."""
    for name, each in series.items():
        counts.found(f"{name}: records with an observation", each.available.sum())
    for name, target in targets.items():
        counts.found(f"task {name}: records", (~np.isnan(target)).sum())
