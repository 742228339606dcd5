"""The tasks of mimic4, case by case (mimic48 protocol, section 8)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bench_datasets.mimic4.codes import groups, read_definitions, read_equivalents
from bench_datasets.mimic4.table import PHENOTYPES
from support.counting import numbers
from support.mimic4_tables import edit, one_stay, prepare, ward


def label(cohort: object, task: str, record: int = 0) -> float:
    return float(cohort.targets[task][record])  # type: ignore[attr-defined]


def phenotypes(cohort: object, record: int = 0) -> list[int]:
    """CCS categories of a record."""
    row = cohort.targets["phe25"][record]  # type: ignore[attr-defined]
    return [ccs for (ccs, _), value in zip(PHENOTYPES, row, strict=True) if value == 1]


def test_who_died_in_hospital_after_leaving_the_icu_counts_as_died_and_not_as_left_alive(tmp_path: Path) -> None:
    tables = one_stay(hours=60, died=1)  # the admission ends at hour 500
    cohort = prepare(tables.write(tmp_path))
    assert (label(cohort, "ihm48"), label(cohort, "los48")) == (1, 0)


@pytest.mark.parametrize(("hours", "expected"), [(95, 1), (95.99, 1), (96, 0), (97, 0)])
def test_leaving_the_icu_alive_before_hour_96_is_positive(tmp_path: Path, hours: float, expected: int) -> None:
    cohort = prepare(one_stay(hours).write(tmp_path))
    assert label(cohort, "los48") == expected
    assert label(cohort, "ihm48") == 0


@pytest.mark.parametrize(("hours", "inside"), [(48, True), (47.9, False), (3, False)])
def test_a_stay_of_exactly_48_hours_takes_part_and_a_shorter_one_in_phenotypes_alone(
    tmp_path: Path, hours: float, inside: bool
) -> None:
    tables = one_stay(hours)
    tables.diagnosis(10, "0389")
    cohort = prepare(tables.write(tmp_path))
    for task in ("ihm48", "los48"):
        assert math.isnan(label(cohort, task)) is not inside
    assert not np.isnan(cohort.targets["phe25"]).any()
    assert numbers(cohort).get("task ihm48: stays", 0) == int(inside)


@pytest.mark.parametrize(("hours", "expected"), [(47.9, math.nan), (48, 0), (72, 0), (72.1, 1), (400, 1)])
@pytest.mark.parametrize("died", [0, 1, None])
def test_more_than_three_days_is_asked_of_the_length_alone(
    tmp_path: Path, hours: float, expected: float, died: int | None
) -> None:
    np.testing.assert_equal(label(prepare(one_stay(hours, died).write(tmp_path)), "los3"), expected)


def test_a_stay_belongs_to_its_first_care_unit_and_a_patient_may_have_stays_in_several(tmp_path: Path) -> None:
    tables = ward(4)
    units = ["MICU", " Trauma SICU (TSICU) ", None, "a" * 201]
    for row, unit in zip(tables.rows["icu/icustays"], units, strict=True):
        row[3:5] = unit, "elsewhere"
    cohort = prepare(tables.write(tmp_path))
    assert cohort.columns["care_unit"].tolist() == ["MICU", "Trauma SICU (TSICU)", "", ""]
    assert numbers(cohort)["icu/icustays: stays without the name of a first care unit"] == 2


def test_a_table_without_care_units_is_read_and_all_of_them_are_unknown(tmp_path: Path) -> None:
    root = ward(3).write(tmp_path)
    edit(root / "icu" / "icustays.csv.gz", lambda text: text.replace("first_careunit", "another_name"))
    assert prepare(root).columns["care_unit"].tolist() == ["", "", ""]


def test_two_icu_stays_of_one_admission_share_its_outcome_and_differ_in_their_length(tmp_path: Path) -> None:
    tables = one_stay(hours=60, died=0)
    tables.stay(101, 120)
    tables.chart(101, 2, "Heart Rate", 90)
    tables.diagnosis(10, "0389")
    cohort = prepare(tables.write(tmp_path))
    assert cohort.ids.tolist() == ["100", "101"]
    assert cohort.groups.tolist() == ["1", "1"]
    assert cohort.targets["ihm48"].tolist() == [0, 0]
    assert cohort.targets["los48"].tolist() == [1, 0]
    assert phenotypes(cohort, 0) == phenotypes(cohort, 1) == [2]


def test_a_death_belongs_to_earlier_icu_stays_of_the_admission_too_and_to_no_other_admission(tmp_path: Path) -> None:
    tables = one_stay(hours=60, died=1)
    tables.stay(101, 60)
    tables.admission(11, 1, 0)
    tables.stay(102, 60, hadm=11)
    for stay in (101, 102):
        tables.chart(stay, 2, "Heart Rate", 90)
    assert prepare(tables.write(tmp_path)).targets["ihm48"].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("code", "version", "ccs"),
    [
        ("99592", 9, [2]),  # severe sepsis
        ("A419", 10, [2]),  # sepsis, unspecified organism: GEM 0389 and 99591
        ("4019", 9, [98]),
        ("I10", 10, [98, 99]),  # GEM 4010, 4011 and 4019: the published rule sets both
        ("R6521", 10, [2, 249]),  # severe sepsis with septic shock
        ("25000", 9, [49]),
        ("E119", 10, [49]),
        ("0031", 9, [2]),  # the leading zero stays
        ("a41.9 ", 10, [2]),
        ("0389", 10, []),  # an ICD-9 code that says it is ICD-10
        ("V1582", 9, []),
        ("Z9999", 10, []),
    ],
)
def test_icd9_and_icd10_codes_lead_to_the_same_phenotype(
    tmp_path: Path, code: str, version: int, ccs: list[int]
) -> None:
    tables = one_stay()
    tables.diagnosis(10, code, version)
    assert phenotypes(prepare(tables.write(tmp_path))) == ccs


def test_every_icd9_equivalent_of_an_icd10_code_counts_not_only_the_last() -> None:
    table = groups(read_definitions(None), read_equivalents(None))
    assert read_equivalents(None)["A419"] == {"0389", "99591"}
    several = {code: [PHENOTYPES[c][0] for c in columns] for code, columns in table[10].items() if len(columns) > 1}
    assert several == {"I10": [98, 99], "R0689": [133, 134], "R6521": [2, 249]}


def test_every_phenotype_has_codes_of_both_versions_and_no_icd9_code_has_two() -> None:
    table = groups(read_definitions(None), read_equivalents(None))
    for version in (9, 10):
        assert {column for columns in table[version].values() for column in columns} == set(range(25))
    assert all(len(columns) == 1 for columns in table[9].values())


def test_the_packaged_definitions_are_whole_and_have_the_septicemia_codes_of_the_benchmark() -> None:
    definitions = read_definitions(None)
    assert sum(map(len, definitions.values())) == 15_072
    septicemia = (
        "0031 0202 0223 0362 0380 0381 03810 03811 03812 03819 0382 0383 03840 03841 03842 03843 03844 03849 0388 0389 "
        "0545 449 77181 7907 99591 99592"
    )
    assert definitions[2] == set(septicemia.split())


def test_definitions_and_equivalents_may_be_the_users_own(tmp_path: Path) -> None:
    tables = one_stay()
    tables.diagnosis(10, "00042")
    tables.diagnosis(10, "Q77", 10)
    tables.write(tmp_path)
    lines = [f'"{name}":\n  id: {ccs}\n  use_in_benchmark: True\n  codes: ["00{ccs:03d}"]' for ccs, name in PHENOTYPES]
    text = "\n".join(lines).replace('"00002"', '"00042"')
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "mine.csv").write_text('"icd10cm","icd9cm","flags"\n"Q77","00249","00000"\n"Q77","00158","00000"\n')
    assert phenotypes(prepare(tmp_path, ccs="mine.yaml", gem="mine.csv")) == [2, 158, 249]
    (tmp_path / "hcup_ccs_2015_definitions.yaml").write_text(text)
    assert phenotypes(prepare(tmp_path)) == [2]


def test_an_admission_without_codes_has_no_phenotype_and_is_counted(tmp_path: Path) -> None:
    tables = ward(3)
    tables.rows["hosp/diagnoses_icd"].pop()
    cohort = prepare(tables.write(tmp_path))
    assert phenotypes(cohort, 2) == []
    assert cohort.counts["hosp/diagnoses_icd: admissions without any code, no phenotype"].number == 1


def test_an_unknown_outcome_is_nan_and_counted(tmp_path: Path) -> None:
    cohort = prepare(one_stay(died=None).write(tmp_path))
    assert math.isnan(label(cohort, "ihm48"))
    assert math.isnan(label(cohort, "los48"))
    assert cohort.counts["hosp/admissions: hospital_expire_flag unknown, no outcome"].number == 1


def test_a_stay_whose_end_is_unknown_has_no_outcome_but_phenotypes(tmp_path: Path) -> None:
    tables = one_stay()
    tables.diagnosis(10, "0389")
    tables.rows["icu/icustays"][0][6:] = [None, None]
    cohort = prepare(tables.write(tmp_path))
    assert math.isnan(label(cohort, "los48"))
    assert not np.isnan(cohort.targets["phe25"]).any()
    assert cohort.counts["icu/icustays: length of stay unknown"].number == 1


def test_age_is_that_of_the_year_of_icu_admission_and_gender_may_be_unknown(tmp_path: Path) -> None:
    tables = one_stay()
    tables.rows["hosp/patients"] = [[1, "M", 60, 2148, "2014 - 2016", None]]
    assert prepare(tables.write(tmp_path)).statics.tolist() == [[62, 1]]
    tables.rows["hosp/patients"] = [[1, "?", None, 2148, "2014 - 2016", None]]
    assert np.isnan(prepare(tables.write(tmp_path)).statics).all()
