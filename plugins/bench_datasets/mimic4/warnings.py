"""What a person who runs a suite must know of the data: counts of damage, one line per table, and
modalities without a file.

What a whole release has too (values out of range, rows outside the window) is counted and not
warned of.
"""

from __future__ import annotations

from collections import defaultdict

from bench.cohort import Counts
from bench_datasets.mimic4.files import Mimic4Files

ABSENT = "file absent, modality unavailable"
"""How the count of a modality without a file ends."""

EMPTY = "file empty, modality unavailable"
NO_VECTOR = "no vector of a stay in the window, modality unavailable"
NONE_FINITE = "every vector of a stay in the window has a number that is not finite, modality unavailable"
UNREPORTED = "no report of a stay in the window, modality unavailable"
WORDLESS = "no word in the notes of training patients, modality unavailable"
UNGROUPED = "no code of any stay is in one of the 25 groups, task phe25 unavailable"
UNAVAILABLE = {EMPTY, NO_VECTOR, NONE_FINITE, UNREPORTED, WORDLESS, UNGROUPED}
"""How the count of a modality or task ends that the files do not give though they are there: it
says all, without its number.
"""

SOUGHT = {"notes": "note/radiology.csv.gz (or .csv)", "cxr": "cxr.parquet", "ecg": "ecg.parquet"}
"""Modality -> the file that is looked for in the folder of hosp/ and icu/ (notes: also beside
it).
"""

RAGGED = "rows with another number of fields than the first line, skipped"
SEVERAL = 50
"""From so many stays or values on, a column of one value, or with all out of range, is a fault."""
STAYS = "icu/icustays: stays"
REVERSED = "icu/icustays: stays that end before they begin, length unknown"
CONTRADICTED = "icu/icustays: stays whose los is more than 0.1 days from outtime - intime"
LOS_REPLACED = "icu/icustays: stays without a readable los, outtime - intime taken"
ENDLESS = "icu/icustays: stays without a readable outtime, end unknown"
UNITLESS = "icu/icustays: stays without the name of a first care unit"
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
IMPLAUSIBLE = "implausible, most of its values are outside its range (another unit?)"
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
"""Counts that a whole release has a few of: warned of when more than this share of another
count.
"""


def warnings(files: Mimic4Files, counts: Counts) -> list[str]:
    """The lines: one for each table or modality of which anything could not be used, one for
    each absent modality.
    """
    remarks: defaultdict[str, list[str]] = defaultdict(list)
    for name, count in counts.by_name().items():
        table, _, what = name.partition(": ")
        if what in UNAVAILABLE:
            remarks[table].append(what)
        elif name in ALWAYS or what == IMPLAUSIBLE or count.kind == "unusable" or _exceeds(name, counts):
            remarks[table].append(f"{what}: {count.number:,}")
    lines = [f"{table}: {'; '.join(what)}" for table, what in remarks.items()]
    absent = [name for name in SOUGHT if counts.number(f"{name}: {ABSENT}")]
    return lines + [
        f"{name} is unavailable: there is no {SOUGHT[name]} in {'or beside ' if name == 'notes' else ''}{files.base} "
        f"(data.{name}=FILE names another); a modality set that holds {name} is scored without it"
        for name in absent
    ]


def _exceeds(name: str, counts: Counts) -> bool:
    if name not in BEYOND:
        return False
    share, total = BEYOND[name]
    return counts.number(name) > share * counts.number(total)
