"""A stand-in for PTB-XL: made-up ECGs in files of the same layout, read by the same code.

Nothing here is computed from recordings of people. docs/reference/suites/ptbxl.md describes the
model.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from bench.files import write_bytes, write_text
from bench.registry import MARK
from bench.seeds import generator
from bench_datasets.ptbxl.files import INDEX, SIGNALS, STATEMENTS
from bench_datasets.ptbxl.index import FOLDS
from bench_datasets.ptbxl.params import CLASSES, LEADS, RATE, SAMPLES, PtbxlParams

VERSION = 1

CODES = {
    "NORM": ("NORM",),
    "MI": ("IMI", "ASMI", "AMI"),
    "STTC": ("NDT", "NST_", "ISC_"),
    "CD": ("LAFB", "IRBBB", "CRBBB"),
    "HYP": ("LVH", "LAO/LAE"),
}
"""Superclass -> statements of it."""

OTHERS = ("SR", "AFIB", "PVC", "ABQRS")
"""Statements that are not diagnostic."""

LIKELIHOODS = (100.0, 80.0, 50.0, 35.0, 15.0, 0.0)
SITES = ("0.0", "1.0", "2.0", "3.0", "4.0", "")
"""As the published index writes them; "" is unknown."""

WAVES = {
    # offset s, width s, amplitude mV, direction (left, down, front)
    "P": (-0.16, 0.025, 0.12, (0.6, 0.7, 0.2)),
    "Q": (-0.035, 0.010, -0.12, (0.9, 0.3, -0.5)),
    "R": (0.0, 0.014, 1.10, (0.7, 0.8, -0.1)),
    "S": (0.035, 0.012, -0.30, (0.5, 0.2, -0.9)),
    "ST": (0.12, 0.040, 0.0, (0.5, 0.6, 0.6)),
    "T": (0.26, 0.050, 0.30, (0.7, 0.5, 0.4)),
}


def generate(folder: Path, params: PtbxlParams, report: Callable[[str], None]) -> None:
    """Write both tables, the records and the mark by which they are known to be made up, into a
    new folder.
    """
    seed, rows = params.generator_seed, []
    plan = generator(seed, "data", "ptbxl", "patients")
    patients = np.cumsum(plan.random(params.records) > 0.15)  # a repeat of the patient before, at times
    for record, patient in enumerate(patients.tolist(), 1):
        if record % 1000 == 1:
            report(f"generating record {record:,} of {params.records:,}")
        person = _person(generator(seed, "data", "ptbxl", "patient", patient))
        rng = generator(seed, "data", "ptbxl", "record", record)
        codes, strengths = _statements(rng)
        name = f"{SIGNALS}/{record // 1000 * 1000:05d}/{record:05d}_lr"
        write_record(folder / name, _leads(person, strengths, rng))
        rows.append((record, f"{patient}.0", person.site, codes, patient % FOLDS + 1, name))
    header = ("ecg_id", "patient_id", "site", "scp_codes", "strat_fold", "filename_lr")
    write_text(folder / INDEX, _csv([header, *rows]))
    write_text(folder / STATEMENTS, _csv(_statement_rows()))
    about = {"dataset": "ptbxl", "version": VERSION, "records": params.records, "generator_seed": seed}
    write_bytes(folder / MARK, msgspec.json.encode(about))


def write_record(path: Path, millivolts: np.ndarray) -> None:
    """Both files of a record in the form of PTB-XL: format 16, 1,000 steps per mV, 100 Hz.

    path: without suffix; millivolts: [1000, 12], leads in the order of the files.

    The writer of wfdb takes ten times as long for the same bytes.
    """
    steps = np.rint(1000 * millivolts).astype("<i2")
    sums = steps.sum(axis=0, dtype=np.int64) % 2**16
    lines = [f"{path.name} {len(LEADS)} {RATE} {len(steps)}"]
    lines += [
        f"{path.name}.dat 16 1000.0(0)/mV 16 0 {first} {total} 0 {lead.upper()}"
        for lead, first, total in zip(LEADS, steps[0].tolist(), sums.tolist(), strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n", "ascii")
    path.with_suffix(".dat").write_bytes(steps.tobytes())


@dataclass(frozen=True)
class _Person:
    """What the records of a patient share. turn: of the heart in the frontal plane, radians."""

    site: str
    rate: float
    size: float
    turn: float


def _person(rng: np.random.Generator) -> _Person:
    site = str(rng.choice(SITES, p=(0.42, 0.29, 0.19, 0.06, 0.03, 0.01)))
    return _Person(site, rng.uniform(55, 95), float(np.exp(0.15 * rng.normal())), 0.2 * rng.normal())


def _statements(rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """The text of a record's statements, and how strong each superclass shows, float [5]."""
    kind = rng.random()
    if kind < 0.04:
        chosen: list[int] = []
    elif kind < 0.40:
        chosen = [0]
    else:
        most = 1 if kind < 0.80 else 2 if kind < 0.97 else 3
        chosen = sorted(rng.choice(np.arange(1, 5), most, replace=False, p=(0.3, 0.28, 0.27, 0.15)).tolist())
        if rng.random() < 0.03:
            chosen = [0, *chosen]
    strengths = np.zeros(len(CLASSES))
    codes: dict[str, float] = {}
    for place in chosen:
        likelihood = float(rng.choice(LIKELIHOODS, p=(0.6, 0.15, 0.1, 0.05, 0.05, 0.05)))
        codes[str(rng.choice(CODES[CLASSES[place]]))] = likelihood
        strengths[place] = 0.4 + 0.6 * likelihood / 100 if likelihood else 0.0
    codes |= dict.fromkeys(rng.choice(OTHERS, rng.integers(0, 3), replace=False).tolist(), 0.0)
    return repr(codes), strengths


