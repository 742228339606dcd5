"""Prepared embeddings of X-rays and ECGs: the documented Parquet form, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError
from support.counting import numbers
from support.mimic4_tables import START, one_stay, prepare, told


def write(path: Path, rows: Sequence[tuple[int, float, object]], by: str = "stay_id", **other: object) -> None:
    """rows: id, hours since ICU admission, embedding."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        by: pa.array([row[0] for row in rows], pa.int64()),
        "charttime": pa.array([np.datetime64(START) + np.timedelta64(int(row[1] * 3600), "s") for row in rows]),
        "embedding": pa.array([row[2] for row in rows], pa.list_(pa.float32())),
    }
    columns = {name: column for name, column in columns.items() if name not in other} | {
        name: column for name, column in other.items() if column is not None
    }
    pq.write_table(pa.table(columns), path)


def two_stays(root: Path) -> Path:
    tables = one_stay(60)
    tables.stay(101, 60, start=START.replace(day=20))
    tables.chart(101, 1, "Heart Rate", 90, START.replace(day=20))
    return tables.write(root)


def test_vectors_become_events_and_hourly_bins_of_their_stay(tmp_path: Path) -> None:
    two_stays(tmp_path)
    write(tmp_path / "cxr.parquet", [(100, 5.5, [1, 2, 3]), (100, 2, [4, 5, 6]), (100, 2.5, [7, 8, 9])])
    series = prepare(tmp_path).modalities["cxr"]
    assert series.channels == ("cxr_0", "cxr_1", "cxr_2")
    assert series.events.times.tolist() == [2, 2.5, 5.5]
    assert series.events.values.tolist() == [[4, 5, 6], [7, 8, 9], [1, 2, 3]]
    assert np.flatnonzero(series.observed[0, :, 0]).tolist() == [2, 5]
    assert series.grid[0, 2].tolist() == [7, 8, 9]
    assert series.available.tolist() == [True, False]


def test_vectors_named_by_patient_belong_to_the_stay_under_way(tmp_path: Path) -> None:
    two_stays(tmp_path)
    write(tmp_path / "ecg.parquet", [(1, 3, [1.5]), (1, 19 * 24 + 4, [2.5]), (1, 100, [9]), (2, 3, [9])], "subject_id")
    cohort = prepare(tmp_path)
    assert cohort.modalities["ecg"].events.values.tolist() == [[1.5], [2.5]]
    assert cohort.modalities["ecg"].events.offsets.tolist() == [0, 1, 2]
    assert cohort.counts["ecg: vectors of no stay or outside the window, left out"].number == 2


def test_vectors_outside_the_window_or_not_finite_are_left_out_and_counted(tmp_path: Path) -> None:
    two_stays(tmp_path)
    rows = [
        (100, -1, [1, 1]),
        (100, 48, [1, 1]),
        (100, 3, [1, float("nan")]),
        (100, 4, [1, float("inf")]),
        (100, 5, [1, 2]),
    ]
    write(tmp_path / "cxr.parquet", rows)
    cohort = prepare(tmp_path)
    assert cohort.modalities["cxr"].events.values.tolist() == [[1, 2]]
    assert cohort.counts["cxr: vectors in the file"].number == 5
    assert cohort.counts["cxr: vectors of no stay or outside the window, left out"].number == 2
    assert cohort.counts["cxr: vectors with a number that is not finite, left out"].number == 2
    assert cohort.counts["cxr: vectors kept"].number == 1


def test_an_empty_file_is_counted_and_the_modality_unavailable(tmp_path: Path) -> None:
    two_stays(tmp_path)
    write(tmp_path / "cxr.parquet", [])
    cohort = prepare(tmp_path)
    assert cohort.counts["cxr: file empty, modality unavailable"].number == 1
    assert not cohort.modalities["cxr"].available.any()


USELESS = [
    (2, float("nan"), "every vector of a stay in the window has a number that is not finite, modality unavailable"),
    (90, 1.0, "no vector of a stay in the window, modality unavailable"),
]


@pytest.mark.parametrize(("hours", "value", "why"), USELESS)
def test_a_file_of_which_no_vector_can_be_used_is_warned_of_and_the_modality_unavailable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, hours: float, value: float, why: str
) -> None:
    two_stays(tmp_path)
    write(tmp_path / "cxr.parquet", [(100, hours, [value, 1])] * 2)
    cohort = prepare(tmp_path)
    assert cohort.counts[f"cxr: {why}"].number == 1
    assert not cohort.modalities["cxr"].available.any()
    assert len(told(caplog.messages, "cxr")) == 1
    assert why in told(caplog.messages, "cxr")[0]


