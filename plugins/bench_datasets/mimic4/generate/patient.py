"""The story of one generated patient: admissions, ICU stays, outcome, diagnoses, and when reports
and images are made.

All of it follows from two generators keyed by the seed and the patient's number, so a patient does
not change when more are made. Times are whole seconds since 1970 in years shifted to 2110 and
later, as the release does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.seeds import generator
from bench_datasets.mimic4.generate import state
from bench_datasets.mimic4.generate.codes import OTHER_CODES, PHENOTYPES

DAY = 86_400
ANOTHER_STAY = 0.095  # chance of one more ICU stay in an admission: 73,181 stays in 66,239 admissions in the release
ANOTHER_ADMISSION = 0.25  # chance that a survivor is admitted to an ICU again: 66,239 admissions of 50,920 patients
DEATHS_IN_ICU = 0.65
LONGEST_STAY = 45.0  # days; the tail beyond is cut
SHORTEST_STAY = 0.1
EPOCH = 4_417_977_600  # 2110-01-01
YEAR_GROUPS = (2008, 2011, 2014, 2017)
GROUP_SHARES = (0.25, 0.22, 0.25, 0.28)
ICD10_FROM = 2015.75  # the year and month in which billing changed over
UNITS = (
    "Medical Intensive Care Unit (MICU)",
    "Surgical Intensive Care Unit (SICU)",
    "Medical/Surgical Intensive Care Unit (MICU/SICU)",
    "Cardiac Vascular Intensive Care Unit (CVICU)",
    "Coronary Care Unit (CCU)",
    "Trauma SICU (TSICU)",
    "Neuro Surgical Intensive Care Unit (Neuro SICU)",
)


@dataclass(frozen=True)
class Timing:
    """When a modality is recorded in a stay.

    There is an arrival exam (within `within` hours) with a chance, and later ones by rate per day.
    Both are higher with the axes. `reach`: share of patients for whom any exist. `before`: chance
    of one more in the day before the ICU.
    """

    arrival: float
    rate: float
    sicker: dict[str, float]
    reach: float = 1.0
    within: float = 10.0
    before: float = 0.0


# so that in a whole population 56,824, 35,925 and 14,568 of 73,173 stays have any (mimic48
# protocol, section 2)
TIMINGS: dict[str, Timing] = {
    "note": Timing(0.27, 0.975, {"severity": 0.2, "thorax": 0.3}, before=0.3),
    "ecg": Timing(0.22, 0.171, {"heart": 0.25, "severity": 0.15}, before=0.15),
    "cxr": Timing(0.3, 0.35, {"thorax": 0.3, "severity": 0.15}, reach=0.3125),
}


@dataclass
class Stay:
    """An ICU stay; `moments`: seconds at which each modality of TIMINGS is recorded, ascending."""

    intime: int
    outtime: int
    unit: str
    moments: dict[str, np.ndarray]


@dataclass
class Admission:
    """A hospital admission. z: latent state [axis]; phenotypes: bool [25]; codes: in billing
    order.
    """

    admittime: int
    dischtime: int
    died: bool
    z: np.ndarray
    phenotypes: np.ndarray
    version: int
    codes: list[str]
    stays: list[Stay]


@dataclass
class Patient:
    """died: day of death as seconds since 1970 at midnight, in hospital or later; None if not
    known to have died.
    """

    number: int
    gender: str
    age: int
    year: int
    year_group: str
    died: int | None
    admissions: list[Admission]


def draw(seed: int, number: int) -> Patient:
    """Patient `number` of the cohort of this seed."""
    rng = generator(seed, "data", "mimic4", "patient", number)
    burden = rng.standard_normal()
    lasting = rng.random(len(PHENOTYPES))
    reached = {name: bool(rng.random() < timing.reach) for name, timing in TIMINGS.items()}
    group = int(rng.choice(len(YEAR_GROUPS), p=GROUP_SHARES))
    offset = int(rng.integers(3))  # of the true year of the first admission within the group
    start = EPOCH + int(rng.integers(90 * 365)) * DAY + int(rng.integers(DAY))
    first_year = _year(start)
    gender = "M" if rng.random() < 0.56 else "F"
    age = int(np.clip(round(64 + 9 * burden + 13 * rng.standard_normal()), 18, 91))

    admissions: list[Admission] = []
    while True:
        true_year = YEAR_GROUPS[group] + offset + (start - EPOCH) / (365.25 * DAY) - (first_year - 2110)
        admission = _admit(rng, start, burden, lasting, reached, true_year)
        admissions.append(admission)
        if admission.died or rng.random() >= ANOTHER_ADMISSION:
            break
        start = admission.dischtime + int((3 + rng.exponential(200)) * DAY)
    last = admissions[-1]
    later = last.dischtime + int((5 + 360 * rng.random()) * DAY) if rng.random() < 0.2 else None
    died = last.dischtime if last.died else later
    return Patient(
        number=number,
        gender=gender,
        age=age,
        year=first_year,
        year_group=f"{YEAR_GROUPS[group]} - {YEAR_GROUPS[group] + 2}",
        died=None if died is None else died // DAY * DAY,
        admissions=admissions,
    )


def _admit(
    rng: np.random.Generator, start: int, burden: float, lasting: np.ndarray, reached: dict[str, bool], true_year: float
) -> Admission:
    z = rng.standard_normal(len(state.AXES))
    z[state.AXES.index("burden")] = burden
    died = bool(rng.random() < state.death_probability(z))
    stays: list[Stay] = []
    at = start + int(rng.exponential(0.6) * DAY)
    while True:
        days = math.exp(float(state.log_days(z, died)) + state.DAYS_NOISE * rng.standard_normal())
        leave = at + int(np.clip(days, SHORTEST_STAY, LONGEST_STAY) * DAY)
        moments = {
            name: _moments(rng, timing, z, at, leave, reached[name], not stays) for name, timing in TIMINGS.items()
        }
        stays.append(Stay(at, leave, str(rng.choice(UNITS)), moments))
        if rng.random() >= ANOTHER_STAY:
            break
        at = leave + int((0.5 + rng.exponential(2.5)) * DAY)
    ward = int((0.3 + rng.exponential(4.0)) * DAY)
    end = leave if died and rng.random() < DEATHS_IN_ICU else leave + ward

    chronic = np.array([p.chronic for p in PHENOTYPES])
    chances = np.where(chronic, lasting, rng.random(len(PHENOTYPES)))
    phenotypes = chances < state.phenotype_probability(z)
    version = 10 if true_year >= ICD10_FROM and not _ambiguous(phenotypes) else 9
    return Admission(start, end, died, z, phenotypes, version, _codes(rng, phenotypes, version), stays)


def _moments(
    rng: np.random.Generator, timing: Timing, z: np.ndarray, start: int, end: int, reached: bool, first: bool
) -> np.ndarray:
    """Seconds of the recordings of one modality. A process in time, cut off by the end of the stay:
    what falls into the window tells nothing of how long the stay lasts after it.
    """
    more = math.exp(float(state.vector(timing.sicker) @ z))
    arrival = rng.random() < 1 - (1 - timing.arrival) ** more
    times = [start + rng.random() * timing.within * 3600] if arrival else []
    count = rng.poisson(timing.rate * more * (end - start) / DAY)
    times += list(start + rng.random(count) * (end - start))
    if first and rng.random() < timing.before:
        times.append(start - rng.random() * DAY)
    kept = sorted(int(time) // 60 * 60 for time in times if time < end - 60)
    return np.array(kept if reached else [], dtype=np.int64)


def _ambiguous(phenotypes: np.ndarray) -> bool:
    """Whether ICD-10 codes would bring a phenotype that was not drawn."""
    present = {p.ccs for p, drawn in zip(PHENOTYPES, phenotypes, strict=True) if drawn}
    return any(p.also is not None and p.ccs in present and p.also not in present for p in PHENOTYPES)


def _codes(rng: np.random.Generator, phenotypes: np.ndarray, version: int) -> list[str]:
    codes: list[str] = []
    for phenotype, present in zip(PHENOTYPES, phenotypes, strict=True):
        if present:
            known = list(phenotype.icd10 if version == 10 else phenotype.icd9)
            codes += known[: 1 + int(rng.random() < 0.3)] if rng.random() < 0.6 else [known[-1]]
    others = list(OTHER_CODES[version])
    codes += [str(code) for code in rng.choice(others, size=int(rng.integers(1, 5)), replace=False)]
    return [codes[place] for place in rng.permutation(len(codes))]


def _year(seconds: int) -> int:
    return int(np.datetime64(seconds, "s").astype("datetime64[Y]").astype(int)) + 1970
