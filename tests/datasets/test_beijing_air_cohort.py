"""The cohort of `beijing_air`: records, targets, groups and the split by date, on files by hand and
as laws over the parameters.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort, bin_events
from bench.data.splits import PARTS, crossing
from bench.errors import UsageError
from bench_datasets.beijing_air.files import STATIONS
from support.beijing_files import hours, prepare, row, write
from support.counting import numbers

DAY = "2013-03-10"
"""A forecast day; the cohorts here are of the three days before it."""


def at(cohort: Cohort, name: str) -> int:
    """The place of a record."""
    return cohort.ids.tolist().index(name)


def channel(cohort: Cohort, name: str) -> np.ndarray:
    """The grid of one channel, [n, length]."""
    for series in cohort.modalities.values():
        if name in series.channels:
            return series.grid[:, :, series.channels.index(name)]
    raise KeyError(name)


def test_a_record_holds_the_hours_before_its_forecast_day_and_none_of_the_day_itself(tmp_path: Path) -> None:
    rising = [row(hour, PM25=str(place)) for place, hour in enumerate(hours("2013-03-07T00", 96))]
    cohort = prepare(write(tmp_path, {"Tiantan": rising}))
    record = at(cohort, f"Tiantan {DAY}")
    assert channel(cohort, "PM2.5")[record].tolist() == list(range(72))
    assert cohort.targets["pm25_day"][record] == np.arange(72, 96).mean()
    assert cohort.targets["pm25_hours"][record].tolist() == list(range(72, 96))
    assert np.isnan(channel(cohort, "PM2.5")[at(cohort, "Tiantan 2013-03-05")]).all()


@pytest.mark.parametrize(("known", "mean"), [(20, 5.0), (19, np.nan)])
def test_a_mean_needs_twenty_hours_as_the_standard_does(tmp_path: Path, known: int, mean: float) -> None:
    day = [row(hour, PM25="5" if place < known else "NA") for place, hour in enumerate(hours(f"{DAY}T00", 24))]
    cohort = prepare(write(tmp_path, {"Tiantan": day}))
    record = at(cohort, f"Tiantan {DAY}")
    np.testing.assert_equal(cohort.targets["pm25_day"][record], np.float32(mean))
    np.testing.assert_equal(cohort.targets["pm25_above75"][record], np.float32(0 if known == 20 else np.nan))
    assert np.isnan(cohort.targets["pm25_hours"][record]).all()


@pytest.mark.parametrize(("level", "above"), [("75", 0), ("75.1", 1)])
def test_a_day_is_above_the_limit_where_its_mean_exceeds_it(tmp_path: Path, level: str, above: int) -> None:
    cohort = prepare(write(tmp_path, {"Tiantan": [row(hour, PM25=level) for hour in hours(f"{DAY}T00", 24)]}))
    assert cohort.targets["pm25_above75"][at(cohort, f"Tiantan {DAY}")] == above


def test_the_direction_of_the_wind_is_a_point_on_the_circle_and_missing_as_a_whole(tmp_path: Path) -> None:
    points = {"N": (0, 1), "E": (1, 0), "S": (0, -1), "W": (-1, 0), "NE": (0.5**0.5, 0.5**0.5), "NA": (np.nan, np.nan)}
    rows = [row(hour, wd=point) for point, hour in zip(points, hours("2013-03-09T00", 6), strict=True)]
    cohort = prepare(write(tmp_path, {"Tiantan": rows}), history_days=1)
    record = at(cohort, f"Tiantan {DAY}")
    seen = np.stack([channel(cohort, name)[record, :6] for name in ("wd_sin", "wd_cos")], axis=1)
    np.testing.assert_allclose(seen, list(points.values()), atol=1e-6)


def test_records_are_called_by_station_and_day_and_each_station_has_the_same_days(tmp_path: Path) -> None:
    one = [row(hour) for hour in hours("2013-03-01T00", 1)]
    other = [row(hour, station="Dongsi") for hour in hours("2013-03-01T00", 1)]
    cohort = prepare(write(tmp_path, {"Tiantan": one, "Dongsi": other}))
    stations, days = zip(*(name.split() for name in cohort.ids), strict=True)
    assert cohort.columns["station"].tolist() == list(stations)
    assert list(dict.fromkeys(stations)) == [name for name in STATIONS if name in stations], "whatever the files' order"
    half = len(cohort) // 2
    assert days[:half] == days[half:]
    assert (days[0], days[-1]) == ("2013-03-04", "2017-02-28")
    assert prepare(tmp_path, stations=("Dongsi",)).ids.tolist() == cohort.ids[:half].tolist()


def test_statics_are_known_before_the_day_and_repeat_nothing_that_a_scenario_could_hide(tmp_path: Path) -> None:
    one = prepare(write(tmp_path / "one", {"Tiantan": [row(hour) for hour in hours("2014-03-01T00", 400)]}))
    other = prepare(
        write(
            tmp_path / "other", {"Tiantan": [row(hour, PM25="500", TEMP="9") for hour in hours("2014-03-01T00", 300)]}
        )
    )
    assert np.array_equal(one.statics, other.statics)
    assert one.static_names == ("season_sin", "season_cos", "weekend")
    saturday, monday = (one.statics[at(one, f"Tiantan {day}")] for day in ("2014-03-08", "2014-03-10"))
    assert (saturday[2], monday[2]) == (1, 0)
    np.testing.assert_allclose((one.statics[:, :2] ** 2).sum(axis=1), 1, atol=1e-6)


def test_the_values_of_a_day_reach_no_record_that_forecasts_it_or_an_earlier_day(tmp_path: Path) -> None:
    usual = [row(hour) for hour in hours("2013-03-01T00", 24 * 20)]
    day = date.fromisoformat(DAY)
    changed = [
        row(hour, PM25="900", TEMP="30") if hour.date() == day else row(hour) for hour in hours("2013-03-01T00", 480)
    ]
    before, after = (
        prepare(write(tmp_path / name, {"Tiantan": rows})) for name, rows in (("a", usual), ("b", changed))
    )
    dates = np.array([name.split()[1] for name in before.ids])
    for name, series in before.modalities.items():
        moved = ~(np.nan_to_num(series.grid) == np.nan_to_num(after.modalities[name].grid)).all(axis=(1, 2))
        assert sorted(dates[moved]) == [(day + timedelta(later)).isoformat() for later in (1, 2, 3)]
    assert dates[before.targets["pm25_day"] != after.targets["pm25_day"]].tolist().count(DAY) == 1


def test_the_grid_is_that_of_the_events_and_empty_hours_have_none(tmp_path: Path) -> None:
    rows = [row(hour, TEMP="NA", PM25="NA" if hour.hour % 2 else "7") for hour in hours("2013-03-01T00", 200)]
    cohort = prepare(write(tmp_path, {"Tiantan": rows}))
    for series in cohort.modalities.values():
        grid, observed = bin_events(series.events, cohort.length)
        np.testing.assert_array_equal(grid, series.grid)
        assert observed.sum() == series.observed.sum() > 0
        assert not np.isnan(series.events.values).all(axis=1).any()


def spans(cohort: Cohort, history: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last day of each record's span, as ordinals: its history and its forecast day."""
    last = np.array([date.fromisoformat(name.split()[1]).toordinal() for name in cohort.ids])
    return last - history, last


