"""Tiny nights of Sleep-EDF for the tests: made signals in real EDF files, and how to read them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.sleepedf.dataset import Sleepedf
from bench_datasets.sleepedf.params import CHANNELS, SleepedfParams

W, N1, N2, N3, N4, REM = (f"Sleep stage {each}" for each in "W1234R")
UNKNOWN, MOVED = "Sleep stage ?", "Movement time"
START = datetime.datetime(1989, 4, 24, 16, 13)
RUNS = ((W, 60), (N1, 60), (N2, 30), (N3, 30), (N4, 30), (MOVED, 30), (REM, 60), (W, 30), (UNKNOWN, 30))
"""Texts with seconds of a night of 360 s, each stage at least once."""


def seconds_of(runs: Sequence[tuple[str, float]]) -> int:
    return int(sum(seconds for _, seconds in runs))


def clock(seconds: int) -> dict[str, np.ndarray]:
    """Signals that tell the time: the second of each sample, plus 1,000 for each further signal."""
    return {
        label: 1000.0 * place + np.repeat(np.arange(seconds), rate)
        for place, (label, rate) in enumerate(CHANNELS.values())
    }


def write_signals(
    path: Path,
    signals: Mapping[str, np.ndarray],
    seconds: int,
    name: str = "Female_33yr",
    start: datetime.datetime = START,
) -> None:
    """Whole numbers up to 32,767 come back as they are."""
    import edfio

    made = [
        edfio.EdfSignal(
            values.astype(float),
            len(values) / seconds,
            label=label,
            physical_dimension="uV",
            physical_range=(-32768, 32767),
        )
        for label, values in signals.items()
    ]
    patient, recording = edfio.Patient(name=name), edfio.Recording(startdate=start.date())
    edfio.Edf(made, patient=patient, recording=recording, starttime=start.time(), data_record_duration=30).write(path)


def write_hypnogram(
    path: Path,
    annotations: Sequence[tuple[float, float, str]],
    name: str = "Female_33yr",
    start: datetime.datetime = START,
) -> None:
    """annotations: onset, duration, text."""
    import edfio

    made = [edfio.EdfAnnotation(*each) for each in annotations]
    patient, recording = edfio.Patient(name=name), edfio.Recording(startdate=start.date())
    edfio.Edf([], patient=patient, recording=recording, starttime=start.time(), annotations=made).write(path)


def in_turn(runs: Sequence[tuple[str, float]]) -> list[tuple[float, float, str]]:
    ends = np.cumsum([seconds for _, seconds in runs])
    return [(float(end - seconds), float(seconds), text) for (text, seconds), end in zip(runs, ends, strict=True)]


def night(
    root: Path,
    name: str = "SC4001",
    runs: Sequence[tuple[str, float]] = RUNS,
    seconds: int | None = None,
    who: str = "Female_33yr",
) -> Path:
    """A night whose signals tell the time, for so many seconds (as long as what was scored)."""
    root.mkdir(parents=True, exist_ok=True)
    seconds = seconds_of(runs) if seconds is None else seconds
    write_signals(root / f"{name}E0-PSG.edf", clock(seconds), seconds, who)
    write_hypnogram(root / f"{name}EC-Hypnogram.edf", in_turn(runs), who)
    return root


def prepare(root: Path, **params: Any) -> Cohort:
    return Sleepedf(SleepedfParams(**params)).prepare(root, Context())
