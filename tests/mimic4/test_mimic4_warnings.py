"""What a run says of damaged or absent data: one line per table, never silent, and nothing of
what a whole release has too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError
from support.counting import numbers
from support.mimic4_tables import Tables, at, prepare, told, ward

Damage = Callable[[Tables], None]


def cell(table: str, row: int, place: int, value: object) -> Damage:
    def change(tables: Tables) -> None:
        tables.rows[table][row][place] = value

    return change


def emptied(table: str) -> Damage:
    return lambda tables: tables.rows[table].clear()


def shortened(table: str) -> Damage:
    return lambda tables: tables.rows[table].pop() and None


def without_values(tables: Tables) -> None:
    tables.rows["icu/chartevents"] = [row for row in tables.rows["icu/chartevents"] if row[2] != 5011]


def charted(notes: int) -> Damage:
    def change(tables: Tables) -> None:
        for row in tables.rows["note/radiology"][:notes]:
            row[6] = "unknown"

    return change


STAYS, FLAGS = "icu/icustays", "hosp/admissions"
DAMAGE: list[tuple[Damage, str, str]] = [
    (cell(FLAGS, 0, 7, "yes"), FLAGS, "hospital_expire_flag unknown, no outcome: 1"),
    (cell(FLAGS, 0, 7, "2"), FLAGS, "hospital_expire_flag unknown, no outcome: 1"),
    (cell(FLAGS, 0, 7, None), FLAGS, "hospital_expire_flag unknown, no outcome: 1"),
    (cell(STAYS, 5, 6, at(-3)), STAYS, "stays that end before they begin, length unknown: 1"),
    (cell(STAYS, 5, 7, 9), STAYS, "stays whose los is more than 0.1 days from outtime - intime: 1"),
    (cell(STAYS, 5, 7, "long"), STAYS, "stays without a readable los, outtime - intime taken: 1"),
    (cell(STAYS, 5, 7, -1), STAYS, "stays without a readable los, outtime - intime taken: 1"),
    (cell(STAYS, 5, 6, "soon"), STAYS, "stays without a readable outtime, end unknown: 1"),
    (shortened(FLAGS), STAYS, "stays whose hadm_id is not in hosp/admissions: 1"),
    (shortened("hosp/patients"), STAYS, "stays whose subject_id is not in hosp/patients: 1"),
    (cell("hosp/patients", 0, 2, "old"), "hosp/patients", "age unknown: 1"),
    (cell("hosp/patients", 0, 1, ""), "hosp/patients", "gender neither M nor F: 1"),
    (without_values, STAYS, "stays without a value in the window, left out: 1"),
    (shortened("hosp/diagnoses_icd"), "hosp/diagnoses_icd", "admissions without any code, no phenotype: 1"),
    (charted(12), "notes", "reports without a readable storetime, charttime taken: 12"),
]


@pytest.mark.parametrize(("damage", "table", "said"), DAMAGE, ids=[said for _, _, said in DAMAGE])
def test_damage_is_counted_and_said_in_the_line_of_its_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Damage, table: str, said: str
) -> None:
    tables = ward()
    damage(tables)
    counts = numbers(prepare(tables.write(tmp_path)))
    what, _, number = said.rpartition(": ")
    assert counts[f"{table}: {what}"] == int(number)
    assert len(told(caplog.messages, table)) == 1
    assert said in told(caplog.messages, table)[0]


def test_several_kinds_of_damage_in_one_table_are_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tables = ward()
    cell(STAYS, 3, 7, 9)(tables)
    cell(STAYS, 5, 6, "soon")(tables)
    cell(STAYS, 7, 5, "never")(tables)
    prepare(tables.write(tmp_path))
    assert told(caplog.messages, STAYS) == [
        "icu/icustays: rows without a readable stay_id, subject_id or intime, skipped: 1; stays whose los is more than 0.1 "
        "days from outtime - intime: 1; stays without a readable outtime, end unknown: 1"
    ]


def test_what_a_whole_release_has_too_is_counted_and_not_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = ward(120)
    tables.chart(5000, 1, "Heart Rate", 999)
    tables.chart(5000, 60, "Heart Rate", 80)
    without_values(tables)
    tables.rows[STAYS][3][6:] = [None, None]
    tables.rows["hosp/diagnoses_icd"].pop()
    charted(5)(tables)
    counts = numbers(prepare(tables.write(tmp_path)))
    assert counts["icu/icustays: length of stay unknown"] == 1
    assert counts["icu/icustays: stays without a value in the window, left out"] == 1
    assert counts["hosp/diagnoses_icd: admissions without any code, no phenotype"] == 1
    assert counts["notes: reports without a readable storetime, charttime taken"] == 5
    assert [message.split(":")[0] for message in caplog.messages] == ["cxr is unavailable", "ecg is unavailable"]


@pytest.mark.parametrize("los", [3, None])
@pytest.mark.parametrize("died", [0, 1])
def test_a_stay_that_ends_before_it_begins_has_no_label_of_its_length(tmp_path: Path, los: object, died: int) -> None:
    tables = ward()
    tables.rows[STAYS][5][6:] = [at(-3), los]
    tables.rows[FLAGS][5][7] = died
    cohort = prepare(tables.write(tmp_path))
    assert cohort.ids[5] == "5005"
    for task in ("ihm48", "los48"):
        assert math.isnan(cohort.targets[task][5])
        assert not np.isnan(cohort.targets[task][6:]).any()


@pytest.mark.parametrize(("los", "hours", "labels"), [(9, 40, [0, 1]), (1, 72, [None, None]), (3, 200, [0, 0])])
def test_los_decides_who_takes_part_and_the_times_who_left_early(
    tmp_path: Path, los: float, hours: float, labels: list[float | None]
) -> None:
    tables = ward()
    tables.rows[STAYS][5][6:] = [at(hours), los]
    targets = prepare(tables.write(tmp_path)).targets
    assert [None if np.isnan(targets[task][5]) else targets[task][5] for task in ("ihm48", "los48")] == labels


def test_without_any_code_of_the_25_groups_phe25_is_unavailable_and_the_line_names_the_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = ward()
    emptied("hosp/diagnoses_icd")(tables)
    cohort = prepare(tables.write(tmp_path))
    assert np.isnan(cohort.targets["phe25"]).all()
    assert not np.isnan(cohort.targets["ihm48"]).all()
    assert "task phe25 unavailable" in told(caplog.messages, "hosp/diagnoses_icd")[0]


def test_each_absent_modality_is_one_line_with_its_file_and_its_parameter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = ward()
    del tables.rows["note/radiology"]
    prepare(tables.write(tmp_path))
    assert caplog.messages == [
        f"notes is unavailable: there is no note/radiology.csv.gz (or .csv) in or beside {tmp_path} (data.notes=FILE names "
        "another); a modality set that holds notes is scored without it",
        f"cxr is unavailable: there is no cxr.parquet in {tmp_path} (data.cxr=FILE names another); a modality set that holds "
        "cxr is scored without it",
        f"ecg is unavailable: there is no ecg.parquet in {tmp_path} (data.ecg=FILE names another); a modality set that holds "
        "ecg is scored without it",
    ]


def test_a_table_in_another_encoding_is_refused_by_name_and_no_text_of_it_is_said(tmp_path: Path) -> None:
    tables = ward()
    tables.note(2, "lungs café clear")
    path = tables.write(tmp_path, suffix=".csv") / "note/radiology.csv"
    path.write_bytes(path.read_text("utf-8").encode("latin-1"))
    with pytest.raises(DataError) as caught:
        prepare(tmp_path)
    line = str(caught.value)
    assert "\n" not in line
    assert f"{path} is not UTF-8: there is another byte in line 14" in line
    assert "iconv -f LATIN1 -t UTF-8" in line
    assert "lungs" not in line
    assert caught.value.__cause__ is None
