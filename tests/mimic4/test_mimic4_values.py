"""The 30 variables: window, maps, conversion, merging; and the two forms of a series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort
from bench.data.splits import split
from bench_datasets.mimic4.table import VARIABLES
from support.counting import numbers
from support.mimic4_tables import ITEMS, LAYOUTS, START, Tables, one_stay, prepare, values_of, vitals, ward


@pytest.mark.parametrize("hours", [-0.5, 48, 60])
def test_events_outside_the_window_leave_both_forms_and_are_counted(tmp_path: Path, hours: float) -> None:
    cohort = vitals((hours, "Heart Rate", 99), (47.9, "Heart Rate", 70))(tmp_path)
    assert values_of(cohort, "Heart Rate") == [(1, 80), (47.9, 70)]
    assert int(cohort.modalities["vitals"].observed.sum()) == 2
    assert sum(count for name, count in numbers(cohort).items() if "outside the window" in name) == 1


def test_an_event_at_the_very_admission_is_inside(tmp_path: Path) -> None:
    assert values_of(vitals((0, "Heart Rate", 66))(tmp_path), "Heart Rate")[0] == (0, 66)


def test_a_shorter_window_has_fewer_bins(tmp_path: Path) -> None:
    cohort = vitals((23.5, "Heart Rate", 70), (24, "Heart Rate", 71), window_hours=24)(tmp_path)
    assert values_of(cohort, "Heart Rate") == [(1, 80), (23.5, 70)]
    assert {series.grid.shape[1] for series in cohort.modalities.values()} == {24}


def test_a_later_row_of_the_same_hour_never_overwrites_what_it_lacks(tmp_path: Path) -> None:
    cohort = vitals((1.2, "Respiratory Rate", 18), (1.9, "O2 saturation pulseoxymetry", 97))(tmp_path)
    series = cohort.modalities["vitals"]
    hour = {name: series.grid[0, 1, i] for i, name in enumerate(series.channels) if series.observed[0, 1, i]}
    assert hour == {"Heart Rate": 80, "Respiratory Rate": 18, "O2 Saturation": 97}


def test_an_hour_without_any_event_breaks_nothing_and_zero_is_a_value(tmp_path: Path) -> None:
    cohort = vitals((0.5, "WBC", 0), (5, "WBC", 7))(tmp_path)
    series = cohort.modalities["vitals"]
    column = series.channels.index("WBC")
    assert series.grid[0, 0, column] == 0
    assert np.flatnonzero(series.observed[0, :, column]).tolist() == [0, 5]


def test_the_label_listed_first_wins_and_the_smallest_value_within_a_label(tmp_path: Path) -> None:
    cohort = vitals(
        (2, "Glucose (whole blood)", 100),
        (2, "Glucose (serum)", 151),
        (2, "Glucose (serum)", 150),
        (3, "Glucose (whole blood)", 210),
    )(tmp_path)
    assert values_of(cohort, "Glucose") == [(2, 150), (3, 210)]
    assert cohort.counts["icu/chartevents: values repeating a time and variable, one kept"].number == 2


def test_a_value_out_of_range_gives_way_to_the_next_label(tmp_path: Path) -> None:
    cohort = vitals((2, "Glucose (serum)", 999_999), (2, "Glucose (whole blood)", 150))(tmp_path)
    assert values_of(cohort, "Glucose") == [(2, 150)]
    assert cohort.counts["Glucose: outside 10 to 2000, removed"].number == 1


CLEANING = [
    ("Temperature Fahrenheit", 98.6, "Temperature", 37.0, None),
    ("Temperature Fahrenheit", 113, "Temperature", 45.0, None),
    ("Temperature Celsius", 37, "Temperature", 37.0, 37.0),
    ("Temperature Celsius", 98.6, "Temperature", None, 98.6),
    ("Inspired O2 Fraction", 0.5, "Inspired O2 Fraction", 50.0, 0.5),
    ("Inspired O2 Fraction", 1, "Inspired O2 Fraction", 100.0, 1.0),
    ("Inspired O2 Fraction", 60, "Inspired O2 Fraction", 60.0, 60.0),
    ("Inspired O2 Fraction", 0.1, "Inspired O2 Fraction", None, 0.1),
    ("PH (dipstick)", 6.5, "PH", None, 6.5),
    ("PH (Venous)", 7.3, "PH", 7.3, 7.3),
    ("Ionized Calcium", 1.1, "Calcium", None, 1.1),
    ("Calcium non-ionized", 8.5, "Calcium", 8.5, 8.5),
    ("Heart Rate", 300, "Heart Rate", 300.0, 300.0),
    ("Heart Rate", 301, "Heart Rate", None, 301.0),
    ("Anion gap", -3, "Anion gap", -3.0, -3.0),
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, Cohort]:
    """The rows of CLEANING, each in an hour of its own from hour 4 on, through both maps."""
    pytest.importorskip("duckdb")
    tables = one_stay()
    for place, (label, typed, *_) in enumerate(CLEANING):
        tables.chart(100, 4 + place, label, typed)
    root = tables.write(tmp_path_factory.mktemp("maps"))
    return prepare(root), prepare(root, variables="v30-reference")


@pytest.mark.parametrize("place", range(len(CLEANING)), ids=[f"{row[0]} {row[1]}" for row in CLEANING])
def test_the_clean_map_converts_and_removes_and_the_reference_map_keeps_what_was_typed(
    both: tuple[Cohort, Cohort], place: int
) -> None:
    _, _, variable, *expected = CLEANING[place]
    for cohort, value in zip(both, expected, strict=True):
        found = [v for time, v in values_of(cohort, str(variable)) if time == 4 + place]
        assert found == ([] if value is None else [pytest.approx(value, rel=1e-6)])


def test_variables_are_found_by_their_label_not_by_the_usual_item(tmp_path: Path) -> None:
    tables = one_stay()
    tables.chart(100, 2, "BUN", 20)
    tables.add("icu/chartevents", 1, 10, 100, 7, "2150-01-01 09:00:00", None, 227443, 25, 25, "mEq/L", 0)
    for row in tables.rows["icu/d_items"]:
        if row[1] == "HCO3 (serum)":
            row[0] = 888
    cohort = prepare(tables.write(tmp_path))
    assert values_of(cohort, "Urea Nitrogen") == [(2, 20)]
    assert values_of(cohort, "Bicarbonate") == []


def test_rows_of_other_items_and_of_no_number_do_not_enter(tmp_path: Path) -> None:
    tables = one_stay()
    tables.add(
        "icu/chartevents", 1, 10, 100, 7, "2150-01-01 09:00:00", None, 223951, "Normal <3 Seconds", None, None, 0
    )
    tables.add("icu/chartevents", 1, 10, 100, 7, "2150-01-01 09:00:00", None, ITEMS["WBC"], "ERROR", None, None, 0)
    cohort = prepare(tables.write(tmp_path))
    assert int(cohort.modalities["vitals"].observed.sum()) == 1
    assert cohort.counts["icu/chartevents: rows without a number, left out"].number == 1


def test_stays_without_a_value_in_the_window_are_left_out_and_counted(tmp_path: Path) -> None:
    tables = one_stay()
    tables.stay(101, 200)
    tables.chart(101, 60, "Heart Rate", 80)
    tables.stay(102, 200)
    cohort = prepare(tables.write(tmp_path))
    assert cohort.ids.tolist() == ["100"]
    assert cohort.counts["icu/icustays: stays without a value in the window, left out"].number == 2


def test_records_are_sorted_by_stay_id_as_a_number(tmp_path: Path) -> None:
    tables = one_stay()
    for stay in (9, 1000):
        tables.stay(stay, 50)
        tables.chart(stay, 1, "Heart Rate", stay % 100 + 60)
    cohort = prepare(tables.write(tmp_path))
    assert cohort.ids.tolist() == ["9", "100", "1000"]
    assert [values_of(cohort, "Heart Rate", i)[0][1] for i in range(3)] == [69, 80, 60]


def equal(first: Cohort, second: Cohort) -> None:
    """The two cohorts are the same, bit by bit."""
    assert first.ids.tolist() == second.ids.tolist()
    assert first.counts == second.counts
    for name, series in first.modalities.items():
        other = second.modalities[name]
        assert series.channels == other.channels
        np.testing.assert_array_equal(series.grid, other.grid)
        np.testing.assert_array_equal(series.events.values, other.events.values)
        np.testing.assert_array_equal(series.events.times, other.events.times)
    for name, target in first.targets.items():
        np.testing.assert_array_equal(target, second.targets[name])
    np.testing.assert_array_equal(first.statics, second.statics)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_releases_and_both_suffixes_give_the_same_cohort(tmp_path: Path, layout: str, suffix: str) -> None:
    tables = ward()
    tables.chart(5003, 7, "Glucose (serum)", 150)
    tables.chart(5003, 7, "Glucose (serum)", 151)
    equal(prepare(tables.write(tmp_path / "published")), prepare(tables.write(tmp_path / "other", layout, suffix)))


def test_the_order_of_stays_in_the_files_changes_nothing(tmp_path: Path) -> None:
    tables = ward()
    first = prepare(tables.write(tmp_path / "first"))
    for name in ("icu/icustays", "hosp/admissions", "hosp/patients", "hosp/diagnoses_icd", "icu/chartevents"):
        tables.rows[name].reverse()
    equal(first, prepare(tables.write(tmp_path / "second")))


def test_no_patient_stands_on_two_sides_of_the_split(tmp_path: Path) -> None:
    tables = ward(20)
    for i in range(20):  # a second stay of each patient, in another admission
        tables.admission(2000 + i, i, 0)
        tables.stay(7000 + i, 50, i, 2000 + i)
        tables.chart(7000 + i, 1, "Heart Rate", 80)
    cohort = prepare(tables.write(tmp_path))
    parts = split(cohort.groups, seed=0)
    assert len(cohort) == 40
    assert set(parts.tolist()) == {0, 1, 2}
    for group in set(cohort.groups):
        assert len(set(parts[cohort.groups == group].tolist())) == 1


times = st.integers(-120, 49 * 60)
readings = st.lists(st.tuples(times, st.sampled_from(["Heart Rate", "WBC", "BUN"]), st.integers(1, 290)), max_size=30)


@settings(max_examples=6, deadline=None)
@given(readings)
def test_every_row_of_a_variable_is_kept_or_counted(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    tables = one_stay()
    for minutes, label, value in rows:
        tables.chart(100, minutes / 60, label, value)
    cohort = prepare(tables.write(tmp_path_factory.mktemp("law")))
    counts = numbers(cohort)
    left = sum(
        count
        for name, count in numbers(cohort, "left_out", "unusable").items()
        if name.startswith(("icu/chartevents", *(variable.name for variable in VARIABLES)))
    )
    series = cohort.modalities["vitals"]
    kept = int((~np.isnan(series.events.values)).sum())
    assert counts["icu/chartevents: values kept"] == kept
    assert counts["icu/chartevents: rows of the variables"] == len(rows) + 1 == kept + left
    expected = {int(minutes // 60) for minutes, _, _ in rows if 0 <= minutes < 48 * 60} | {1}
    found = set(np.flatnonzero(series.observed[0].any(axis=1)).tolist())
    assert found <= expected


def test_an_empty_field_is_nothing_and_a_stay_of_another_year_works(tmp_path: Path) -> None:
    tables = Tables()
    tables.patient(1)
    tables.admission(10, 1)
    start = START.replace(year=2199, month=2, day=28)
    tables.stay(100, 72, start=start)
    tables.chart(100, 30, "Heart Rate", 80, start)
    assert values_of(prepare(tables.write(tmp_path)), "Heart Rate") == [(30, 80)]
