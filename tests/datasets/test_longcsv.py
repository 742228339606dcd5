"""`longcsv`: tables of one's own as a cohort. Every row is kept or counted by a reason, and the
order of rows decides nothing.
"""

from __future__ import annotations

import gzip
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import testing
from bench.cohort import Cohort
from bench.errors import DataError
from bench.registry import discover
from support.counting import numbers
from support.long_tables import LABELS, MAPPING, MEASUREMENTS, prepare, write


def grid(cohort: Cohort, record: str, channel: str) -> list[float | None]:
    """The grid of a channel of a record."""
    for series in cohort.modalities.values():
        if channel in series.channels:
            values = series.grid[cohort.ids.tolist().index(record), :, series.channels.index(channel)]
            return [None if np.isnan(value) else round(float(value), 3) for value in values]
    raise KeyError(channel)


def test_a_table_becomes_the_cohort_that_one_reads_in_it(tmp_path: Path) -> None:
    cohort = prepare(write(tmp_path))
    assert cohort.ids.tolist() == ["a", "b"], "c has no measurement"
    assert cohort.groups.tolist() == ["1", "1"]
    assert {name: series.channels for name, series in cohort.modalities.items()} == {
        "vitals": ("pulse", "spo2"),
        "labs": ("lactate",),
    }
    assert cohort.modalities["vitals"].units == ("bpm", "%")
    assert grid(cohort, "a", "pulse") == [80, None, None, None], "the last of a bin"
    assert grid(cohort, "a", "lactate") == [None, None, None, 2.5]
    assert grid(cohort, "b", "pulse") == [None, 90, None, None]
    vitals = cohort.modalities["vitals"].events
    assert vitals.times.tolist() == [np.float32(0.2), 0.5, 1]
    np.testing.assert_array_equal(vitals.values, np.array([[70, np.nan], [80, np.nan], [90, 97]], np.float32))
    np.testing.assert_array_equal(cohort.statics, np.array([[70], [np.nan]], np.float32))
    np.testing.assert_array_equal(cohort.targets["died"], [0, 1])
    np.testing.assert_array_equal(cohort.targets["to"], [0, 1])
    np.testing.assert_array_equal(cohort.targets["days"], [2.5, np.nan])
    assert cohort.columns["ward"].tolist() == ["N", "S"]
    assert cohort.modalities["labs"].available.tolist() == [True, False]


def test_it_keeps_the_contract_of_datasets(tmp_path: Path) -> None:
    report = testing.check("longcsv", kind="dataset", data_root=write(tmp_path))
    assert report.ok, report.to_text()


ODD = {
    ",1,pulse,80": "rows without an id, skipped",
    "a,1,,5": "rows without a variable, skipped",
    "a,1,weight,70": "rows of variables that are not in the mapping, left out",
    "x,1,pulse,80": "rows of ids without labels, left out",
    "a,,pulse,80": "rows without a time that can be read, skipped",
    "a,noon,pulse,80": "rows without a time that can be read, skipped",
    "a,inf,pulse,80": "rows without a time that can be read, skipped",
    "a,1,pulse,high": "rows with a value that is not a number, skipped",
    "a,1,pulse,": "rows without a value, left out",
    "a,1,pulse,NaN": "rows without a value, left out",
    "a,1,lactate,1e39": "rows with a value that is infinite or too large, skipped",
    "a,-0.1,pulse,80": "rows before time 0, left out",
    "a,4,pulse,80": "rows after the last bin of the grid, left out",
    "a,0.5,pulse,81": "rows repeating a time and variable, one kept",
}


@pytest.mark.parametrize("row", ODD)
def test_what_is_not_in_the_cohort_is_counted_by_its_reason(tmp_path: Path, row: str) -> None:
    cohort = prepare(write(tmp_path, measurements=f"{MEASUREMENTS}{row}\n"))
    counted = numbers(cohort)
    assert counted[f"measurements: {ODD[row]}"] == 1
    assert (counted["measurements: rows"], counted["measurements: rows kept"]) == (6, 5)
    assert grid(cohort, "a", "pulse") == [80, None, None, None], "of two values at one time the smaller"


