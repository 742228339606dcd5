"""The two files of a night: which epochs were scored how, and the signals in them.

Onsets and durations of annotations are seconds, signals are samples, and each signal has a rate of
its own. Here an epoch is a number, counted in 30 s from the start of the recording. Only `samples`
turns it into places, by the rate.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.cohort import Counts
from bench.errors import DataError, PluginError
from bench_datasets.foreign import kind_of
from bench_datasets.sleepedf.files import Night
from bench_datasets.sleepedf.params import CHANNELS, EPOCH, FAST, STAGES

if TYPE_CHECKING:
    from edfio import Edf

LARGEST = {"signals": 256 * 2**20, "hypnogram": 2**20}
"""Bytes of a file: five times a published recording, two hundred times a hypnogram."""

LONGEST = 200_000
"""Seconds of an annotation that is taken for one; a recording has 86,400 at most."""

TEXTS = {
    "Sleep stage W": 0,
    "Sleep stage 1": 1,
    "Sleep stage 2": 2,
    "Sleep stage 3": 3,
    "Sleep stage 4": 3,
    "Sleep stage R": 4,
}
"""Annotation -> place in `STAGES`. Stages 3 and 4 of Rechtschaffen and Kales are N3."""

GAPS = {"Sleep stage ?": "epochs without a stage", "Movement time": "epochs of movement time"}
"""Annotations that are no stage -> what they are counted as."""

_AGE = re.compile(r"_([0-9]{1,3})yr\b", re.ASCII)


def need_edfio() -> None:
    """PluginError where edfio is not installed."""
    try:
        import edfio  # noqa: F401
    except ImportError as error:
        raise PluginError("reading Sleep-EDF needs edfio; type: pip install 'gapbench[sleep]'") from error


@dataclass(frozen=True)
class Epochs:
    """What is read of a night.

    - numbers: int64 [k], rising; epoch e spans the seconds 30 e to 30 (e + 1) of the recording.
    - stages: int64 [k], places in `STAGES`.
    - age: years, None where the header does not tell it.
    """

    numbers: np.ndarray
    stages: np.ndarray
    age: int | None


@dataclass(frozen=True)
class Hypnogram:
    """What was scored. stages: epoch -> place in `STAGES`; age: years, None where the header does
    not tell it; begun: when, None where that is not told.
    """

    stages: dict[int, int]
    age: int | None
    begun: object


def read_hypnogram(path: Path, counts: Counts) -> Hypnogram:
    """A hypnogram. Raises DataError for a file that is damaged or no EDF, and for annotations
    that do not begin at a whole epoch or overlap.
    """
    with _opened(path, "hypnogram") as file:
        annotations = [(each.onset, each.duration or 0.0, each.text.strip()) for each in file.annotations]
        age = _AGE.search(file.local_patient_identification)
        return Hypnogram(_scored(annotations, path, counts), int(age[1]) if age else None, _start(file))


def read_epochs(night: Night, wake: int, counts: Counts) -> Epochs:
    """The epochs of a night that are read (`within`). Raises DataError as `read_hypnogram` does,
    where a signal is not there or of another rate, and where the two files do not begin at the same
    time.
    """
    hypnogram = read_hypnogram(night.hypnogram, counts)
    with _opened(night.signals, "signals") as signals:
        seconds = min(_length(signals, label, rate, night) for label, rate in CHANNELS.values())
        if _start(signals) != hypnogram.begun:
            raise DataError(
                f"{night.signals.name} and {night.hypnogram.name} do not begin at the same time; are they of one night?"
            )
    return within(hypnogram, seconds, wake, counts)


def within(hypnogram: Hypnogram, seconds: float, wake: int, counts: Counts) -> Epochs:
    """The scored epochs that end within so many seconds of signals. They begin `wake` minutes
    before the first epoch of sleep and end as many after the last; there are none without sleep.
    """
    numbers = np.array(sorted(hypnogram.stages), np.int64)
    inside = (numbers + 1) * EPOCH <= seconds
    counts.left_out("epochs beyond the end of the signals", (~inside).sum())
    numbers = numbers[inside]
    stages = np.array([hypnogram.stages[number] for number in numbers.tolist()], np.int64)
    asleep = numbers[stages != 0]
    margin = wake * 60 // EPOCH
    kept = np.zeros(len(numbers), bool)
    if len(asleep):
        kept = (numbers >= asleep[0] - margin) & (numbers <= asleep[-1] + margin)
    counts.left_out("recordings without sleep", int(not len(asleep)))
    counts.left_out(f"epochs of wake more than {wake} min before or after sleep", (~kept).sum())
    return Epochs(numbers[kept], stages[kept], hypnogram.age)


def read_signals(night: Night) -> dict[str, np.ndarray]:
    """Modality -> the whole signal at its own rate, as recorded, float64 [samples]. Raises
    DataError as `read_epochs` does.
    """
    with _opened(night.signals, "signals") as signals:
        return {name: np.asarray(signals.get_signal(label).data) for name, (label, _) in CHANNELS.items()}


def units_of(night: Night) -> dict[str, str]:
    """Modality -> the unit that the file names."""
    with _opened(night.signals, "signals") as signals:
        return {name: signals.get_signal(label).physical_dimension.strip() for name, (label, _) in CHANNELS.items()}


def resampled(signal: np.ndarray, rate: int) -> np.ndarray:
    """A signal of 100 Hz at another rate that divides it, float64 [samples * rate / 100]; what is
    faster than half that rate is filtered out.
    """
    from scipy.signal import resample_poly

    values: np.ndarray = signal if rate == FAST else resample_poly(signal, 1, FAST // rate)
    return values


def samples(numbers: np.ndarray, rate: int) -> np.ndarray:
    """The places of an epoch's samples in a signal of that rate, int64 [epochs, 30 * rate]."""
    places: np.ndarray = numbers[:, None] * (EPOCH * rate) + np.arange(EPOCH * rate)
    return places


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Edf]:
    """An EDF file. What edfio warns of is a file that is cut short, and refused; as is whatever
    else goes wrong while it is read.
    """
    import edfio

    try:
        if path.stat().st_size > LARGEST[kind]:
            raise ValueError(f"it is larger than {LARGEST[kind] // 2**20} MiB")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield edfio.read_edf(path)
    except DataError:
        raise
    except Exception as error:  # edfio lets through whatever its parsers raise
        is_other = kind_of(path)
        reason = f"is {is_other}" if is_other else f"is damaged or no EDF ({type(error).__name__}: {str(error)[:200]})"
        raise DataError(f"{path} {reason}; move it away and fetch it again: bench data fetch sleepedf") from error