def _leads(person: _Person, strengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An ECG, mV, float [1000, 12]. The four derived limb leads follow from I and II exactly."""
    _, infarct, repolarisation, conduction, growth = strengths
    wide = 1 + 1.3 * conduction
    scale = {"Q": 1 + 4.0 * infarct, "R": 1 + 0.9 * growth, "S": 1 + 1.2 * growth, "T": 1 - 1.7 * repolarisation}
    seconds = np.arange(SAMPLES) / RATE
    gaps = 60 / person.rate * (1 + 0.03 * rng.normal(size=20))
    beats = np.cumsum(gaps) - gaps[0] * rng.uniform(0.2, 1.2)
    dipole = np.zeros((SAMPLES, 3))
    for wave, (offset, width, amplitude, direction) in WAVES.items():
        if wave in "QRS":
            offset, width = offset * wide, width * wide
        height = amplitude * scale.get(wave, 1.0) + 0.3 * infarct * (wave == "ST")
        distance = (seconds[:, None] - beats - offset) / width
        dipole += height * np.exp(-0.5 * distance**2).sum(axis=1)[:, None] * np.array(direction)
    turn = np.array([[np.cos(person.turn), np.sin(person.turn)], [-np.sin(person.turn), np.cos(person.turn)]])
    dipole[:, :2] = dipole[:, :2] @ turn
    dipole *= person.size
    left, down, front = dipole.T
    angles = np.deg2rad([115, 95, 75, 50, 25, 5])
    own = np.column_stack([left, 0.5 * left + 0.87 * down, *(np.cos(a) * left + np.sin(a) * front for a in angles)])
    drift = np.sin(2 * np.pi * rng.uniform(0.15, 0.35, 8) * seconds[:, None] + rng.uniform(0, 2 * np.pi, 8))
    own += 0.05 * drift + 0.015 * rng.normal(size=own.shape)
    one, two = own[:, 0], own[:, 1]
    derived = (two - one, -(one + two) / 2, one - two / 2, two - one / 2)
    return np.column_stack([one, two, *derived, own[:, 2:]])


def _statement_rows() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [("", "description", "diagnostic", "diagnostic_class")]
    rows += [(code, f"made up: {name}", "1.0", name) for name, codes in CODES.items() for code in codes]
    return rows + [(code, "made up: not diagnostic", "", "") for code in OTHERS]


def _csv(rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
