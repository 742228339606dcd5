"""Beijing Multi-Site Air Quality as a cohort: a station and a day, the hours before it, and the
PM2.5 of the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np

from bench.cohort import Cohort, Counts, Events, Series, bin_events
from bench.components import Context, Dataset, Interrupted
from bench_datasets.beijing_air import table
from bench_datasets.beijing_air.days import forecast_days
from bench_datasets.beijing_air.files import find
from bench_datasets.beijing_air.params import DATES, STATION, BeijingAirParams
from bench_datasets.beijing_air.read import COLUMNS, read_station

STATICS = ("season_sin", "season_cos", "weekend")


class BeijingAir(Dataset[BeijingAirParams]):
    """Reads the files of the 12 stations; see docs/reference/datasets/beijing_air.md for every
    decision.

    - Records: a station and a forecast day, called "STATION YYYY-MM-DD", by station and day. A
      record holds the hours of the `history_days` before that day; its grid ends at midnight.
    - Modalities: `pollutants` and `weather`, as recorded, in hourly bins. The forecast day itself
      is in no grid: its weather is not known the day before.
    - Statics, known in advance: sine and cosine of the day of the year, and whether the forecast
      day is a Saturday or Sunday. No static repeats a value of the grid: a scenario could not hide
      it there.
    - Targets: `pm25_day`, the mean of PM2.5 over the forecast day in µg/m³, not in logarithms,
      NaN where fewer than `target_hours` of its hours are known. `pm25_above75`, whether that mean
      is above 75 µg/m³. `pm25_hours`, the 24 values, NaN together where one is not known.
    - Groups: a station and the calendar month of the forecast day, blocks for the bootstrap.
      Windows at the edges of neighbouring blocks share hours, and stations of one city share
      their weather, so intervals are too narrow rather than too wide.
    - Split `dates`: by months, with gaps between the parts (`bench_datasets.beijing_air.days`).
      Records in the gaps are left out and counted. Column `station`: each group has one.
    """

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort. Every row and field of the files is kept or counted in `Cohort.counts`.

        Raises DataError as `find` and `read_station` do, and UsageError for months that leave a
        part without a record.
        """
        params, counts = self.params, Counts()
        days, parts = forecast_days(params)
        values = {}
        for station, path in find(root, params).items():
            if context.should_stop():
                raise Interrupted
            context.report(f"reading {path.name}")
            values[station] = clean(read_station(station, path, counts), counts)
        counts.left_out("records in the gaps between the parts of the split, left out", len(values) * (parts < 0).sum())
        days, parts = days[parts >= 0], parts[parts >= 0]
        dates = [table.FIRST + timedelta(int(day)) for day in days]
        windows = _windows(values, days, params.history_days)
        series = {name: series_of(*columns) for name, columns in windows.items()}
        targets = targets_of(values, days, params.target_hours)
        _count(series, targets, counts)
        stations = np.repeat(list(values), len(days))
        return Cohort(
            ids=np.array([f"{station} {day.isoformat()}" for station in values for day in dates]),
            groups=np.array([f"{station} {day:%Y-%m}" for station in values for day in dates]),
            modalities=series,
            statics=np.tile(_calendar(days), (len(values), 1)),
            static_names=STATICS,
            targets=targets,
            splits={DATES: np.tile(parts, len(values))},
            columns={STATION: stations},
            counts=counts.by_name(),
        )


def clean(values: np.ndarray, counts: Counts) -> np.ndarray:
    """The values of a station within their plausible ranges, and the wind's direction as sine and
    cosine: float32 [HOURS, channels of both modalities].

    values: float32 [HOURS, COLUMNS], as `read_station` gives them. What is outside becomes NaN and
    is counted.
    """
    cleaned = values[:, :-1].copy()
    for place, variable in enumerate(table.VARIABLES):
        with np.errstate(invalid="ignore"):
            outside = (cleaned[:, place] < variable.low) | (cleaned[:, place] > variable.high)
        counts.left_out(f"{variable.name}: outside {variable.low:g} to {variable.high:g}, removed", outside.sum())
        cleaned[outside, place] = np.nan
    angle = values[:, COLUMNS.index(table.WIND)].astype(np.float64) * (2 * np.pi / len(table.POINTS))
    return np.column_stack([cleaned, np.sin(angle), np.cos(angle)]).astype(np.float32)