def _start(file: Edf) -> object:
    """When a recording began; None where its header does not tell."""
    try:
        return file.startdate, file.starttime
    except ValueError:
        return None


def _length(file: Edf, label: str, rate: int, night: Night) -> float:
    """Seconds of a signal, whose name and rate must be those of the data set."""
    if label not in file.labels:
        raise DataError(f"{night.signals} has no signal {label}; it has {', '.join(file.labels)[:200]}")
    signal = file.get_signal(label)
    if signal.sampling_frequency != rate:
        raise DataError(f"{night.signals}: {label} has {signal.sampling_frequency:g} samples a second, not {rate}")
    return signal.samples_per_data_record * file.num_data_records / rate


def _scored(annotations: list[tuple[float, float, str]], path: Path, counts: Counts) -> dict[int, int]:
    """Epoch -> stage. An annotation of d seconds has d // 30 epochs."""
    scored: dict[int, int] = {}
    taken: set[int] = set()
    for onset, duration, text in annotations:
        if text not in TEXTS and text not in GAPS:
            counts.left_out("annotations of another kind")
            continue
        if onset < 0 or onset % EPOCH or not 0 <= duration <= LONGEST:
            raise DataError(f"{path}: an annotation does not begin at a whole epoch of {EPOCH} s, or has no duration")
        first, many = int(onset) // EPOCH, int(duration) // EPOCH
        counts.left_out("annotations with a part of an epoch, which is left out", int(duration % EPOCH > 0))
        numbers = set(range(first, first + many))
        if numbers & taken:
            raise DataError(f"{path}: two annotations claim the same epoch")
        taken |= numbers
        if text in TEXTS:
            scored |= dict.fromkeys(numbers, TEXTS[text])
        else:
            counts.left_out(GAPS[text], many)
    counts.found("epochs that were scored", len(scored))
    if not scored:
        raise DataError(f"{path} scores no epoch as any of {', '.join(STAGES)}")
    return scored
