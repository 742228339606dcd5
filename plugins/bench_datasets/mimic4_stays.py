"""ICU stays of MIMIC-IV with their patient and admission: one row per stay, and what the tasks need of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bench.errors import DataError
from bench_datasets import mimic4_warnings as damage
from bench_datasets.mimic4_files import Mimic4Files
from bench_datasets.mimic4_read import Tables

LONG_DAYS = 2.0
"""Stays of at least so many days take part in ihm48 and los48."""

APART_DAYS = 0.1
"""`los` and outtime - intime that differ by more contradict each other, which is counted."""

LEFT_HOURS = 96.0
"""los48 is positive for who leaves the ICU before this hour and the hospital alive."""


@dataclass(frozen=True)
class Stays:
    """All usable ICU stays by ascending stay_id, each array [n].

    stay, subject: int64 ids; admission: int64 hadm_id, -1 where unknown.
    days:  float64, the table's `los`, also where the times contradict it, else from the times; hours: float64,
           outtime - intime. NaN where unknown; both are, where a stay ends before it begins.
    died:  float64, hospital_expire_flag of the admission; NaN where unknown.
    age:   float64, years at ICU admission; male: float64, 1 or 0. NaN where unknown.
    """

    stay: np.ndarray
    subject: np.ndarray
    admission: np.ndarray
    days: np.ndarray
    hours: np.ndarray
    died: np.ndarray
    age: np.ndarray
    male: np.ndarray

    def take(self, index: np.ndarray) -> Stays:
        """The stays in `index`."""
        return Stays(**{name: values[index] for name, values in vars(self).items()})


def read_stays(tables: Tables, files: Mimic4Files, counts: Counter[str]) -> Stays:
    """The stays, and a temporary table `stay` (record, stay_id, subject_id, intime, outtime) for the other readers.

    Raises DataError for a missing column, a damaged file, a stay or admission that stands twice with different
    content, and when no stay is usable.
    """
    _read_icustays(tables, files, counts)
    _read_admissions(tables, files, counts)
    _read_patients(tables, files, counts)
    found = tables.columns(
        """
        SELECT s.stay_id AS stay, s.subject_id AS subject, coalesce(s.hadm_id, -1) AS admission,
               coalesce(s.los, date_diff('second', s.intime, s.outtime) / 86400.0)::DOUBLE AS days,
               (date_diff('second', s.intime, s.outtime) / 3600.0)::DOUBLE AS hours,
               a.died::DOUBLE AS died, (p.age + year(s.intime) - p.year)::DOUBLE AS age, p.male::DOUBLE AS male
        FROM stay s LEFT JOIN admission a ON s.hadm_id = a.hadm_id LEFT JOIN patient p ON s.subject_id = p.subject_id
        ORDER BY s.record
        """
    )
    stays = Stays(**{name: np.ascontiguousarray(values) for name, values in found.items()})
    counts[damage.STAYS] = len(stays.stay)
    counts[damage.LENGTHLESS] = int(np.isnan(stays.days).sum())
    # Stays without their admission or patient are counted as such, and not a second time.
    counts[damage.FLAGLESS] = int(np.isnan(stays.died).sum()) - counts[damage.NO_ADMISSION]
    counts[damage.AGELESS] = int(np.isnan(stays.age).sum()) - counts[damage.NO_PATIENT]
    counts[damage.SEXLESS] = int(np.isnan(stays.male).sum()) - counts[damage.NO_PATIENT]
    return stays


def _read_icustays(tables: Tables, files: Mimic4Files, counts: Counter[str]) -> None:
    path = files.tables["icu/icustays"]
    rows = tables.csv(path, ("subject_id", "hadm_id", "stay_id", "intime", "outtime", "los"))
    tables.run(
        f"""
        CREATE TEMP TABLE stay_row AS
        SELECT try_cast(trim(stay_id) AS BIGINT) AS stay_id, try_cast(trim(subject_id) AS BIGINT) AS subject_id,
               try_cast(trim(hadm_id) AS BIGINT) AS hadm_id, try_cast(trim(intime) AS TIMESTAMP) AS intime,
               try_cast(trim(outtime) AS TIMESTAMP) AS outtime, try_cast(trim(los) AS DOUBLE) AS los,
               nullif(trim(outtime), '') AS outtime_text
        FROM {rows}
        """,
        path,
    )
    usable = "stay_id IS NOT NULL AND subject_id IS NOT NULL AND intime IS NOT NULL"
    bad = tables.number(f"SELECT count(*) FROM stay_row WHERE NOT ({usable})")
    counts["icu/icustays: rows without a readable stay_id, subject_id or intime, skipped"] = bad
    twice = tables.rows(
        f"""
        SELECT count(*), count(DISTINCT (subject_id, hadm_id, intime, outtime, los)), min(rowid), max(rowid)
        FROM stay_row WHERE {usable} GROUP BY stay_id HAVING count(*) > 1 ORDER BY min(rowid)
        """
    )
    if differ := [row for row in twice if row[1] > 1]:
        raise DataError(
            f"{path}: {len(differ)} stay_id stand twice with different content, first in data rows {differ[0][2] + 1} and "
            f"{differ[0][3] + 1}; which one is right is unknown; download the table again"
        )
    counts["icu/icustays: rows that repeat a stay, skipped"] = sum(row[0] - 1 for row in twice)
    tables.run(
        f"""
        CREATE TEMP TABLE stay_once AS
        SELECT * REPLACE (CASE WHEN isfinite(los) AND los >= 0 THEN los END AS los),
               coalesce(outtime < intime, false) AS reversed, date_diff('second', intime, outtime) / 86400.0 AS days
        FROM (SELECT DISTINCT ON (stay_id) * FROM stay_row WHERE {usable} ORDER BY stay_id)
        """
    )
    tables.run(
        """
        CREATE TEMP TABLE stay AS
        SELECT (row_number() OVER (ORDER BY stay_id) - 1)::INTEGER AS record, stay_id, subject_id, hadm_id, intime,
               CASE WHEN NOT reversed THEN outtime END AS outtime, CASE WHEN NOT reversed THEN los END AS los
        FROM stay_once
        """
    )
    reasons = {
        damage.REVERSED: "reversed",
        damage.CONTRADICTED: f"NOT reversed AND abs(los - days) > {APART_DAYS}",
        damage.LOS_REPLACED: "NOT reversed AND los IS NULL AND outtime IS NOT NULL",
        damage.ENDLESS: "outtime IS NULL AND (los IS NOT NULL OR outtime_text IS NOT NULL)",
    }
    for reason, condition in reasons.items():
        counts[reason] = tables.number(f"SELECT count(*) FROM stay_once WHERE {condition}")
    if not tables.number("SELECT count(*) FROM stay"):
        raise DataError(f"{path} holds no ICU stay with a readable stay_id, subject_id and intime; download it again")


def _read_admissions(tables: Tables, files: Mimic4Files, counts: Counter[str]) -> None:
    path = files.tables["hosp/admissions"]
    rows = tables.csv(path, ("hadm_id", "hospital_expire_flag"))
    tables.run(
        f"""
        CREATE TEMP TABLE admission AS
        SELECT hadm_id, count(*) AS n, min(flag) AS died, count(DISTINCT flag) AS flags
        FROM (SELECT try_cast(trim(hadm_id) AS BIGINT) AS hadm_id,
                     CASE trim(hospital_expire_flag) WHEN '0' THEN 0 WHEN '1' THEN 1 END AS flag FROM {rows})
        WHERE hadm_id IS NOT NULL GROUP BY hadm_id
        """,
        path,
    )
    if differ := tables.number("SELECT count(*) FROM admission WHERE flags > 1"):
        raise DataError(
            f"{path}: {differ} hadm_id stand twice with different hospital_expire_flag; download the table again"
        )
    counts["hosp/admissions: rows that repeat an admission, skipped"] = tables.number(
        "SELECT sum(n - 1) FROM admission"
    )
    counts[damage.NO_ADMISSION] = tables.number(
        "SELECT count(*) FROM stay s ANTI JOIN admission a ON s.hadm_id = a.hadm_id"
    )


def _read_patients(tables: Tables, files: Mimic4Files, counts: Counter[str]) -> None:
    path = files.tables["hosp/patients"]
    rows = tables.csv(path, ("subject_id", "gender", "anchor_age", "anchor_year"))
    tables.run(
        f"""
        CREATE TEMP TABLE patient AS
        SELECT subject_id, count(*) AS n, arg_min(male, place) AS male, arg_min(age, place) AS age,
               arg_min(year, place) AS year
        FROM (SELECT try_cast(trim(subject_id) AS BIGINT) AS subject_id, row_number() OVER () AS place,
                     CASE upper(trim(gender)) WHEN 'M' THEN 1 WHEN 'F' THEN 0 END AS male,
                     try_cast(trim(anchor_age) AS INTEGER) AS age, try_cast(trim(anchor_year) AS INTEGER) AS year FROM {rows})
        WHERE subject_id IS NOT NULL GROUP BY subject_id
        """,
        path,
    )
    counts["hosp/patients: rows that repeat a patient, skipped"] = tables.number("SELECT sum(n - 1) FROM patient")
    counts[damage.NO_PATIENT] = tables.number(
        "SELECT count(*) FROM stay s ANTI JOIN patient p ON s.subject_id = p.subject_id"
    )


def outcomes(stays: Stays) -> dict[str, np.ndarray]:
    """ihm48 and los48, float32 [n]; NaN for stays of less than 2 days or of unknown length, and where the outcome is unknown.

    `los` decides who takes part, the times who left before hour 96, also where the two contradict each other. Who died in
    hospital did not leave alive, however long the stay: los48 is 0 even where its end is unknown (mimic48 protocol,
    section 8).
    """
    with np.errstate(invalid="ignore"):
        inside = stays.days >= LONG_DAYS
        los = np.where(stays.died == 1, 0.0, stays.hours < LEFT_HOURS)
    los[np.isnan(stays.died) | ((stays.died == 0) & np.isnan(stays.hours))] = np.nan
    return {
        "ihm48": np.where(inside, stays.died, np.nan).astype(np.float32),
        "los48": np.where(inside, los, np.nan).astype(np.float32),
    }