def _windows(
    values: Mapping[str, np.ndarray], days: np.ndarray, history: int
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...], np.ndarray]]:
    """Modality -> channels, units and the grid of all records, float32 [n, length, channels]."""
    rows = (24 * (days[:, None] - history) + np.arange(24 * history)).ravel()
    pollutants = len(table.names(table.MODALITIES[0]))
    places = (slice(0, pollutants), slice(pollutants, None))
    windows = {}
    for name, place in zip(table.MODALITIES, places, strict=True):
        grid = np.concatenate([each[rows, place] for each in values.values()])
        windows[name] = (table.names(name), table.units(name), grid.reshape(-1, 24 * history, grid.shape[1]))
    return windows


def series_of(channels: tuple[str, ...], units: tuple[str, ...], hourly: np.ndarray) -> Series:
    """A modality of hourly values: an event for each hour with any value. hourly: float32 [n,
    length, channels].
    """
    n, length, _ = hourly.shape
    there = ~np.isnan(hourly).all(axis=2)
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
    events = Events(offsets, np.nonzero(there)[1].astype(np.float32), hourly[there])
    grid, observed = bin_events(events, length)
    return Series(
        channels=channels,
        units=units,
        grid=grid,
        observed=observed,
        times=np.arange(length, dtype=np.float32),
        events=events,
        available=np.asarray(observed.any(axis=(1, 2))),
        filled=np.zeros(n, bool),
    )


def daily(values: np.ndarray) -> np.ndarray:
    """The PM2.5 of a station by day and hour, float64 [DAYS, 24]. values: as `clean` gives them."""
    return values[:, table.PM25].reshape(table.DAYS, 24).astype(np.float64)


def targets_of(values: Mapping[str, np.ndarray], days: np.ndarray, enough: int) -> dict[str, np.ndarray]:
    """The targets of the forecast days of every station. enough: the hours that a mean needs."""
    hours = np.concatenate([daily(each)[days] for each in values.values()])
    known = ~np.isnan(hours)
    mean = np.where(known, hours, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    mean[known.sum(axis=1) < enough] = np.nan
    whole = np.where(known.all(axis=1)[:, None], hours, np.nan)
    above = np.where(np.isnan(mean), np.nan, mean > table.LIMIT)
    return {
        "pm25_day": mean.astype(np.float32),
        "pm25_above75": above.astype(np.float32),
        "pm25_hours": whole.astype(np.float32),
    }


def _calendar(days: np.ndarray) -> np.ndarray:
    """The statics of forecast days, float32 [days, 3]."""
    dates = [table.FIRST + timedelta(int(day)) for day in days]
    angle = 2 * np.pi * np.array([each.timetuple().tm_yday for each in dates]) / 365.25
    weekend = np.array([each.weekday() >= 5 for each in dates])
    return np.stack([np.sin(angle), np.cos(angle), weekend], axis=1).astype(np.float32)


def _count(series: Mapping[str, Series], targets: Mapping[str, np.ndarray], counts: Counts) -> None:
    for name, each in series.items():
        counts.found(f"{name}: records without any value, kept", (~each.available).sum())
        counts.found(f"{name}: grid cells observed", each.observed.sum())
        counts.found(f"{name}: grid cells not observed", (~each.observed).sum())
    for name, target in targets.items():
        unknown = np.isnan(target.reshape(len(target), -1)).any(axis=1)
        counts.found(f"task {name}: records", (~unknown).sum())
        counts.left_out(f"task {name}: too few hours of PM2.5 on the forecast day, unknown", unknown.sum())
    counts.found("task pm25_above75: positive", (targets["pm25_above75"] == 1).sum())