def test_values_outside_the_bounds_are_counted_by_variable_and_the_ends_are_inside(tmp_path: Path) -> None:
    rows = "".join(f"b,{hour},pulse,{value}\n" for hour, value in ((0, 19.9), (0.1, 20), (2, 300), (2.5, 300.1)))
    cohort = prepare(write(tmp_path, measurements=f"{MEASUREMENTS}{rows}b,3,spo2,-5\nb,3.5,spo2,101\n"))
    counted = numbers(cohort)
    assert counted["pulse: outside 20 to 300, removed"] == 2
    assert counted["spo2: outside 100 and below, removed"] == 1
    assert grid(cohort, "b", "pulse") == [20, 90, 300, None]
    assert grid(cohort, "b", "spo2") == [None, 97, None, -5]


FIELD = {
    "id": st.sampled_from(["a", "b", "c", "x", ""]),
    "time": st.sampled_from(["0", "-0.0", "1", "1.5", "3.9999999999", "4", "-1", "", "noon", "1e400", "nan"]),
    "variable": st.sampled_from(["pulse", "spo2", "lactate", "weight", "", "Pulse"]),
    "value": st.sampled_from(["80", "5", "1e39", "-1e39", "inf", "", "NA", "high", "99.5", "0"]),
}
ROW = st.tuples(*FIELD.values()).map(",".join)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(ROW, max_size=30), order=st.randoms(use_true_random=False))
def test_every_row_is_kept_or_counted_once_and_their_order_decides_nothing(rows: list[str], order: object) -> None:
    with tempfile.TemporaryDirectory() as name:
        text = [f"{MEASUREMENTS}{''.join(row + chr(10) for row in rows)}"]
        head, *body = text[0].splitlines()
        order.shuffle(body)  # type: ignore[attr-defined]
        one, other = (
            prepare(write(Path(name) / each, measurements="\n".join(lines) + "\n"))
            for each, lines in (("one", text[0].splitlines()), ("other", [head, *body]))
        )
    counted = numbers(one)
    of_rows = {
        what: number
        for what, number in counted.items()
        if what.startswith("measurements: rows ") or ": outside" in what
    }
    assert sum(of_rows.values()) == counted["measurements: rows"] == len(rows) + 5
    values = sum(int((~np.isnan(series.events.values)).sum()) for series in one.modalities.values())
    assert values == counted["measurements: rows kept"]
    of_labels = ("labels: records kept", "labels: records without a measurement that is kept, left out")
    assert sum(counted.get(what, 0) for what in of_labels) == counted["labels: rows"] == 3
    assert counted == numbers(other)
    assert one.ids.tolist() == other.ids.tolist()
    for name, series in one.modalities.items():
        np.testing.assert_array_equal(series.grid, other.modalities[name].grid)
        np.testing.assert_array_equal(series.events.values, other.modalities[name].events.values)


def test_labels_without_an_id_and_those_that_repeat_another_are_counted(tmp_path: Path) -> None:
    labels = f"{LABELS}{LABELS.splitlines()[1]}\n,9,20,N,0,home,1\n"
    counted = numbers(prepare(write(tmp_path, labels=labels)))
    assert counted["labels: rows"] == 5
    assert counted["labels: rows without an id, skipped"] == 1
    assert counted["labels: rows that repeat another, one kept"] == 1
    assert counted["labels: records without a measurement that is kept, left out"] == 1
    assert counted["labels: records kept"] == 2


def same(one: Cohort, other: Cohort) -> None:
    assert one.ids.tolist() == other.ids.tolist()
    assert numbers(one) == numbers(other)
    for name, series in one.modalities.items():
        np.testing.assert_array_equal(series.grid, other.modalities[name].grid)
    for name, target in one.targets.items():
        np.testing.assert_array_equal(target, other.targets[name])
    np.testing.assert_array_equal(one.statics, other.statics)


