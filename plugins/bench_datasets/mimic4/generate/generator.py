"""A synthetic cohort as raw tables of the MIMIC-IV schema, with the best possible predictions
known.

Nothing here is computed from records of patients. docs/reference/datasets/generated-cohort.md
describes the model; the parts are

    state      latent state, outcomes, oracle        codes      phenotypes and ICD codes
    patient    admissions, stays, timing             variables  variables, items, rounds
    chart      true values and charted rows          notes      radiology reports
    write      columns of the files
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute

from bench.errors import DataError, UsageError
from bench.files import replacing, write_bytes
from bench.registry import MARK
from bench.seeds import generator
from bench_datasets.mimic4.files import check_named
from bench_datasets.mimic4.generate import state
from bench_datasets.mimic4.generate.chart import Chart, chart, truth
from bench_datasets.mimic4.generate.codes import OTHER_CODES, PHENOTYPES
from bench_datasets.mimic4.generate.notes import report as radiology_report
from bench_datasets.mimic4.generate.patient import Admission, Patient, Stay, draw
from bench_datasets.mimic4.generate.variables import ITEMS, VARIABLES
from bench_datasets.mimic4.generate.write import CHARTEVENTS, TASKS, Tables
from bench_datasets.mimic4.params import Mimic4Params

VERSION = 3
SUBJECTS, ADMISSIONS, STAYS = 90_000_000, 92_000_000, 93_000_000  # outside the ranges that the release uses
MOST_STAYS = 1_000_000
HOURS = 48  # of true values kept per stay
CHUNK_STAYS, CHUNK_ROWS = 1_000, 400_000
DELAY_MEDIAN, DELAY_SPREAD = 2.5, 0.9  # hours from an examination to its report; sd of the logarithm
IMAGE_NOISE, PIXEL_NOISE = 0.5, 0.3
SEEN = {
    "cxr": state.vector({"thorax": 1.0, "heart": 0.8, "lungs": 0.4, "infection": 0.3}),
    "ecg": state.vector({"heart": 1.2, "circulation": 0.4, "kidneys": 0.2, "severity": 0.2}),
}


class Made(msgspec.Struct, frozen=True):
    """What made a folder; the content of its `synthetic.json`."""

    stays: int
    seed: int
    density: float
    cxr_width: int
    ecg_width: int
    version: int = VERSION


def from_params(folder: Path, params: Mimic4Params, report: Callable[[str], None]) -> None:
    """`generate` as the harness calls it for data.root=synthetic: size and seed are parameters of
    the dataset.

    Raises DataError first where another parameter names a file that is not there.
    """
    check_named(folder, params)
    generate(folder, params.stays, params.generator_seed, report)


def generate(
    folder: Path,
    stays: int,
    seed: int,
    report: Callable[[str], None],
    *,
    density: float = 1.0,
    cxr_width: int = 32,
    ecg_width: int = 16,
) -> None:
    """Write a synthetic cohort of `stays` ICU stays to `folder`, whole or not at all.

    Equal arguments give equal bytes, and the rows of a smaller cohort are the first rows of a
    larger one of the same seed. `density` multiplies how often the chart is written and changes
    nothing else; the widths are those of the image and ECG embeddings (1024 and 256 in the real
    encoders). Memory does not grow with `stays`.

    Leaves a folder alone that these very arguments made before. Raises UsageError for an argument
    that is not accepted, DataError if something else stands in `folder`, StorageError if it cannot
    be written.
    """
    arguments = Made(stays, seed, density, cxr_width, ecg_width)
    _check(arguments)
    if folder.exists():
        if not (folder / MARK).is_file() or (folder / MARK).read_bytes() != msgspec.json.encode(arguments):
            raise DataError(
                f"{folder} holds something else than a synthetic cohort of {stays:,} stays, seed {seed}; "
                "name another folder or remove it"
            )
        return
    with replacing(folder) as temporary:
        temporary.mkdir()
        with Tables(temporary) as tables:
            _Cohort(arguments, tables, report).write()
        write_bytes(temporary / MARK, msgspec.json.encode(arguments))


def _check(arguments: Made) -> None:
    for name, value, low, high in (
        ("stays", arguments.stays, 1, MOST_STAYS),
        ("density", arguments.density, 0.01, 1000),
        ("cxr_width", arguments.cxr_width, 1, 4096),
        ("ecg_width", arguments.ecg_width, 1, 4096),
    ):
        if not low <= value <= high:
            raise UsageError(
                f"{name}={value} of the synthetic cohort is not accepted; give a number from {low} to {high:,}"
            )


class _Cohort:
    """Draws patients one by one and writes them in chunks."""

    def __init__(self, arguments: Made, tables: Tables, report: Callable[[str], None]) -> None:
        self.arguments, self.tables, self.report = arguments, tables, report
        self.admissions = self.stays = self.chart_rows = self.reported = 0
        self.maps = {
            name: generator(0, "data", "mimic4", "map", name, width).standard_normal((len(state.AXES), width))
            for name, width in (("cxr", arguments.cxr_width), ("ecg", arguments.ecg_width))
        }
        self._clear()

    def _clear(self) -> None:
        self.rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.charts: list[tuple[int, int, int, Chart]] = []
        self.values: list[tuple[int, np.ndarray]] = []
        self.oracle: list[tuple[int, int, int, Stay, Admission]] = []
        self.waiting = 0

    def write(self) -> None:
        self.tables.append_rows("icu/d_items", _items())
        self.tables.append_rows("hosp/d_icd_diagnoses", _titles())
        number = 0
        while self.stays < self.arguments.stays:
            self._patient(draw(self.arguments.seed, number))
            number += 1
            if len(self.oracle) >= CHUNK_STAYS or self.waiting >= CHUNK_ROWS:
                self._flush()
        self._flush()

    def _patient(self, patient: Patient) -> None:
        """A patient's rows; of the last patient only as many stays as are wanted, in whole rows."""
        subject = SUBJECTS + 1 + patient.number
        rngs = {
            name: generator(self.arguments.seed, "data", "mimic4", name, patient.number)
            for name in ("chart", "note", "cxr", "ecg", "desk")
        }
        dod = None if patient.died is None else patient.died // 86_400
        self.rows["hosp/patients"].append((subject, patient.gender, patient.age, patient.year, patient.year_group, dod))
        person = _person(rngs["desk"])
        notes = 0
        for admission in patient.admissions:
            if self.stays == self.arguments.stays:
                return
            self.admissions += 1
            hadm = ADMISSIONS + self.admissions
            self._admission(subject, hadm, admission, person, rngs["desk"])
            for stay in admission.stays:
                if self.stays == self.arguments.stays:
                    return
                self.stays += 1
                identity = (subject, hadm, STAYS + self.stays)
                self._stay(identity, admission, stay, rngs)
                notes = self._notes(identity, notes, patient.gender, admission, stay, rngs["note"])

    def _admission(
        self, subject: int, hadm: int, admission: Admission, person: tuple[str, ...], rng: np.random.Generator
    ) -> None:
        emergency = rng.random() < 0.65
        arrived = admission.admittime - int(rng.integers(3600, 8 * 3600))
        kind = "EW EMER." if emergency else str(rng.choice(["URGENT", "OBSERVATION ADMIT", "ELECTIVE"]))
        home = str(rng.choice(["HOME", "HOME HEALTH CARE", "SKILLED NURSING FACILITY", "REHAB"]))
        self.rows["hosp/admissions"].append(
            (
                subject,
                hadm,
                admission.admittime,
                admission.dischtime,
                admission.dischtime if admission.died else None,
                kind,
                f"P{int(rng.integers(16**5)):05X}",
                "EMERGENCY ROOM" if emergency else "PHYSICIAN REFERRAL",
                "DIED" if admission.died else home,
                *person,
                arrived if emergency else None,
                admission.admittime + 1800 if emergency else None,
                int(admission.died),
            )
        )
        self.rows["hosp/diagnoses_icd"] += [
            (subject, hadm, place, code, admission.version) for place, code in enumerate(admission.codes, 1)
        ]

    def _stay(
        self, identity: tuple[int, int, int], admission: Admission, stay: Stay, rngs: dict[str, np.random.Generator]
    ) -> None:
        z = admission.z
        los = (stay.outtime - stay.intime) / 86_400
        self.rows["icu/icustays"].append((*identity, stay.unit, stay.unit, stay.intime, stay.outtime, los))
        hours = math.ceil(los * 24)
        values = truth(rngs["chart"], z, stay.intime, hours)
        # the chart has a generator of its own, so that density leaves the truth of later stays as
        # it is
        own = generator(self.arguments.seed, "data", "mimic4", "rows", *identity)
        drawn = chart(own, z, values, stay.intime, stay.outtime, self.arguments.density)
        self.charts.append((*identity, drawn))
        self.waiting += len(drawn.item)
        self.values.append((identity[2], values[:HOURS].astype(np.float32)))
        self.oracle.append((*identity, stay, admission))
        for name, seen in SEEN.items():
            rng, count = rngs[name], len(stay.moments[name])
            images = seen * z + IMAGE_NOISE * np.sign(np.abs(seen)) * rng.standard_normal((count, len(seen)))
            pixels = images @ self.maps[name]
            pixels = (pixels + PIXEL_NOISE * rng.standard_normal(pixels.shape)).astype(np.float32)
            self.rows[name] += [
                (identity[0], identity[2], int(time), row)
                for time, row in zip(stay.moments[name], pixels, strict=True)
                if time >= stay.intime
            ]

    def _notes(
        self,
        identity: tuple[int, int, int],
        notes: int,
        gender: str,
        admission: Admission,
        stay: Stay,
        rng: np.random.Generator,
    ) -> int:
        subject, hadm, _ = identity
        for time in stay.moments["note"].tolist():
            notes += 1
            text = radiology_report(rng, admission.z, gender)
            delay = int(3600 * math.exp(math.log(DELAY_MEDIAN) + DELAY_SPREAD * rng.standard_normal())) // 60 * 60
            known = None if rng.random() < 0.02 or time < admission.admittime else hadm
            name = f"{subject}-RR-{notes}"
            self.rows["note/radiology"].append((name, subject, known, "RR", notes, time, time + delay, text))
        return notes

    def _flush(self) -> None:
        if not self.oracle:
            return
        for name, rows in self.rows.items():
            self.tables.append_rows(name, rows)
        self._flush_charts()
        self._flush_oracle()
        self.tables.append(
            "oracle/values",
            {
                "stay_id": np.concatenate([np.full(len(values), stay) for stay, values in self.values]),
                "hour": np.concatenate([np.arange(len(values), dtype=np.int16) for _, values in self.values]),
                **dict(zip([v.name for v in VARIABLES], np.concatenate([v for _, v in self.values]).T, strict=True)),
            },
        )
        self.chart_rows += self.waiting
        self.report(
            f"synthetic cohort: {self.stays:,} of {self.arguments.stays:,} stays, {self.chart_rows:,} chart rows"
        )
        self._clear()

    def _flush_charts(self) -> None:
        sizes = [len(drawn.item) for *_, drawn in self.charts]
        columns = {
            name: np.concatenate([getattr(drawn, name) for *_, drawn in self.charts])
            for name in ("time", "delay", "item", "number", "state", "caregiver", "warning")
        }
        item, state_ = columns["item"], columns["state"]
        number = pa.array(columns["number"], from_pandas=True)
        words = pa.array(STATE_WORDS).take(pa.array(STATE_START[item] + state_ - 1, mask=state_ == 0))
        ids = [np.repeat(np.array([chart[place] for chart in self.charts]), sizes) for place in range(3)]
        self.tables.append(
            CHARTEVENTS,
            {
                "subject_id": ids[0],
                "hadm_id": ids[1],
                "stay_id": ids[2],
                "caregiver_id": columns["caregiver"],
                "charttime": columns["time"],
                "storetime": columns["time"] + columns["delay"],
                "itemid": ITEM_IDS[item],
                "value": pyarrow.compute.coalesce(words, number.cast(pa.string())),
                "valuenum": number,
                "valueuom": ITEM_UNITS.take(pa.array(item)),
                "warning": columns["warning"],
            },
        )

    def _flush_oracle(self) -> None:
        """Probabilities and drawn labels; those of the 48-hour tasks are null where the stay is
        shorter.
        """
        z = np.array([admission.z for *_, admission in self.oracle])
        days = np.array([(stay.outtime - stay.intime) / 86_400 for *_, stay, _ in self.oracle])
        died = np.array([admission.died for *_, admission in self.oracle])
        short = days < state.WINDOW_DAYS
        ids = {
            name: np.array([row[place] for row in self.oracle])
            for place, name in enumerate(("subject_id", "hadm_id", "stay_id"))
        }
        known = [*state.outcome_oracle(z), *state.phenotype_probability(z).T]
        visible = [*state.outcome_oracle_visible(z), *state.phenotype_oracle_visible(z).T]
        drawn = [died, (days < state.LATE_DAYS) & ~died, *np.array([a.phenotypes for *_, a in self.oracle]).T]

        def columns(prefix: str, values: list[np.ndarray]) -> dict[str, pa.Array]:
            masks = [short, short] + [None] * len(PHENOTYPES)
            return {
                prefix + task: pa.array(column.astype(np.int8) if column.dtype == bool else column, mask=mask)
                for task, column, mask in zip(TASKS, values, masks, strict=True)
            }

        axes = {f"z_{name}": column for name, column in zip(state.AXES, z.T, strict=True)}
        self.tables.append("oracle/oracle", {**ids, **columns("", known), **columns("visible_", visible), **axes})
        self.tables.append("oracle/labels", {**ids, **columns("", drawn)})


