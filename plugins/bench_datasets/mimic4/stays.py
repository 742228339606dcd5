"""ICU stays of MIMIC-IV with their patient and admission: one row per stay, and what the tasks
need of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cohort import Counts
from bench.errors import DataError
from bench_datasets.mimic4 import warnings as damage
from bench_datasets.mimic4.files import Mimic4Files
from bench_datasets.mimic4.read import TIME, WHOLE, Tables
from bench_datasets.mimic4.table import COLUMNS, OPTIONAL

LONG_DAYS = 2.0
"""Stays of at least so many days take part in ihm48, los48 and los3."""

LONGER_DAYS = 3.0
"""los3 is positive for stays of more days."""

APART_DAYS = 0.1
"""`los` and outtime - intime that differ by more contradict each other, which is counted."""

LONGEST_UNIT = 200
"""Characters of the name of a care unit; what is longer is none."""

OLDEST = 130
"""Years. An age beyond, or below 0, is unknown: one of the two years is wrong."""

LEFT_HOURS = 96.0
"""los48 is positive for who leaves the ICU before this hour and the hospital alive."""


@dataclass(frozen=True)
class Stays:
    """All usable ICU stays by ascending stay_id, each array [n].

    - stay, subject: int64 ids. admission: int64 hadm_id, -1 where unknown.
    - days: float64, the table's `los`, also where the times contradict it; else from the times.
    - hours: float64, outtime - intime.
    - died: float64, hospital_expire_flag of the admission; NaN where unknown.
    - age: float64, years at ICU admission. male: float64, 1 or 0. NaN where unknown.
    - unit: str, the first care unit of the stay; "" where unknown.

    days and hours are NaN where unknown; both are NaN where a stay ends before it begins.
    """

    stay: np.ndarray
    subject: np.ndarray
    admission: np.ndarray
    days: np.ndarray
    hours: np.ndarray
    died: np.ndarray
    age: np.ndarray
    male: np.ndarray
    unit: np.ndarray

    def take(self, index: np.ndarray) -> Stays:
        """The stays in `index`."""
        return Stays(**{name: values[index] for name, values in vars(self).items()})


def read_stays(tables: Tables, files: Mimic4Files, counts: Counts) -> Stays:
    """The stays, and a temporary table `stay` (record, stay_id, subject_id, intime, outtime) for
    the other readers.

    Raises DataError for a missing column, a damaged file, a stay or admission that stands twice
    with different content, and when no stay is usable.
    """
    _read_icustays(tables, files, counts)
    _read_admissions(tables, files, counts)
    _read_patients(tables, files, counts)
    columns = tables.columns(
        """
        SELECT s.stay_id AS stay, s.subject_id AS subject, coalesce(s.hadm_id, -1) AS admission,
               coalesce(s.los, date_diff('second', s.intime, s.outtime) / 86400.0)::DOUBLE AS days,
               (date_diff('second', s.intime, s.outtime) / 3600.0)::DOUBLE AS hours,
               a.died::DOUBLE AS died, (p.age + year(s.intime) - p.year)::DOUBLE AS age, p.male::DOUBLE AS male,
               coalesce(s.unit, '') AS unit
        FROM stay s LEFT JOIN admission a ON s.hadm_id = a.hadm_id LEFT JOIN patient p ON s.subject_id = p.subject_id
        ORDER BY s.record
        """
    )
    columns["age"] = np.where((columns["age"] >= 0) & (columns["age"] <= OLDEST), columns["age"], np.nan)
    columns["unit"] = np.array(
        [unit if unit.isprintable() and len(unit) <= LONGEST_UNIT else "" for unit in columns["unit"]]
    )
    stays = Stays(**{name: np.ascontiguousarray(values) for name, values in columns.items()})
    counts.found(damage.STAYS, len(stays.stay))
    counts.left_out(damage.UNITLESS, (stays.unit == "").sum())
    counts.left_out(damage.LENGTHLESS, np.isnan(stays.days).sum())
    # Stays without their admission or patient are counted as such, and not a second time.
    counts.left_out(damage.FLAGLESS, np.isnan(stays.died).sum() - counts.number(damage.NO_ADMISSION))
    counts.left_out(damage.AGELESS, np.isnan(stays.age).sum() - counts.number(damage.NO_PATIENT))
    known = stays.died[~np.isnan(stays.died)]
    counts.found(damage.ONE_OUTCOME, len(known) * (len(known) >= damage.SEVERAL and len(np.unique(known)) == 1))
    counts.left_out(damage.SEXLESS, np.isnan(stays.male).sum() - counts.number(damage.NO_PATIENT))
    return stays


def _read_icustays(tables: Tables, files: Mimic4Files, counts: Counts) -> None:
    path = files.tables["icu/icustays"]
    rows = _load(tables, path, "icu/icustays", counts)
    tables.run(
        f"""
        CREATE TEMP TABLE stay_row AS
        SELECT whole(stay_id) AS stay_id, whole(subject_id) AS subject_id, whole(hadm_id) AS hadm_id, moment(intime) AS intime,
               moment(outtime) AS outtime, try_cast(los AS DOUBLE) AS los, outtime AS outtime_text, first_careunit AS unit, line
        FROM {rows} WHERE NOT ragged
        """
    )
    usable = "stay_id IS NOT NULL AND subject_id IS NOT NULL AND intime IS NOT NULL"
    bad = tables.number(f"SELECT count(*) FROM stay_row WHERE NOT ({usable})")
    counts.unusable("icu/icustays: rows without a readable stay_id, subject_id or intime, skipped", bad)
    _once(tables, path, "stay_row", usable, "stay_id", ("subject_id", "hadm_id", "intime", "outtime", "los", "unit"))
    repeated = _repeated(tables, "stay_row", usable, "stay_id")
    counts.unusable("icu/icustays: rows that repeat a stay, skipped", repeated)
    tables.run(
        f"""
        CREATE TEMP TABLE stay_once AS
        SELECT * REPLACE (CASE WHEN isfinite(los) AND los >= 0 THEN los END AS los),
               coalesce(outtime < intime, false) AS reversed, date_diff('second', intime, outtime) / 86400.0 AS days
        FROM (SELECT DISTINCT ON (stay_id) * FROM stay_row WHERE {usable} ORDER BY stay_id, line)
        """
    )
    tables.run(
        """
        CREATE TEMP TABLE stay AS
        SELECT (row_number() OVER (ORDER BY stay_id) - 1)::INTEGER AS record, stay_id, subject_id, hadm_id, intime, unit,
               CASE WHEN NOT reversed THEN outtime END AS outtime, CASE WHEN NOT reversed THEN los END AS los
        FROM stay_once
        """
    )
    for count, reason, condition in (
        (counts.left_out, damage.REVERSED, "reversed"),
        (counts.found, damage.CONTRADICTED, f"NOT reversed AND abs(los - days) > {APART_DAYS}"),
        (counts.repaired, damage.LOS_REPLACED, "NOT reversed AND los IS NULL AND outtime IS NOT NULL"),
        (counts.left_out, damage.ENDLESS, "outtime IS NULL AND (los IS NOT NULL OR outtime_text IS NOT NULL)"),
    ):
        count(reason, tables.number(f"SELECT count(*) FROM stay_once WHERE {condition}"))
    if not tables.number("SELECT count(*) FROM stay"):
        raise DataError(f"{path} holds no ICU stay with a readable stay_id, subject_id and intime; download it again")


def _read_admissions(tables: Tables, files: Mimic4Files, counts: Counts) -> None:
    path = files.tables["hosp/admissions"]
    rows = _load(tables, path, "hosp/admissions", counts)
    tables.run(
        f"""
        CREATE TEMP TABLE admission_row AS
        SELECT whole(hadm_id) AS hadm_id, line,
               CASE whole(hospital_expire_flag) WHEN 0 THEN 0 WHEN 1 THEN 1 END AS hospital_expire_flag
        FROM {rows} WHERE NOT ragged
        """
    )
    usable = "hadm_id IS NOT NULL"
    bad = tables.number(f"SELECT count(*) FROM admission_row WHERE NOT ({usable})")
    counts.unusable("hosp/admissions: rows without a readable hadm_id, skipped", bad)
    _once(tables, path, "admission_row", usable, "hadm_id", ("hospital_expire_flag",))
    repeated = _repeated(tables, "admission_row", usable, "hadm_id")
    counts.unusable("hosp/admissions: rows that repeat an admission, skipped", repeated)
    tables.run(
        f"""
        CREATE TEMP TABLE admission AS SELECT hadm_id, min(hospital_expire_flag) AS died
        FROM admission_row WHERE {usable} GROUP BY hadm_id
        """
    )
    without = tables.number("SELECT count(*) FROM stay s ANTI JOIN admission a ON s.hadm_id = a.hadm_id")
    counts.left_out(damage.NO_ADMISSION, without)
    _others(tables, "admission", "hadm_id", "hosp/admissions: admissions", counts)


def _read_patients(tables: Tables, files: Mimic4Files, counts: Counts) -> None:
    path = files.tables["hosp/patients"]
    rows = _load(tables, path, "hosp/patients", counts)
    tables.run(
        f"""
        CREATE TEMP TABLE patient_row AS
        SELECT whole(subject_id) AS subject_id, CASE upper(gender) WHEN 'M' THEN 1 WHEN 'F' THEN 0 END AS gender,
               whole(anchor_age) AS anchor_age, whole(anchor_year) AS anchor_year, line
        FROM {rows} WHERE NOT ragged
        """
    )
    usable = "subject_id IS NOT NULL"
    bad = tables.number(f"SELECT count(*) FROM patient_row WHERE NOT ({usable})")
    counts.unusable("hosp/patients: rows without a readable subject_id, skipped", bad)
    _once(tables, path, "patient_row", usable, "subject_id", ("gender", "anchor_age", "anchor_year"))
    repeated = _repeated(tables, "patient_row", usable, "subject_id")
    counts.unusable("hosp/patients: rows that repeat a patient, skipped", repeated)
    tables.run(
        f"""
        CREATE TEMP TABLE patient AS SELECT subject_id, min(gender) AS male, min(anchor_age) AS age, min(anchor_year) AS year
        FROM patient_row WHERE {usable} GROUP BY subject_id
        """
    )
    without = tables.number("SELECT count(*) FROM stay s ANTI JOIN patient p ON s.subject_id = p.subject_id")
    counts.left_out(damage.NO_PATIENT, without)
    _others(tables, "patient", "subject_id", "hosp/patients: patients", counts)


EXPECTED = {
    "intime": ("moment(intime)", TIME),
    "outtime": ("moment(outtime)", TIME),
    "los": ("try_cast(los AS DOUBLE)", "a number"),
    "gender": ("CASE WHEN upper(gender) IN ('M', 'F') THEN 1 END", "M or F"),
    "hospital_expire_flag": ("CASE WHEN whole(hospital_expire_flag) IN (0, 1) THEN 1 END", "0 or 1"),
}
"""Column -> SQL of its value, NULL where it cannot be read, and what is expected there; any
other holds whole numbers.
"""


def _load(tables: Tables, path: Path, name: str, counts: Counts) -> str:
    """A small table as text, its rows and those of another width counted; its columns legible,
    or DataError. Returns its name.
    """
    source, copy = tables.table(path, COLUMNS[name], OPTIONAL.get(name, ())), name.replace("/", "_")
    tables.run(f"CREATE TEMP TABLE {copy} AS SELECT *, row_number() OVER () AS line FROM {source}", path)
    rows = tables.rows_of(path, tables.number(f"SELECT count(*) FROM {copy}"))
    ragged = tables.number(f"SELECT count(*) FROM {copy} WHERE ragged")
    counts.found(f"{name}: rows", rows)
    counts.unusable(f"{name}: {damage.RAGGED}", ragged)
    tables.square(path, ragged, rows)
    for column in COLUMNS[name]:
        parsed, expected = EXPECTED.get(column, (f"whole({column})", WHOLE))
        bad, filled = tables.rows(
            f"SELECT count(*) FILTER ({parsed} IS NULL), count(*) FROM {copy} WHERE {column} IS NOT NULL AND NOT ragged"
        )[0]
        tables.legible(path, copy, column, parsed, expected, bad, filled)
    return copy


def _once(tables: Tables, path: Path, table: str, usable: str, key: str, columns: tuple[str, ...]) -> None:
    """Raises DataError where a key stands twice with different content."""
    # A struct with NULL in it counts, where a NULL alone would not: what is known once and unknown
    # once differs too.
    differ = tables.rows(
        f"""
        SELECT list_sort(list(line))[:2], count(*) OVER () FROM {table} WHERE {usable}
        GROUP BY {key} HAVING count(DISTINCT ({", ".join(columns)}, 0)) > 1 ORDER BY min(line) LIMIT 1
        """
    )
    if differ:
        (first, second), times = differ[0]
        raise DataError(
            f"{path}: {times} {key} stand twice with different {', '.join(columns)}, first in data rows {first} and {second}; "
            "which one is right is unknown; download the table again"
        )


def _repeated(tables: Tables, table: str, usable: str, key: str) -> int:
    return tables.number(f"SELECT count(*) - count(DISTINCT {key}) FROM {table} WHERE {usable}")


def _others(tables: Tables, table: str, key: str, noun: str, counts: Counts) -> None:
    """Count what belongs to an ICU stay, and what does not."""
    of_stays = tables.number(f"SELECT count(*) FROM {table} t SEMI JOIN stay s ON s.{key} = t.{key}")
    counts.found(f"{noun} with an ICU stay", of_stays)
    counts.found(f"{noun} without an ICU stay, not read", tables.number(f"SELECT count(*) FROM {table}") - of_stays)


def outcomes(stays: Stays) -> dict[str, np.ndarray]:
    """ihm48, los48 and los3, float32 [n]; NaN for stays of less than 2 days or of unknown length,
    and where the outcome is unknown.

    `los` decides who takes part, the times who left before hour 96, also where the two contradict
    each other. Who died in hospital did not leave alive, however long the stay: los48 is 0 even
    where its end is unknown (mimic48 protocol, section 8).

    los3 asks for the length alone, also of those who died. That is our decision: its paper gives no
    more than "LOS > 3 days".
    """
    with np.errstate(invalid="ignore"):
        inside = stays.days >= LONG_DAYS
        los = np.where(stays.died == 1, 0.0, stays.hours < LEFT_HOURS)
    los[np.isnan(stays.died) | ((stays.died == 0) & np.isnan(stays.hours))] = np.nan
    return {
        "ihm48": np.where(inside, stays.died, np.nan).astype(np.float32),
        "los48": np.where(inside, los, np.nan).astype(np.float32),
        "los3": np.where(inside, stays.days > LONGER_DAYS, np.nan).astype(np.float32),
    }
