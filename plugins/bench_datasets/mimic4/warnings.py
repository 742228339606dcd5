"""What a person who runs a suite must know of the data: counts of damage, one line per table, and modalities without a file.

What a whole release has too (values out of range, rows outside the window) is counted and not warned of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from bench_datasets.mimic4.files import Mimic4Files

ABSENT = "file absent, modality unavailable"
"""How the count of a modality without a file ends."""

SOUGHT = {"notes": "note/radiology.csv.gz (or .csv)", "cxr": "cxr.parquet", "ecg": "ecg.parquet"}
"""Modality -> the file that is looked for in the folder of hosp/ and icu/ (notes: also beside it)."""

SKIPPED = ", skipped"
RAGGED = "rows with another number of fields than the first line, skipped"
SEVERAL = 50
"""Stays, or values, from which on a column that is all alike, or all out of range, is no chance."""
STAYS = "icu/icustays: stays"
REVERSED = "icu/icustays: stays that end before they begin, length unknown"
CONTRADICTED = "icu/icustays: stays whose los is more than 0.1 days from outtime - intime"
LOS_REPLACED = "icu/icustays: stays without a readable los, outtime - intime taken"
ENDLESS = "icu/icustays: stays without a readable outtime, end unknown"
LENGTHLESS = "icu/icustays: length of stay unknown"
VALUELESS = "icu/icustays: stays without a value in the window, left out"
NO_ADMISSION = "icu/icustays: stays whose hadm_id is not in hosp/admissions"
NO_PATIENT = "icu/icustays: stays whose subject_id is not in hosp/patients"
ONE_OUTCOME = "hosp/admissions: stays that all have the same hospital_expire_flag, nothing to predict"
FLAGLESS = "hosp/admissions: hospital_expire_flag unknown, no outcome"
AGELESS = "hosp/patients: age unknown"
SEXLESS = "hosp/patients: gender neither M nor F"
LEADING = "hosp/diagnoses_icd: ICD-9 codes of digits, none of which begins with 0 as many should (zeros lost?)"
CHARTED = "icu/chartevents: rows of the variables"
EARLY = "icu/chartevents: rows before ICU admission, outside the window"
LATE = "icu/chartevents: values charted after the stay's outtime, kept"
SPEECHLESS = "GCS - Verbal Response: values of patients with a tube (No Response-ETT, stored as 1), kept"
IMPLAUSIBLE = ": implausible, most of its values are outside its range (another unit?)"
"""How the count ends of a variable most of whose values were removed."""
CODELESS = "hosp/diagnoses_icd: admissions without any code, no phenotype"
REPORTS = "notes: reports of a stay in the window"
STORELESS = "notes: reports without a readable storetime, charttime taken"
NOT_FINITE = "vectors with a number that is not finite, left out"

ALWAYS = {
    REVERSED,
    CONTRADICTED,
    LOS_REPLACED,
    ENDLESS,
    NO_ADMISSION,
    NO_PATIENT,
    FLAGLESS,
    AGELESS,
    SEXLESS,
    ONE_OUTCOME,
    LEADING,
}
"""Counts that are 0 in a whole release."""

BEYOND = {
    EARLY: (0.1, CHARTED),
    LENGTHLESS: (0.01, STAYS),
    VALUELESS: (0.01, STAYS),
    CODELESS: (0.01, STAYS),
    STORELESS: (0.1, REPORTS),
}
"""Counts that a whole release has a few of: warned of when more than this share of another count."""


def warnings(files: Mimic4Files, counts: Mapping[str, int]) -> list[str]:
    """The lines: one for each table or modality of which anything could not be used, one for each absent modality."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    for name, count in sorted(counts.items()):
        table, _, what = name.partition(": ")
        if what.endswith("unavailable"):
            if count and what != ABSENT:
                said[table].append(what)
        elif _matters(name, count, counts):
            said[table].append(f"{what}: {count:,}")
    lines = [f"{table}: {'; '.join(what)}" for table, what in said.items()]
    absent = [name for name in SOUGHT if counts.get(f"{name}: {ABSENT}")]
    return lines + [
        f"{name} is unavailable: there is no {SOUGHT[name]} in {'or beside ' if name == 'notes' else ''}{files.base} "
        f"(data.{name}=FILE names another); a modality set that holds {name} is scored without it"
        for name in absent
    ]


def _matters(name: str, count: int, counts: Mapping[str, int]) -> bool:
    share, total = BEYOND.get(name, (0.0, ""))
    if total:
        return count > share * counts.get(total, 0)
    return count > 0 and (name in ALWAYS or name.endswith((SKIPPED, NOT_FINITE, IMPLAUSIBLE)))
