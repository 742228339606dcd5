"""What the physionet2012 cohort holds, on stays written by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cohort import bin_events
from support.counting import numbers
from support.physionet_files import STAYS, channel, one, prepare, record, unaccounted, write_set


@pytest.mark.parametrize("layout", ["tar.gz", "zip"])
def test_every_layout_gives_the_identical_cohort(tmp_path: Path, layout: str) -> None:
    write_set(tmp_path / "folder", STAYS, "dir")
    write_set(tmp_path / "archive", STAYS, layout)
    expected, got = prepare(tmp_path / "folder"), prepare(tmp_path / "archive")
    assert got.ids.tolist() == expected.ids.tolist()
    assert got.counts == expected.counts
    np.testing.assert_array_equal(got.statics, expected.statics)
    for name, series in expected.modalities.items():
        np.testing.assert_array_equal(got.modalities[name].grid, series.grid)
        np.testing.assert_array_equal(got.modalities[name].events.times, series.events.times)
        np.testing.assert_array_equal(got.modalities[name].events.values, series.events.values)
        np.testing.assert_array_equal(got.modalities[name].events.offsets, series.events.offsets)


def test_the_order_of_members_changes_nothing_and_records_are_sorted_by_id(tmp_path: Path) -> None:
    write_set(tmp_path / "up", STAYS, "tar.gz")
    write_set(tmp_path / "down", dict(reversed(STAYS.items())), "tar.gz")
    up, down = prepare(tmp_path / "up"), prepare(tmp_path / "down")
    assert down.ids.tolist() == ["11", "12", "13"]
    for name in up.modalities:
        np.testing.assert_array_equal(up.modalities[name].events.values, down.modalities[name].events.values)


def test_two_sets_become_one_cohort_and_sets_chooses_among_them(tmp_path: Path) -> None:
    write_set(tmp_path, {"21": record(21, "01:00,HR,60")}, name="b", results={"21": (9, 1)})
    write_set(tmp_path, STAYS, "zip", name="a")
    assert prepare(tmp_path).ids.tolist() == ["11", "12", "13", "21"]
    assert prepare(tmp_path).targets["ihm"].tolist() == [0, 0, 0, 1]
    assert prepare(tmp_path, sets=("b",)).ids.tolist() == ["21"]


def test_each_stay_belongs_to_its_unit(tmp_path: Path) -> None:
    units = {"1": "coronary care", "2": "cardiac surgery", "3": "medical", "4": "surgical", "-1": "", "7": ""}
    write_set(
        tmp_path,
        {f"2{place}": record(20 + place).replace("ICUType,3", f"ICUType,{unit}") for place, unit in enumerate(units)},
    )
    for clean in (True, False):
        assert prepare(tmp_path, clean=clean).columns["icu_type"].tolist() == list(units.values())


def test_the_grid_is_the_events_binned_by_the_hour_last_value_first_served(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS)
    cohort = prepare(tmp_path)
    vitals = cohort.modalities["vitals"]
    heart = vitals.grid[0, :, vitals.channels.index("HR")]
    assert heart[0] == 80
    assert heart[1] == 95
    assert np.isnan(heart[2:]).all()
    for series in cohort.modalities.values():
        grid, observed = bin_events(series.events, 48)
        np.testing.assert_array_equal(series.grid, grid)
        np.testing.assert_array_equal(series.observed, observed)


def test_events_have_one_row_per_distinct_minute_of_a_modality(tmp_path: Path) -> None:
    cohort = one(tmp_path, "00:30,HR,80", "00:30,Temp,37", "00:30,K,4", "00:45,HR,81")
    vitals = cohort.modalities["vitals"].events
    assert vitals.times.tolist() == [0.5, 0.75]
    assert (~np.isnan(vitals.values)).sum(axis=1).tolist() == [2, 1]
    assert len(cohort.modalities["labs"].events.times) == 1


LINES = st.tuples(
    st.integers(0, 50 * 60), st.sampled_from(["HR", "Temp", "K", "Na", "pH", "Urine"]), st.integers(0, 99)
)


@given(st.lists(st.lists(LINES, max_size=30), min_size=1, max_size=3))
def test_events_are_what_a_line_by_line_reading_finds(stays: list[list[tuple[int, str, int]]]) -> None:
    files = {
        str(i): record(i, *(f"{minute // 60:02d}:{minute % 60:02d},{name},{value}" for minute, name, value in lines))
        for i, lines in enumerate(stays, 10)
    }
    with tempfile.TemporaryDirectory() as folder:
        write_set(Path(folder), files, "tar.gz")
        cohort = prepare(Path(folder), clean=False)
    for place, lines in enumerate(stays):
        expected = {(minute, name): value for minute, name, value in lines if minute < 48 * 60}
        found = {}
        for series in cohort.modalities.values():
            own = series.events.take(np.array([place]))
            assert (np.diff(own.times) > 0).all()
            for time, row in zip(own.times, own.values, strict=True):
                seen = np.flatnonzero(~np.isnan(row))
                assert len(seen)
                found.update({(round(float(time) * 60), series.channels[k]): row[k] for k in seen})
        assert found == expected


def test_lines_out_of_order_come_out_sorted_by_time(tmp_path: Path) -> None:
    times, values = channel(one(tmp_path, "05:00,HR,85", "01:00,HR,81", "03:00,HR,83"), "HR")
    assert times.tolist() == [1, 3, 5]
    assert values.tolist() == [81, 83, 85]


def test_48_00_is_outside_and_47_59_inside(tmp_path: Path) -> None:
    cohort = one(tmp_path, "47:59,HR,80", "48:00,HR,90", "48:00,Weight,81")
    assert channel(cohort, "HR")[1].tolist() == [80]
    assert cohort.modalities["vitals"].observed[0, 47].any()
    assert cohort.counts["lines at 48:00 or later, outside the window"].number == 2


def test_of_a_time_and_variable_said_twice_the_last_line_wins(tmp_path: Path) -> None:
    cohort = one(tmp_path, "01:00,Urine,400", "01:00,Urine,0")
    assert channel(cohort, "Urine")[1].tolist() == [0]
    assert cohort.counts["lines repeating a time and variable, the last one kept"].number == 1


def test_an_implausible_repeat_does_not_win(tmp_path: Path) -> None:
    cohort = one(tmp_path, "01:00,Temp,37.1", "01:00,Temp,0")
    assert channel(cohort, "Temp")[1].tolist() == [np.float32(37.1)]
    assert "lines repeating a time and variable, the last one kept" not in cohort.counts


def test_without_cleaning_values_stay_as_typed(tmp_path: Path) -> None:
    cohort = one(tmp_path, "01:00,pH,735", "02:00,Temp,0", clean=False, height="5.1")
    assert channel(cohort, "pH")[1].tolist() == [735]
    assert channel(cohort, "Temp")[1].tolist() == [0]
    assert cohort.statics[0, 2] == np.float32(5.1)


def test_minus_one_is_a_missing_static_cleaned_or_not(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS)
    for clean in (True, False):
        cohort = prepare(tmp_path, clean=clean)
        assert cohort.static_names == ("age", "gender", "height", "weight", "icu_type")
        np.testing.assert_array_equal(cohort.statics[0], [60, 1, 170, 80, 3])
        np.testing.assert_array_equal(cohort.statics[1], [60, np.nan, np.nan, np.nan, 3])
        assert cohort.counts["Height: -1, not recorded"].number == 1


def test_the_weight_of_00_00_is_a_static_and_later_weights_are_a_series(tmp_path: Path) -> None:
    cohort = one(tmp_path, "00:01,Weight,82", "09:00,Weight,83", weight="80")
    times, values = channel(cohort, "Weight")
    assert cohort.statics[0, 3] == 80
    assert times.tolist() == [np.float32(1 / 60), 9]
    assert values.tolist() == [82, 83]


def test_a_descriptor_after_00_00_is_left_out_and_counted(tmp_path: Path) -> None:
    cohort = one(tmp_path, "05:00,Age,61")
    assert cohort.statics[0, 0] == 60
    assert cohort.counts["descriptors after 00:00, left out"].number == 1


def test_a_record_without_any_series_is_kept(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS)
    cohort = prepare(tmp_path)
    assert cohort.ids[2] == "13"
    assert not any(series.available[2] for series in cohort.modalities.values())
    assert cohort.counts["records without any series, kept"].number == 1


@pytest.mark.parametrize(
    ("days", "died", "ihm", "los"),
    [
        (2, 0, 0, 1),
        (4, 0, 0, 1),
        (5, 0, 0, 0),
        (3, 1, 1, 0),
        (-1, 1, 1, 0),
        (-1, 0, 0, np.nan),
        (1, 0, 0, np.nan),
        (3, -1, np.nan, np.nan),
    ],
)
def test_targets_follow_the_outcomes(tmp_path: Path, days: int, died: int, ihm: float, los: float) -> None:
    write_set(tmp_path, {"11": STAYS["11"]}, results={"11": (days, died)})
    cohort = prepare(tmp_path)
    np.testing.assert_array_equal(cohort.targets["ihm"], np.array([ihm], np.float32))
    np.testing.assert_array_equal(cohort.targets["los"], np.array([los], np.float32))
    assert numbers(cohort).get("task los: outcome unknown, left out", 0) == np.isnan(los)


def test_every_line_is_kept_or_counted(tmp_path: Path) -> None:
    stays = {
        **STAYS,
        "14": record(14, "oops", "01:00,HR,x", "1:00,HR,80", "02:00,Hair,3", "03:00,HR,0", "48:00,HR,80", "04:00,K,4"),
    }
    write_set(tmp_path, stays)
    assert unaccounted(prepare(tmp_path)) == 0


def test_shapes_types_and_groups_are_those_of_the_contract(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS)
    cohort = prepare(tmp_path)
    assert cohort.groups.tolist() == cohort.ids.tolist()
    assert {name: series.grid.shape for name, series in cohort.modalities.items()} == {
        "vitals": (3, 48, 10),
        "labs": (3, 48, 19),
        "respiratory": (3, 48, 6),
        "fluids": (3, 48, 2),
    }
    for series in cohort.modalities.values():
        assert series.grid.dtype == series.events.times.dtype == series.events.values.dtype == np.float32
        assert series.events.offsets.dtype == np.int64
        assert len(series.units) == len(series.channels) == series.grid.shape[2]
        np.testing.assert_array_equal(series.available, series.observed.any(axis=(1, 2)))
        assert not series.filled.any()
    assert cohort.statics.dtype == cohort.targets["los"].dtype == np.float32
