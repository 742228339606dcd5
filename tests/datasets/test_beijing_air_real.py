"""The real files of `beijing_air`, against what is published of them and what the manual prints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cohort import Cohort
from bench_datasets.beijing_air.files import STATIONS, find
from bench_datasets.beijing_air.params import BeijingAirParams
from bench_datasets.beijing_air.release import release
from bench_datasets.beijing_air.verify import verify
from support.beijing_files import prepare
from support.counting import numbers
from support.pages import page

PAGE = "reference/datasets/beijing_air.md"


@pytest.fixture(scope="module")
def cohort(open_data: Path) -> Cohort:
    return prepare(open_data)


@pytest.fixture(scope="module")
def frame(open_data: Path) -> pd.DataFrame:
    """All files as pandas reads them."""
    paths = find(open_data, BeijingAirParams()).values()
    whole = pd.concat([pd.read_csv(path, na_values=[" "], low_memory=False) for path in paths])
    return whole.assign(time=pd.to_datetime(whole[["year", "month", "day", "hour"]]))


def test_it_is_the_published_release(open_data: Path) -> None:
    assert release(open_data, BeijingAirParams()) == "Beijing Multi-Site Air Quality (UCI 501)"
    some = release(open_data, BeijingAirParams(stations=("Tiantan",)))
    assert some == "Beijing Multi-Site Air Quality (UCI 501), 1 of 12 stations: Tiantan"


def test_every_row_is_usable_and_no_value_is_removed(cohort: Cohort) -> None:
    assert numbers(cohort)["rows"] == 420_768
    assert not numbers(cohort, "unusable", "repaired")
    assert not [name for name in numbers(cohort, "left_out") if "removed" in name]


def test_each_station_has_each_part(cohort: Cohort) -> None:
    table = pd.crosstab(cohort.columns["station"], cohort.splits["dates"])
    assert sorted(table.index) == sorted(STATIONS)
    assert (table.to_numpy() == [722, 358, 362]).all()


def test_grids_and_targets_are_those_that_pandas_computes(cohort: Cohort, frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    for place in rng.choice(len(cohort), 60, replace=False):
        station, day = cohort.ids[place].split()
        hourly = frame[frame.station == station].set_index("time")
        start = pd.Timestamp(day)
        history = hourly[start - pd.Timedelta("72h") : start - pd.Timedelta("1h")]
        for series in cohort.modalities.values():
            plain = [name for name in series.channels if not name.startswith("wd_")]
            np.testing.assert_array_equal(series.grid[place][:, : len(plain)], history[plain].to_numpy(np.float32))
        level = hourly[start : start + pd.Timedelta("23h")]["PM2.5"]
        mean = level.mean() if level.notna().sum() >= 20 else np.nan
        np.testing.assert_allclose(cohort.targets["pm25_day"][place], mean, rtol=1e-6)


def test_the_manual_prints_these_counts(cohort: Cohort) -> None:
    manual = page(PAGE)
    for name, count in numbers(cohort).items():
        assert f"| {name} | {count:,} |\n" in manual


def test_the_manual_prints_what_naive_forecasts_reach(open_data: Path) -> None:
    manual = page(PAGE)
    report = {entry["item"]: entry for entry in verify(open_data, BeijingAirParams())}
    assert all(report[station]["status"] == "ok" for station in STATIONS)
    for name in ("persistence", "climatology"):
        mae, rmse = (word.strip(",") for word in report[name]["detail"].split()[1:4:2])
        assert f"| {name} | {mae} | {rmse} |" in manual