def test_parquet_and_packed_csv_say_the_same_as_csv(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    measurements = f"{MEASUREMENTS}a,1,weight,70\nx,1,pulse,80\n,1,pulse,1\na,,pulse,3\na,3.5,pulse,\n"
    plain = prepare(write(tmp_path / "csv", measurements=measurements))
    mapping = MAPPING.replace("[labels]", '[measurements]\nfile = "m.parquet"\n[labels]\nfile = "l.parquet"')
    parquet = write(tmp_path / "parquet", mapping)
    pd.read_csv(tmp_path / "csv" / "measurements.csv").to_parquet(parquet / "m.parquet")
    pd.read_csv(tmp_path / "csv" / "labels.csv").to_parquet(parquet / "l.parquet")
    same(plain, prepare(parquet))
    packed = write(tmp_path / "gz", f'[measurements]\nfile = "m.csv.gz"\n{MAPPING}')
    (packed / "m.csv.gz").write_bytes(gzip.compress(measurements.encode()))
    same(plain, prepare(packed))


def test_times_are_in_the_unit_of_the_grid(tmp_path: Path) -> None:
    hours = prepare(write(tmp_path / "hours"))
    for unit, per_hour in (("minutes", 60), ("seconds", 3600), ("days", 1 / 24)):
        head, *rows = [line.split(",") for line in MEASUREMENTS.splitlines()]
        scaled = [[id_, repr(float(time) * per_hour), *rest] for id_, time, *rest in rows]
        mapping = MAPPING.replace("length = 4", f'length = 4\nstep = {per_hour!r}\nunit = "{unit}"')
        folder = write(tmp_path / unit, mapping, "\n".join(map(",".join, [head, *scaled])))
        other = prepare(folder)
        same(hours, other)
        assert other.bin_hours == pytest.approx(1)


def dated(text: str, of_label: bool) -> str:
    """A table with dates and times in place of hours since the start of a record: a on 1 May at
    noon, b a year later.
    """
    starts = {"a": datetime(2024, 5, 1, 12), "b": datetime(2025, 5, 1, 0, 30), "c": datetime(2024, 1, 1)}
    head, *rows = [line.split(",") for line in text.splitlines()]
    if of_label:
        rows = [[*row, starts[row[0]].isoformat(" ")] for row in rows]
        head = [*head, "admitted"]
    else:
        rows = [[row[0], (starts[row[0]] + timedelta(hours=float(row[1]))).isoformat(), *row[2:]] for row in rows]
    return "\n".join(map(",".join, [head, *rows])) + "\n"


def test_times_may_be_dates_where_the_labels_say_when_a_record_starts(tmp_path: Path) -> None:
    mapping = MAPPING.replace("[labels]", '[labels]\nstart = "admitted"')
    measurements, labels = dated(MEASUREMENTS, False), dated(LABELS, True)
    same(prepare(write(tmp_path / "hours")), prepare(write(tmp_path / "dates", mapping, measurements, labels)))
    odd = f"{measurements}a,yesterday,pulse,80\na,2024-04-30T12:00,pulse,80\nx,2024-05-01,pulse,80\n"
    counted = numbers(prepare(write(tmp_path / "odd", mapping, odd, labels)))
    assert counted["measurements: rows without a time that can be read, skipped"] == 1
    assert counted["measurements: rows before time 0, left out"] == 1
    assert counted["measurements: rows of ids without labels, left out"] == 1
    with pytest.raises(
        DataError, match=r"labels.csv, line 2: admitted = 'May' is not accepted; give a date and time, such"
    ):
        prepare(write(tmp_path / "label", mapping, measurements, labels.replace("2024-05-01 12:00:00", "May")))
    pytest.importorskip("pyarrow")
    parquet = mapping.replace("[labels]", '[measurements]\nfile = "m.parquet"\n[labels]')
    folder = write(tmp_path / "parquet", parquet, labels=labels)
    frame = pd.read_csv(tmp_path / "dates" / "measurements.csv", parse_dates=["time"])
    frame.to_parquet(folder / "m.parquet")
    same(prepare(tmp_path / "dates"), prepare(folder))


def test_the_files_say_which_tasks_modalities_and_columns_there_are(tmp_path: Path) -> None:
    registry = discover()
    spec = registry.get("dataset", "longcsv")
    assert not spec.tasks
    seen = registry.look_into(spec, write(tmp_path), spec.parameters({}))
    assert {name: (task.kind, task.outputs) for name, task in seen.tasks.items()} == {
        "died": ("binary", 1),
        "to": ("multiclass", 2),
        "days": ("regression", 1),
    }
    assert (seen.modalities, seen.columns) == (("vitals", "labs"), ("ward",))
    assert registry.get("dataset", "longcsv") is seen