def test_a_file_elsewhere_is_named_by_its_parameter(tmp_path: Path) -> None:
    two_stays(tmp_path / "mimic")
    write(tmp_path / "mine.parquet", [(100, 5, [1])])
    assert prepare(tmp_path / "mimic", cxr="../mine.parquet").modalities["cxr"].available.tolist() == [True, False]
    assert prepare(tmp_path / "mimic", ecg=str(tmp_path / "mine.parquet")).modalities["ecg"].available.tolist()[0]
    with pytest.raises(DataError, match=r'data.cxr = "absent.parquet" is not a file'):
        prepare(tmp_path / "mimic", cxr="absent.parquet")


BAD = [
    ([(100, 1, [1]), (100, 2, [1, 2])], {}, "1 to 2 numbers"),
    ([(100, 1, None)], {}, "missing"),
    ([(100, 1, [])], {}, "0 to 0"),
    ([(100, 1, [1])], {"charttime": None}, "lacks the column charttime"),
    ([(100, 1, [1])], {"stay_id": None}, "lacks the column subject_id"),
    ([(100, 1, [1])], {"embedding": ["text"]}, "embedding is VARCHAR"),
]


@pytest.mark.parametrize(("rows", "other", "words"), BAD)
def test_a_file_of_another_form_is_refused_with_what_is_needed(
    tmp_path: Path, rows: list, other: dict, words: str
) -> None:
    two_stays(tmp_path)
    write(tmp_path / "cxr.parquet", rows, **other)
    with pytest.raises(DataError, match=words) as caught:
        prepare(tmp_path)
    assert "cxr.parquet" in str(caught.value)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    two_stays(tmp_path)
    (tmp_path / "ecg.parquet").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=r"ecg.parquet cannot be read"):
        prepare(tmp_path)


def test_every_vector_is_kept_or_counted(tmp_path: Path) -> None:
    import pyarrow as pa

    tables = one_stay(60)
    tables.stay(101, 60)  # of the same patient at the same time: a vector of the patient belongs to both
    tables.chart(101, 1, "Heart Rate", 90)
    tables.write(tmp_path)
    vectors = [(1, 2, [1.0]), (1, 3, [float("nan")]), (1, 70, [2.0]), (2, 3, [3.0]), (None, 3, [4.0])]
    write(tmp_path / "ecg.parquet", vectors, "subject_id", subject_id=pa.array([1.0, 1.0, 1.0, 2.0, None]))
    counts = numbers(prepare(tmp_path))
    told = {name.removeprefix("ecg: "): count for name, count in counts.items() if name.startswith("ecg: vectors")}
    assert told == {
        "vectors in the file": 5,
        "vectors of a further stay, counted for each": 2,
        "vectors of no stay or outside the window, left out": 2,
        "vectors without a readable subject_id or charttime, skipped": 1,
        "vectors with a number that is not finite, left out": 2,
        "vectors kept": 2,
    }
    assert told["vectors in the file"] + told["vectors of a further stay, counted for each"] == sum(
        count for name, count in told.items() if name.endswith(("left out", "skipped", "vectors kept"))
    )


def test_the_order_of_the_rows_changes_nothing(tmp_path: Path) -> None:
    two_stays(tmp_path)
    vectors = [(100, 2, [1, 5]), (100, 2, [2, 4]), (100, 2, [2, 3]), (101, 3, [7, 8])]
    write(tmp_path / "cxr.parquet", vectors)
    first = prepare(tmp_path).modalities["cxr"]
    write(tmp_path / "cxr.parquet", vectors[::-1])
    again = prepare(tmp_path).modalities["cxr"]
    assert np.array_equal(first.grid, again.grid, equal_nan=True)
    assert np.array_equal(first.events.values, again.events.values)


def test_times_of_a_zone_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa

    two_stays(tmp_path)
    when = pa.array([np.datetime64(START)] * 1).cast(pa.timestamp("us", "Europe/Berlin"))
    write(tmp_path / "cxr.parquet", [(100, 2, [1, 2])], charttime=when)
    with pytest.raises(DataError, match="moments in the time zone Europe/Berlin"):
        prepare(tmp_path)
