"""What of the data is there, and how well forecasts do that learn nothing: the numbers that a
method has to beat.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.cohort import Counts
from bench.registry import MARK
from bench_datasets.beijing_air import table
from bench_datasets.beijing_air.dataset import clean, daily, targets_of
from bench_datasets.beijing_air.days import forecast_days
from bench_datasets.beijing_air.files import STATIONS, find
from bench_datasets.beijing_air.params import BeijingAirParams
from bench_datasets.beijing_air.read import read_station
from bench_datasets.beijing_air.release import TITLE, is_published


def verify(root: Path, params: BeijingAirParams) -> list[dict[str, Any]]:
    """One entry per thing looked at: item, status (ok, differs, absent, unknown) and detail. Raises
    DataError as reading does.
    """
    report, values = [], {}
    paths = find(root, params)
    generated = any((path.parent / MARK).is_file() for path in paths.values())
    for station in params.stations or STATIONS:
        if station not in paths:
            report.append(_entry(station, "absent", "no file"))
            continue
        recorded = read_station(station, paths[station], Counts())
        same = is_published(station, recorded)
        words = f"what was published as {TITLE}" if same else "generated" if generated else "not what was published"
        status = "ok" if same else "unknown" if generated else "differs"
        report.append(_entry(station, status, f"{paths[station]}: {words}"))
        values[station] = clean(recorded, Counts())
    for name, (mae, rmse, n) in naive_forecasts(values, params).items():
        detail = f"MAE {mae:.2f}, RMSE {rmse:.2f} µg/m³ on the {n:,} test records of pm25_day, nothing hidden"
        report.append(_entry(name, "ok", detail))
    return report


def naive_forecasts(values: dict[str, np.ndarray], params: BeijingAirParams) -> dict[str, tuple[float, float, int]]:
    """Forecast -> MAE, RMSE and number of records, of `pm25_day` on the test part of the split
    `dates`. values: station -> values as `clean` gives them.

    - persistence: the mean of the known hours of the day before; where none is known, the
      climatology.
    - climatology: the mean of the training days of that station and calendar month.
    """
    days, parts = forecast_days(params)
    truth = targets_of(values, days, params.target_hours)["pm25_day"].reshape(len(values), -1).astype(np.float64)
    months = _months(days)
    train, test = parts == 0, parts == 2
    climatology = np.full(truth.shape, np.nan)
    for month in np.unique(months):
        known = truth[:, train & (months == month)]
        typical = np.nanmean(known, axis=1) if known.size else np.nanmean(truth[:, train], axis=1)
        climatology[:, months == month] = typical[:, None]
    before = np.stack([_means(daily(each)[days - 1]) for each in values.values()])
    forecasts = {
        "persistence": np.where(np.isnan(before), climatology, before),
        "climatology": climatology,
    }
    scores = {}
    for name, forecast in forecasts.items():
        error = (forecast - truth)[:, test]
        error = error[~np.isnan(error)]
        scores[name] = (float(np.abs(error).mean()), float(np.sqrt((error**2).mean())), len(error))
    return scores


def _means(hours: np.ndarray) -> np.ndarray:
    """The mean of the known hours of each day, float64 [days]; NaN where none is known. hours:
    [days, 24].
    """
    known = ~np.isnan(hours)
    total = np.where(known, hours, 0).sum(axis=1)
    means: np.ndarray = np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
    return means


def _months(days: np.ndarray) -> np.ndarray:
    """The calendar month of each day, 1 to 12."""
    dates = np.datetime64(table.FIRST.isoformat()) + days
    months: np.ndarray = dates.astype("datetime64[M]").astype(int) % 12 + 1
    return months


def _entry(item: str, status: str, detail: str) -> dict[str, Any]:
    return {"item": item, "status": status, "detail": detail}