ITEM_IDS = np.array([item.itemid for item in ITEMS])
ITEM_UNITS = pa.array([item.unit or None for item in ITEMS])
STATE_WORDS = [word for item in ITEMS for word in item.states]
STATE_START = np.cumsum([0] + [len(item.states) for item in ITEMS])[:-1]


def _items() -> list[tuple[Any, ...]]:
    return [
        (
            item.itemid,
            item.label,
            item.label,
            "chartevents",
            item.category,
            item.unit or None,
            "Text" if item.states else "Numeric",
            None,
            None,
        )
        for item in sorted(ITEMS, key=lambda item: item.itemid)
    ]


def _titles() -> list[tuple[Any, ...]]:
    known = {
        (code, version): title
        for phenotype in PHENOTYPES
        for version, codes in ((9, phenotype.icd9), (10, phenotype.icd10))
        for code, title in codes.items()
    }
    known |= {(code, version): title for version, codes in OTHER_CODES.items() for code, title in codes.items()}
    return [(code, version, title) for (code, version), title in sorted(known.items())]


def _person(rng: np.random.Generator) -> tuple[str, ...]:
    """Insurance, language, marital status, race: drawn at random, related to nothing."""
    return tuple(
        str(rng.choice(words))
        for words in (
            ["Medicare", "Medicaid", "Other"],
            ["ENGLISH", "?"],
            ["MARRIED", "SINGLE", "WIDOWED", "DIVORCED"],
            ["WHITE", "BLACK/AFRICAN AMERICAN", "ASIAN", "HISPANIC OR LATINO", "OTHER", "UNKNOWN"],
        )
    )
