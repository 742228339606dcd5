"""Bad input: one clear line, or a counted warning where rows are skipped; never silent."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.components import Context, Interrupted
from bench.errors import DataError
from bench_datasets.mimic4.dataset import Mimic4
from bench_datasets.mimic4.params import Mimic4Params
from support.counting import numbers
from support.mimic4_tables import ITEMS, at, edit, everyone_trains, one_stay, prepare, told, values_of, ward


def refused(root: Path, *words: str, **params: object) -> None:
    """Preparing `root` raises one DataError whose single line holds all `words`."""
    with pytest.raises(DataError) as caught:
        prepare(root, everyone_trains, **params)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


NEEDED = [
    ("hosp/patients", "anchor_age"),
    ("hosp/admissions", "hospital_expire_flag"),
    ("hosp/diagnoses_icd", "icd_version"),
    ("icu/icustays", "outtime"),
    ("icu/d_items", "label"),
    ("icu/chartevents", "valuenum"),
    ("note/radiology", "storetime"),
]


@pytest.mark.parametrize(("table", "column"), NEEDED)
def test_a_table_without_a_column_is_named_with_it(tmp_path: Path, table: str, column: str) -> None:
    ward(2).write(tmp_path)
    edit(tmp_path / f"{table}.csv.gz", lambda text: text.replace(column, "other", 1))
    refused(tmp_path, f"{table}.csv.gz lacks the column {column}", "download it again")


@pytest.mark.parametrize("table", [name for name, _ in NEEDED])
def test_a_truncated_gz_is_refused(tmp_path: Path, table: str) -> None:
    ward(40).write(tmp_path)
    path = tmp_path / f"{table}.csv.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    refused(tmp_path, path.name, "cut short or damaged", "download it again")


def test_a_gz_without_its_last_bytes_or_with_a_flipped_one_is_refused(tmp_path: Path) -> None:
    path = ward().write(tmp_path) / "icu/chartevents.csv.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    refused(tmp_path, "chartevents.csv.gz is cut short or damaged")
    path.write_bytes(whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:])  # in the checksum of the whole
    refused(tmp_path, "chartevents.csv.gz is cut short or damaged", "CRC")


def test_a_gz_packed_in_several_members_is_read_whole(tmp_path: Path) -> None:
    one_stay().write(tmp_path)
    path = tmp_path / "icu/chartevents.csv.gz"
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(text[:50]) + gzip.compress(text[50:]))
    assert values_of(prepare(tmp_path), "Heart Rate") == [(1, 80)]


def test_a_file_that_is_no_gz_or_empty_is_refused(tmp_path: Path) -> None:
    path = one_stay().write(tmp_path) / "hosp/patients.csv.gz"
    path.write_text("<html>please log in</html>")
    refused(tmp_path, "patients.csv.gz", "cannot be read")
    path.write_bytes(gzip.compress(b""))
    refused(tmp_path, "patients.csv.gz is empty")


BAD_ROWS: list[tuple[str, int, object, str]] = [
    ("charttime", 4, "not a date", "rows without a readable charttime"),
    ("charttime", 4, None, "rows without a readable charttime"),
    ("charttime", 4, "2150-13-45 00:00:00", "rows without a readable charttime"),
    ("itemid", 6, "x", "rows without a readable itemid"),
    ("stay_id", 2, 999, "rows of a stay that is not in icu/icustays"),
    ("stay_id", 2, None, "rows of a stay that is not in icu/icustays"),
    ("valuenum", 8, "eighty", "rows with a valuenum that is not a number"),
    ("valuenum", 8, "nan", "rows with a valuenum that is not a number"),
    ("valuenum", 8, "1e60", "rows with a valuenum that is not a number"),
]


@pytest.mark.parametrize(("column", "place", "value", "kind"), BAD_ROWS)
def test_a_row_that_cannot_be_used_is_skipped_counted_and_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str, place: int, value: object, kind: str
) -> None:
    tables = one_stay()
    tables.chart(100, 2, "Heart Rate", 90)
    tables.chart(100, 3, "Heart Rate", 95)
    tables.rows["icu/chartevents"][1][place] = value
    cohort = prepare(tables.write(tmp_path))
    assert values_of(cohort, "Heart Rate") == [(1, 80), (3, 95)]
    assert numbers(cohort, "unusable") == {f"icu/chartevents: {kind}, skipped": 1}
    assert told(caplog.messages, "icu/chartevents") == [f"icu/chartevents: {kind}, skipped: 1"]


def test_a_row_that_breaks_off_is_skipped_and_counted_and_the_next_one_read(tmp_path: Path) -> None:
    tables = one_stay()
    tables.chart(100, 3, "Heart Rate", 95)
    tables.write(tmp_path)
    path = tmp_path / "icu/chartevents.csv.gz"
    edit(path, lambda text: text.replace("\n", "\n1,10,100,7\n", 1).rstrip("\n") + "\n1,10,100")
    cohort = prepare(tmp_path)
    assert values_of(cohort, "Heart Rate") == [(1, 80), (3, 95)]
    assert cohort.counts["icu/chartevents: rows with another number of fields than the first line, skipped"].number == 2


def test_clean_tables_give_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    prepare(ward().write(tmp_path))
    assert [message.split(":")[0] for message in caplog.messages] == ["cxr is unavailable", "ecg is unavailable"]


def test_a_stay_that_stands_twice_alike_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tables = one_stay()
    tables.rows["icu/icustays"] *= 2
    cohort = prepare(tables.write(tmp_path))
    assert cohort.ids.tolist() == ["100"]
    assert values_of(cohort, "Heart Rate") == [(1, 80)]
    assert cohort.counts["icu/icustays: rows that repeat a stay, skipped"].number == 1
    assert told(caplog.messages, "icu/icustays") == ["icu/icustays: rows that repeat a stay, skipped: 1"]


def test_a_stay_that_stands_twice_with_different_content_is_refused_with_its_rows(tmp_path: Path) -> None:
    tables = one_stay()
    tables.stay(101)
    tables.stay(100, 99)
    refused(tables.write(tmp_path), "icustays.csv.gz: 1 stay_id stand twice", "rows 1 and 3")


def test_an_admission_that_stands_twice_with_two_outcomes_is_refused(tmp_path: Path) -> None:
    tables = one_stay()
    tables.admission(10, 1, 1)
    refused(tables.write(tmp_path), "1 hadm_id stand twice with different hospital_expire_flag", "rows 1 and 2")


def test_a_patient_that_stands_twice_with_different_content_is_refused(tmp_path: Path) -> None:
    tables = one_stay()
    tables.patient(1, "M")
    refused(
        tables.write(tmp_path),
        "1 subject_id stand twice with different gender, anchor_age, anchor_year",
        "rows 1 and 2",
    )


def test_rows_of_small_tables_without_a_readable_id_are_counted(tmp_path: Path) -> None:
    tables = one_stay()
    tables.patient(1)
    tables.rows["hosp/patients"][-1][0] = "1.5"
    tables.admission(10, 1)
    tables.rows["hosp/admissions"][-1][1] = None
    counts = numbers(prepare(tables.write(tmp_path)))
    assert counts["hosp/patients: rows without a readable subject_id, skipped"] == 1
    assert counts["hosp/admissions: rows without a readable hadm_id, skipped"] == 1


def test_a_stay_without_a_readable_intime_is_skipped_and_counted(tmp_path: Path) -> None:
    tables = one_stay()
    tables.stay(101)
    tables.rows["icu/icustays"][1][5] = "yesterday"
    cohort = prepare(tables.write(tmp_path))
    assert cohort.ids.tolist() == ["100"]
    assert cohort.counts["icu/icustays: rows without a readable stay_id, subject_id or intime, skipped"].number == 1


def test_no_usable_stay_or_no_value_at_all_is_refused(tmp_path: Path) -> None:
    tables = one_stay()
    tables.rows["icu/chartevents"] = []
    refused(tables.write(tmp_path), "holds no value of the 30 variables")
    tables.rows["icu/icustays"] = []
    refused(tables.write(tmp_path), "holds no ICU stay")


def change(rows: list[list[object]], item: int, place: int, value: object) -> None:
    for row in rows:
        if row[0] == item:
            row[place] = value


def test_an_item_whose_label_differs_is_warned_of_and_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = one_stay()
    tables.chart(100, 1, "WBC", 9)
    change(tables.rows["icu/d_items"], 220045, 1, "Heart rate Alarm - High")
    cohort = prepare(tables.write(tmp_path))
    assert values_of(cohort, "Heart Rate") == []
    assert cohort.counts["icu/d_items: labels without an item"].number == 1
    assert told(caplog.messages, "icu/d_items") == [
        'icu/d_items: no item of chartevents is labelled "Heart Rate" (its usual item 220045 is labelled '
        '"Heart rate Alarm - High"), so Heart Rate lacks it'
    ]


def test_a_label_with_another_item_than_the_usual_one_is_read_and_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = one_stay()
    change(tables.rows["icu/d_items"], 220045, 0, 777)
    change(tables.rows["icu/chartevents"], 1, 6, 777)
    cohort = prepare(tables.write(tmp_path))
    assert values_of(cohort, "Heart Rate") == [(1, 80)]
    assert cohort.counts["icu/d_items: labels with another item than the usual one"].number == 1
    assert told(caplog.messages, "icu/d_items") == ['icu/d_items: "Heart Rate" is item 777, usually 220045']


def test_of_two_items_with_one_label_the_usual_one_of_chartevents_is_read(tmp_path: Path) -> None:
    tables = one_stay()
    tables.rows["icu/d_items"].insert(0, [1, "Heart Rate", "HR", "datetimeevents", "any"])
    tables.add("icu/d_items", 778, "Heart Rate", "HR", "chartevents", "any")
    tables.add("icu/chartevents", 1, 10, 100, 7, at(3), at(3), 778, 95, 95, "bpm", 0)
    cohort = prepare(tables.write(tmp_path))
    assert values_of(cohort, "Heart Rate") == [(1, 80)]
    assert cohort.counts["icu/d_items: further items of a label, left out"].number == 1


def test_a_d_items_of_another_database_is_refused(tmp_path: Path) -> None:
    tables = one_stay()
    tables.rows["icu/d_items"] = [[ITEMS["WBC"], "Leukocytes", "L", "chartevents", "any"]]
    refused(tables.write(tmp_path), "d_items.csv.gz holds none of the labels")


@pytest.mark.parametrize(
    ("edit_rows", "words"),
    [
        (lambda row: row.__setitem__(5, "soon"), "rows without a readable subject_id or charttime"),
        (lambda row: row.__setitem__(1, "x"), "rows without a readable subject_id or charttime"),
        (lambda row: row.__setitem__(7, None), "reports without text"),
    ],
)
def test_a_note_that_cannot_be_used_is_counted(
    tmp_path: Path, edit_rows: Callable[[list[object]], None], words: str
) -> None:
    tables = one_stay()
    tables.note(2, "Lungs are clear")
    tables.note(3, "Small effusion")
    edit_rows(tables.rows["note/radiology"][1])
    cohort = prepare(tables.write(tmp_path))
    assert sum(count for name, count in numbers(cohort).items() if words in name) == 1
    assert cohort.counts["notes: reports kept"].number == 1


BAD_TABLES = [
    ("ccs", "x.yaml", "- a\n- b\n", "not a table of CCS definitions"),
    ("ccs", "x.yaml", '"A": {id: 2, codes: [01000]}\n', "not all in quotes"),
    ("ccs", "x.yaml", '"A": {id: 2, codes: ["0389"]}\n', "lacks the CCS categories 49, 50"),
    ("ccs", "x.txt", "2  Septicemia\n   0389\n", "lacks the CCS categories 49, 50"),
    ("gem", "x.csv", "icd10,icd9\nA419,0389\n", "lacks the column icd10cm, icd9cm"),
    ("gem", "x.csv", "icd10cm,icd9cm\n", "holds no row"),
    ("gem", "x.csv", "icd10cm,icd9cm\nB20,42\n", "lost their leading zeros"),
    ("gem", "x.csv", "icd10cm,icd9cm\nI10,4019.0\n", "lost their leading zeros"),
]


@pytest.mark.parametrize(("key", "name", "text", "words"), BAD_TABLES)
def test_code_tables_of_another_form_are_refused(tmp_path: Path, key: str, name: str, text: str, words: str) -> None:
    one_stay().write(tmp_path)
    (tmp_path / name).write_text(text)
    refused(tmp_path, name, words, **{key: name})


def test_codes_of_an_unknown_version_are_counted(tmp_path: Path) -> None:
    tables = one_stay()
    tables.diagnosis(10, "0389", 11)
    counts = numbers(prepare(tables.write(tmp_path)))
    assert counts["hosp/diagnoses_icd: rows without a readable hadm_id, code or version (9, 10), skipped"] == 1


def test_a_stop_is_heeded_between_the_steps(tmp_path: Path) -> None:
    one_stay().write(tmp_path)
    with pytest.raises(Interrupted):
        Mimic4(Mimic4Params()).prepare(tmp_path, Context(should_stop=lambda: True))


def test_nothing_of_a_patient_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ward().write(tmp_path / "mimic")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path / "mimic")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mimic", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
