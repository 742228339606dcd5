"""A stand-in for Sleep-EDF: made-up nights in files of the same layout, read by the same code.

Nothing here is computed from recordings of people. docs/reference/suites/sleepedf.md describes the
model.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.files import write_bytes
from bench.registry import MARK
from bench.seeds import generator
from bench_datasets.sleepedf.params import EPOCH, FAST, SleepedfParams
from bench_datasets.sleepedf.read import need_edfio

VERSION = 1

BEYOND = 10
"""Epochs by which the first hypnogram of the second subject runs past its signals."""


@dataclass(frozen=True)
class Rhythm:
    """What a stage looks like.

    - hertz, rhythm: frequency and µV of the main rhythm of its EEG.
    - slow, background, eyes: µV of slow waves, of noise and of eye movements.
    - breath: frequency of breathing, hertz. muscle: level of the EMG, µV.
    """

    hertz: float
    rhythm: float
    slow: float
    background: float
    eyes: float
    breath: float
    muscle: float


LOOKS = {
    "Sleep stage W": Rhythm(10.0, 22.0, 3.0, 9.0, 60.0, 0.30, 3.6),
    "Sleep stage 1": Rhythm(5.5, 12.0, 5.0, 7.0, 25.0, 0.27, 2.6),
    "Sleep stage 2": Rhythm(13.0, 14.0, 14.0, 6.0, 8.0, 0.25, 2.0),
    "Sleep stage 3": Rhythm(13.0, 6.0, 38.0, 5.0, 10.0, 0.23, 1.7),
    "Sleep stage 4": Rhythm(13.0, 3.0, 60.0, 5.0, 12.0, 0.22, 1.6),
    "Sleep stage R": Rhythm(4.0, 8.0, 4.0, 7.0, 80.0, 0.28, 0.8),
    "Movement time": Rhythm(10.0, 10.0, 60.0, 40.0, 100.0, 0.30, 4.8),
    "Sleep stage ?": Rhythm(10.0, 10.0, 5.0, 9.0, 20.0, 0.28, 3.0),
}

CYCLE = (
    ("Sleep stage 1", 4), ("Sleep stage 2", 7), ("Sleep stage 3", 5), ("Sleep stage 4", 5), ("Movement time", 1),
    ("Sleep stage 2", 4), ("Sleep stage R", 9), ("Sleep stage W", 3),
)  # fmt: skip
"""Stages of a cycle of sleep, with about how many epochs of each."""

VARIES = np.array([0.12, 0.55, 0.6, 0.25, 0.7, 0.1, 0.45])
"""How much each of these varies from epoch to epoch: standard deviations of its logarithm."""

AWAKE, UNSCORED = 14, 2
"""Epochs of wake before the first cycle, and without a stage at the end."""


RANGES = {
    # unit, smallest and largest value, samples per second
    "EEG Fpz-Cz": ("uV", (-400.0, 400.0), FAST),
    "EEG Pz-Oz": ("uV", (-400.0, 400.0), FAST),
    "EOG horizontal": ("uV", (-1000.0, 1000.0), FAST),
    "Resp oro-nasal": ("", (-2048.0, 2047.0), 1),
    "EMG submental": ("uV", (-10.0, 10.0), 1),
    "Temp rectal": ("DegC", (30.0, 45.0), 1),
    "Event marker": ("", (-2048.0, 2047.0), 1),
}
"""The signals of a file, in the order of the published ones."""


def generate(folder: Path, params: SleepedfParams, report: Callable[[str], None]) -> None:
    """Write two nights of each subject (one of the first), and the mark by which they are known to
    be made up, into a new folder. Raises PluginError without edfio.
    """
    need_edfio()
    folder.mkdir(parents=True, exist_ok=True)
    seed = params.generator_seed
    for subject in range(params.subjects):
        rng = generator(seed, "data", "sleepedf", "subject", subject)
        age, sex, size = int(rng.integers(25, 95)), str(rng.choice(["F", "M"])), float(np.exp(0.1 * rng.normal()))
        for night in (1, 2) if subject else (1,):
            report(f"generating night {night} of subject {subject}")
            own = generator(seed, "data", "sleepedf", "night", subject, night)
            runs = _runs(params.minutes * 60 // EPOCH, own)
            start = datetime.datetime(1989, 4, 1, 16 + night, 30) + datetime.timedelta(days=subject)
            name = f"{'Female' if sex == 'F' else 'Male'}_{age}yr"
            stem = folder / f"SC4{subject:02d}{night}"
            _write_signals(stem.with_name(f"{stem.name}E0-PSG.edf"), _signals(runs, size, own), (sex, name), start)
            if (subject, night) == (1, 1):
                runs = [*runs, ("Sleep stage W", BEYOND)]
            write_hypnogram(stem.with_name(f"{stem.name}EC-Hypnogram.edf"), runs, (sex, name), start)
    about = {"dataset": "sleepedf", "version": VERSION, "subjects": params.subjects, "minutes": params.minutes}
    write_bytes(folder / MARK, msgspec.json.encode({**about, "generator_seed": seed}))


def write_hypnogram(path: Path, runs: list[tuple[str, int]], who: tuple[str, str], start: datetime.datetime) -> None:
    """A hypnogram: an annotation for each run of epochs of one text. who: sex and name, which
    tells the age.
    """
    import edfio

    ends = np.cumsum([many for _, many in runs]).tolist()
    annotations = [
        edfio.EdfAnnotation(float(EPOCH * (end - many)), float(EPOCH * many), text)
        for (text, many), end in zip(runs, ends, strict=True)
    ]
    edfio.Edf([], annotations=annotations, **_header(who, start)).write(path)


def _write_signals(path: Path, signals: dict[str, np.ndarray], who: tuple[str, str], start: datetime.datetime) -> None:
    import edfio

    signals_of_file = [
        edfio.EdfSignal(
            np.clip(values, *RANGES[label][1]),
            RANGES[label][2],
            label=label,
            physical_dimension=RANGES[label][0],
            physical_range=RANGES[label][1],
            digital_range=(-2048, 2047),
        )
        for label, values in signals.items()
    ]
    edfio.Edf(signals_of_file, data_record_duration=EPOCH, **_header(who, start)).write(path)


def _header(who: tuple[str, str], start: datetime.datetime) -> dict[str, Any]:
    import edfio

    sex, name = who
    return {
        "patient": edfio.Patient(sex="F" if sex == "F" else "M", name=name),
        "recording": edfio.Recording(startdate=start.date()),
        "starttime": start.time(),
    }


def _runs(epochs: int, rng: np.random.Generator) -> list[tuple[str, int]]:
    """Text and number of epochs of each annotation, `epochs` in all."""
    runs, left = [("Sleep stage W", AWAKE)], epochs - AWAKE - UNSCORED
    while left > 0:
        for text, usual in CYCLE:
            many = min(left, usual if usual == 1 else int(rng.integers(usual - 2, usual + 3)))
            if many > 0:
                runs.append((text, many))
            left -= max(many, 0)
    return [*runs, ("Sleep stage ?", UNSCORED)]


def _signals(runs: list[tuple[str, int]], size: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The signals of a night, in their units. size: of the sleeper's EEG, about 1."""
    looks = np.array([astuple(LOOKS[text]) for text, many in runs for _ in range(many)])
    looks *= np.exp(VARIES * rng.normal(size=looks.shape))
    fast, slow = np.repeat(looks, EPOCH * FAST, axis=0), np.repeat(looks, EPOCH, axis=0)
    hertz, rhythm, waves, background, eyes = fast.T[:5]
    n = len(fast)
    turns = np.cumsum(hertz + 0.3 * np.repeat(rng.normal(size=n // FAST), FAST)) / FAST
    burst = np.sin(2 * np.pi * 0.15 * np.arange(n) / FAST + rng.uniform(0, 7)) > -0.3
    own = rhythm * burst * np.sqrt(2) * np.sin(2 * np.pi * turns) + waves * _band(0.5, 2.0, n, rng)
    eeg = [size * (share * own + background * rng.normal(size=n)) for share in (1.0, 0.8)]
    breath = np.cumsum(slow[:, 5]) + rng.uniform()
    return {
        "EEG Fpz-Cz": eeg[0],
        "EEG Pz-Oz": eeg[1],
        "EOG horizontal": eyes * _band(0.2, 1.5, n, rng) + 5 * rng.normal(size=n),
        "Resp oro-nasal": 500 * np.sin(2 * np.pi * breath) + 60 * rng.normal(size=len(slow)),
        "EMG submental": slow[:, 6] * (1 + 0.15 * rng.normal(size=len(slow))),
        "Temp rectal": 37 + 0.05 * rng.normal(size=len(slow)),
        "Event marker": np.zeros(len(slow)),
    }


def _band(low: float, high: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise between two frequencies, of variance 1: [n]."""
    from scipy.signal import butter, sosfilt

    noise = sosfilt(butter(2, (low, high), "bandpass", fs=FAST, output="sos"), rng.normal(size=n))
    scaled: np.ndarray = noise / noise.std()
    return scaled