MONTHS = [f"{year}-{month:02}" for year in range(2013, 2018) for month in range(1, 13)][2:50]
"""The 48 months of the data."""


@pytest.fixture(scope="module")
def two_stations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {
        name: [row(hour, station=name) for hour in hours("2015-02-20T00", 24 * 30)] for name in ("Tiantan", "Dongsi")
    }
    return write(tmp_path_factory.mktemp("two"), rows)


@settings(max_examples=40)
@given(
    history=st.integers(1, 28),
    stride=st.integers(1, 28),
    months=st.tuples(st.integers(4, 40), st.integers(4, 40)).filter(lambda each: sum(each) <= 44),
)
def test_no_two_parts_share_an_hour_and_the_gap_is_longer_than_a_record_and_no_group_is_parted(
    two_stations: Path, history: int, stride: int, months: tuple[int, int]
) -> None:
    valid_from, test_from = MONTHS[months[0]], MONTHS[sum(months)]
    cohort = prepare(two_stations, history_days=history, stride_days=stride, valid_from=valid_from, test_from=test_from)
    parts = cohort.splits["dates"]
    first, last = spans(cohort, history)
    for before, after in ((0, 1), (1, 2)):
        gap = first[parts == after].min() - last[parts == before].max() - 1
        assert gap > history + 1
    assert set(parts) == set(range(len(PARTS)))
    assert crossing(cohort.groups, parts) == 0
    assert crossing(cohort.groups, np.unique(cohort.columns["station"], return_inverse=True)[1]) == 0
    assert first.min() >= date(2013, 3, 1).toordinal()
    for station in ("Tiantan", "Dongsi"):
        assert set(parts[cohort.columns["station"] == station]) == {0, 1, 2}, "every client has each part"
    candidates = 2 * len(range(history, 1461, stride))
    left_out = numbers(cohort).get("records in the gaps between the parts of the split, left out", 0)
    assert len(cohort) + left_out == candidates


def test_each_part_of_the_default_split_has_whole_years(two_stations: Path) -> None:
    cohort = prepare(two_stations)
    months = np.array([group.split()[1] for group in cohort.groups])
    parts = cohort.splits["dates"]
    assert [len(np.unique(months[parts == part])) for part in range(3)] == [24, 12, 12]
    assert sorted(set(months[parts == 2]))[0] == "2016-03"


@pytest.mark.parametrize(
    "months", [("2016-03", "2015-03"), ("2013-03", "2015-03"), ("2015-03", "2017-03"), ("2015-03", "2015-03")]
)
def test_months_that_leave_a_part_empty_are_refused_with_what_is_accepted(
    two_stations: Path, months: tuple[str, str]
) -> None:
    with pytest.raises(UsageError, match=r"without a day.*2013-03 to 2017-02"):
        prepare(two_stations, valid_from=months[0], test_from=months[1])
