"""Hand-written tables of MIMIC-IV for the tests: invented patients, in every accepted layout;
and how to look.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.mimic4 import table as mimic4_table
from bench_datasets.mimic4.dataset import Mimic4
from bench_datasets.mimic4.params import Mimic4Params

START = datetime(2150, 1, 1, 6)
LAYOUTS = ("2.2", "3.1")
COLUMNS = {
    "hosp/patients": "subject_id gender anchor_age anchor_year anchor_year_group dod",
    "hosp/admissions": "subject_id hadm_id admittime dischtime deathtime admission_type insurance hospital_expire_flag",
    "hosp/diagnoses_icd": "subject_id hadm_id seq_num icd_code icd_version",
    "icu/icustays": "subject_id hadm_id stay_id first_careunit last_careunit intime outtime los",
    "icu/d_items": "itemid label abbreviation linksto category",
    "icu/chartevents": "subject_id hadm_id stay_id caregiver_id charttime storetime itemid value valuenum valueuom warning",
    "note/radiology": "note_id subject_id hadm_id note_type note_seq charttime storetime text",
}
ITEMS = {
    label.text: label.item or 900_000 + rank for rank, (_, _, _, label) in enumerate(mimic4_table.labels("v30-clean"))
}
ITEMS |= {label.text: label.item for _, _, _, label in mimic4_table.labels("v30-reference") if label.item}


def at(hours: float, start: datetime = START) -> str:
    """A time so many hours after ICU admission."""
    return str(start + timedelta(hours=hours))


@dataclass
class Tables:
    """The rows of each table, in the order of `COLUMNS`; None stands for an empty field."""

    rows: dict[str, list[list[object]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = {name: [] for name in COLUMNS if name != "note/radiology"}
        self.rows["icu/d_items"] = [[item, text, text[:5], "chartevents", "any"] for text, item in ITEMS.items()]
        self.add("icu/d_items", 220001, "Problem List", "PL", "datetimeevents", "any")

    def add(self, name: str, *values: object) -> None:
        assert len(values) == len(COLUMNS[name].split())
        self.rows.setdefault(name, []).append(list(values))

    def patient(self, subject: int, gender: str = "F", age: int = 60) -> None:
        self.add("hosp/patients", subject, gender, age, 2148, "2014 - 2016", None)

    def admission(self, hadm: int, subject: int, died: object = 0) -> None:
        self.add("hosp/admissions", subject, hadm, at(-5), at(500), None, "EW EMER.", "Other", died)

    def stay(self, stay: int, hours: float = 72, subject: int = 1, hadm: int = 10, start: datetime = START) -> None:
        self.add("icu/icustays", subject, hadm, stay, "MICU", "MICU", start, at(hours, start), round(hours / 24, 9))

    def chart(self, stay: int, hours: float, label: str, value: object, start: datetime = START) -> None:
        when = at(hours, start)
        self.add("icu/chartevents", 1, 10, stay, 7, when, when, ITEMS[label], value, value, "unit", 0)

    def diagnosis(self, hadm: int, code: str, version: int = 9) -> None:
        self.add("hosp/diagnoses_icd", 1, hadm, 1, code, version)

    def note(self, hours: float, text: object, subject: int = 1, stored: float | None = None) -> None:
        known = at(hours + 0.5 if stored is None else stored)
        number = len(self.rows.setdefault("note/radiology", []))
        self.add("note/radiology", f"{subject}-RR-{number}", subject, 10, "RR", number, at(hours), known, text)

    def write(self, root: Path, layout: str = "2.2", suffix: str = ".csv.gz") -> Path:
        """All tables under `root`. The layout 3.1 has its columns in another order, and one
        more.
        """
        for name, rows in self.rows.items():
            columns = COLUMNS[name].split()
            order = range(len(columns)) if layout == "2.2" else range(len(columns) - 1, -1, -1)
            header = [columns[i] for i in order] + (["new_in_31"] if layout == "3.1" else [])
            lines = [[row[i] for i in order] + ([None] if layout == "3.1" else []) for row in rows]
            write_csv(root / f"{name}{suffix}", [header, *lines])
        return root


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """A CSV file, compressed where its name says so."""
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = stream.getvalue().encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def read_text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Change a written table as text."""
    content = change(read_text(path)).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def one_stay(hours: float = 72, died: object = 0) -> Tables:
    """Patient 1, admission 10, stay 100, with one heart rate at hour 1."""
    tables = Tables()
    tables.patient(1)
    tables.admission(10, 1, died)
    tables.stay(100, hours)
    tables.chart(100, 1, "Heart Rate", 80)
    return tables


def ward(stays: int = 12) -> Tables:
    """Several patients with heart rates and one note each, so that a split and an encoder have
    something to do.
    """
    tables = Tables()
    for i in range(stays):
        tables.patient(i, "MF"[i % 2], 40 + i % 50)
        tables.admission(1000 + i, i, int(i % 3 == 0))
        tables.stay(5000 + i, 40 + 10 * i, i, 1000 + i)
        for hour in range(6):
            tables.chart(5000 + i, hour * 2 + i / 60, "Heart Rate", 60 + i + hour)
        tables.diagnosis(1000 + i, "0389")
        tables.note(3, f"Chest portable: {('clear lungs', 'left effusion', 'edema worse')[i % 3]}, number {i}.", i)
    return tables


def everyone_trains(ids: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    return np.zeros(len(groups), np.int8)


def prepare(
    root: Path, parts: Callable[[Sequence[str], Sequence[str]], np.ndarray] | None = everyone_trains, **params: object
) -> Cohort:
    """The cohort of a folder."""
    return Mimic4(Mimic4Params(**params)).prepare(root, Context(parts=parts))  # type: ignore[arg-type]


def told(messages: Iterable[str], table: str) -> list[str]:
    """The warnings of a table or modality."""
    return [message for message in messages if message.startswith((f"{table}:", f"{table} is unavailable"))]


def values_of(cohort: Cohort, variable: str, record: int = 0) -> list[tuple[float, float]]:
    """(hours, value) of a variable's events in a record."""
    series = cohort.modalities["vitals"]
    rows = slice(series.events.offsets[record], series.events.offsets[record + 1])
    column = series.events.values[rows, series.channels.index(variable)]
    seen = ~np.isnan(column)
    return [
        (round(float(t), 4), round(float(v), 4))
        for t, v in zip(series.events.times[rows][seen], column[seen], strict=True)
    ]


def vitals(*rows: tuple[float, str, object], **params: object) -> Callable[[Path], Cohort]:
    """A cohort of one stay with these (hours, label, value), and a heart rate at hour 1."""

    def make(root: Path) -> Cohort:
        tables = one_stay()
        for hours, label, value in rows:
            tables.chart(100, hours, label, value)
        return prepare(tables.write(root), everyone_trains, **params)

    return make
