"""`meds`: events of the Medical Event Data Standard as a cohort. Every row is kept or counted by a
reason; neither the order of rows nor how they lie in shards decides anything.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import testing
from bench.cohort import Cohort
from bench.errors import DataError
from bench_datasets.meds.events import has
from support.counting import numbers
from support.meds_files import EVENTS, MAPPING, PARTS, Row, prepare, write
from support.pages import page

ADMITTED = ["1 2024-05-01T12:00:00", "1 2024-05-05T16:00:00", "2 2024-05-01T12:00:00"]


def test_events_become_the_cohort_that_one_reads_in_them(tmp_path: Path) -> None:
    cohort = prepare(write(tmp_path / "x"))
    assert cohort.ids.tolist() == ADMITTED
    assert cohort.groups.tolist() == ["1", "1", "2"]
    vitals, labs = cohort.modalities["vitals"], cohort.modalities["labs"]
    assert (vitals.channels, labs.channels, vitals.units) == (("pulse",), ("lactate",), ("bpm",))
    np.testing.assert_array_equal(vitals.events.times, np.array([0.5, 0.75, 1, 1], np.float32))
    assert vitals.events.values[:, 0].tolist() == [70, 80, 90, 100], "of two codes at one time the one listed first"
    np.testing.assert_array_equal(labs.grid[0, :, 0], np.array([np.nan, np.nan, np.nan, 2.5], np.float32))
    np.testing.assert_allclose(cohort.statics, [[50, 1], [50 + 100 / 8766, 1], [np.nan, 0]], rtol=1e-6)
    assert cohort.static_names == ("age", "male")
    np.testing.assert_array_equal(cohort.targets["died"], [0, 1, np.nan])
    assert cohort.columns["start"].tolist() == ["North", "South", "North"]
    assert cohort.splits["meds"].tolist() == [0, 0, 2]
    assert numbers(cohort) == {
        "rows": 22,
        "rows of other codes, not read": 2,
        "rows of records, outcomes and statics": 11,
        "records that start": 3,
        "codes: rows of subjects without a record that started, left out": 2,
        "codes: rows after the end of the record, left out": 1,
        "codes: rows repeating a time and variable, one kept": 1,
        "codes: rows kept": 5,
        "task died: the record ends before its grid, unknown": 1,
        "task died: positive": 1,
        "task died: records": 2,
        "vitals: records with an observation": 3,
        "labs: records with an observation": 1,
    }


def test_it_keeps_the_contract_of_datasets(tmp_path: Path) -> None:
    events = [*EVENTS, (3, 0, "ICU_ADMISSION", None)]
    report = testing.check("meds", kind="dataset", data_root=write(tmp_path / "x", events, shards=2))
    assert report.ok, report.to_text()


@pytest.mark.parametrize(
    ("code", "pattern", "holds"),
    [
        ("LAB//1//bpm", "LAB//1", True),
        ("LAB//1//bpm", "LAB//1//", True),
        ("LAB//1//bpm", "LAB//1//bpm", True),
        ("LAB//1", "LAB//1", True),
        ("LAB//12", "LAB//1", False),
        ("LAB", "LAB//1", False),
        ("MEDS_DEATH", "MEDS", False),
    ],
)
def test_a_code_goes_on_behind_two_slashes(code: str, pattern: str, holds: bool) -> None:
    assert has(code, [pattern]) == holds


OUTCOMES: dict[str, tuple[list[Row], float, str]] = {
    "after": ([(9, 5, "MEDS_DEATH", None), (9, 6, "HOSPITAL_DISCHARGE//X", None)], 1, "positive"),
    "never": ([(9, 6, "HOSPITAL_DISCHARGE//HOME", None)], 0, ""),
    "later": ([(9, 6, "HOSPITAL_DISCHARGE//HOME", None), (9, 7, "MEDS_DEATH", None)], 0, ""),
    "at once": ([(9, 6, "HOSPITAL_DISCHARGE//DIED", None)], 1, "positive"),
    "in the grid": ([(9, 3.9, "MEDS_DEATH", None), (9, 6, "HOSPITAL_DISCHARGE//X", None)], np.nan, "it occurs before the grid"),
    "no end": ([(9, 7, "MEDS_DEATH", None)], np.nan, "nothing says until when"),
    "over": ([(9, 2, "HOSPITAL_DISCHARGE//HOME", None)], np.nan, "what it is looked for until comes before the grid ends"),
}  # fmt: skip


@pytest.mark.parametrize("case", OUTCOMES)
def test_an_outcome_is_known_where_it_lies_behind_the_grid(tmp_path: Path, case: str) -> None:
    events, outcome, counted = OUTCOMES[case]
    stay: list[Row] = [(9, 0, "ICU_ADMISSION", None), (9, 1, "LAB//1", 70), (9, 5, "ICU_DISCHARGE", None)]
    cohort = prepare(write(tmp_path / "x", [*stay, *events], parts=None))
    np.testing.assert_array_equal(cohort.targets["died"], [outcome])
    assert not counted or any(what.startswith(f"task died: {counted}") for what in numbers(cohort))
    assert not cohort.splits


HOUR = st.one_of(st.none(), st.sampled_from([-5.0, 0.0, 0.5, 1.0, 3.99, 4.0, 5.0, 100.0, 101.0, 300.0]))
CODE = st.sampled_from(
    [
        "LAB//1",
        "LAB//2//x",
        "LAB//3//mmol/L",
        "LAB//4",
        "ICU_ADMISSION//A",
        "ICU_DISCHARGE",
        "MEDS_DEATH",
        "GENDER//M",
        None,
    ]
)
ROW = st.tuples(
    st.sampled_from([1, 2, 3, 4, None]), HOUR, CODE, st.sampled_from([None, 5.0, 70.0, 90.0, np.inf, np.nan])
)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(ROW, max_size=30), shards=st.integers(1, 3), order=st.integers(0, 9))
def test_every_row_is_kept_or_counted_once_and_neither_order_nor_shards_decide(
    rows: list[Row], shards: int, order: int
) -> None:
    events = [*EVENTS, *rows]
    with tempfile.TemporaryDirectory() as name:
        one = prepare(write(Path(name) / "one", events, parts=None))
        other = prepare(
            write(Path(name) / "other", Random(order).sample(events, len(events)), parts=None, shards=shards)
        )
    counted = numbers(one)
    of_rows = [what for what in counted if what.startswith(("rows ", "codes: rows ")) or ": outside" in what]
    assert sum(counted[what] for what in of_rows) == counted["rows"] == len(events)
    kept = sum(int((~np.isnan(series.events.values)).sum()) for series in one.modalities.values())
    assert kept == counted["codes: rows kept"]
    same(one, other)


def same(one: Cohort, other: Cohort) -> None:
    assert one.ids.tolist() == other.ids.tolist()
    assert numbers(one) == numbers(other)
    assert one.columns["start"].tolist() == other.columns["start"].tolist()
    np.testing.assert_array_equal(one.statics, other.statics)
    for name, target in one.targets.items():
        np.testing.assert_array_equal(target, other.targets[name])
    for name, series in one.modalities.items():
        np.testing.assert_array_equal(series.grid, other.modalities[name].grid)
        np.testing.assert_array_equal(series.events.values, other.modalities[name].events.values)


def test_the_data_may_lie_elsewhere(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    (tmp_path / "mine").mkdir()
    (data / "meds.toml").rename(tmp_path / "mine" / "meds.toml")
    path = tmp_path / "mine" / "meds.toml"
    path.write_text(f'folder = "../data"\n{path.read_text()}')
    same(prepare(path.parent), prepare(write(tmp_path / "again")))


REFUSED = {
    "no mapping": ({"mapping": None}, r"there is no meds.toml in .*; write one \(docs/reference/datasets/meds.md"),
    "key": ({"mapping": MAPPING.replace("start =", "begin =")}, r'key "records.begin" .*line 3\); .*accepted: records.end'),
    "codes": ({"mapping": MAPPING.replace('["LAB//3//mmol/L"]', "[]")}, r'"modalities.labs.lactate.codes" = \[\] is not'),
    "two": ({"mapping": MAPPING.replace("LAB//3//mmol/L", "LAB//1//bpm")}, r"the code 'LAB//1//bpm' is one of pulse and lactate"),
    "start": ({"mapping": MAPPING.replace("ICU_ADM", "IUC_ADM")}, r"no event has a start code of .*meds.toml \(IUC_ADMISSION\)"),
    "nothing": ({"mapping": MAPPING.replace('"LAB//1", "LAB//2"', '"HR"').replace("LAB//3", "K")}, r"no row of a record"),
    "part": ({"parts": {**PARTS, 3: "test"}}, r"subject_splits.parquet has the part 'test'; accepted: train, tuning, held_out"),
    "no part": ({"parts": {1: "train"}}, r"has no part for 1 subjects with a record; .*mend it, or move it away"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    changes, words = REFUSED[case]
    folder = write(tmp_path / "x", **{key: value for key, value in changes.items() if value is not None})
    if "mapping" in changes and changes["mapping"] is None:
        (folder / "meds.toml").unlink()
    with pytest.raises(DataError, match=words) as refused:
        prepare(folder)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_is_damaged_or_no_meds_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "x")
    shard = folder / "data" / "train" / "0.parquet"
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(DataError, match=r"0.parquet is no readable Parquet file .*; copy it again"):
        prepare(folder)
    shard.write_bytes((folder / "metadata" / "subject_splits.parquet").read_bytes())
    with pytest.raises(
        DataError, match=r"0.parquet has no column 'time', which MEDS asks for \(its columns: subject_id"
    ):
        prepare(folder)
    shard.unlink()
    with pytest.raises(DataError, match=r'there is no .parquet file in .*data; put data/ .*: folder = "DIR"'):
        prepare(folder)


def test_the_example_of_the_manual_reads_the_codes_that_it_names(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", page("reference/datasets/meds.md"), re.DOTALL)
    stay: list[Row] = [
        (1, None, "GENDER//M", None),
        (1, 0, "ICU_ADMISSION//A", None),
        (1, 1, "LAB//220045//bpm", 80),
        (1, 2, "LAB//50912//mg/dL", 1.1),
        (1, 50, "ICU_DISCHARGE//A", None),
        (1, 60, "HOSPITAL_DISCHARGE//DIED", None),
    ]
    cohort = prepare(write(tmp_path / "x", stay, example))
    assert {name: int(each.observed.sum()) for name, each in cohort.modalities.items()} == {"vitals": 1, "labs": 1}
    assert (cohort.targets["died"].tolist(), cohort.statics[:, 1].tolist()) == ([1], [1])
