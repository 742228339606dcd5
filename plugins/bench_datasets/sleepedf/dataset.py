"""Sleep-EDF as a cohort: epochs of 30 s of five signals, and the stage that was scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.cohort import Cohort, Counts
from bench.components import Context, Dataset, Interrupted
from bench.errors import DataError
from bench_datasets import regular
from bench_datasets.sleepedf.files import Night, nights
from bench_datasets.sleepedf.params import AGE_BAND, CHANNELS, EPOCH, FAST, STAGES, SleepedfParams
from bench_datasets.sleepedf.read import (
    Epochs,
    need_edfio,
    read_epochs,
    read_signals,
    resampled,
    samples,
    units_of,
)


class Sleepedf(Dataset[SleepedfParams]):
    """Reads the sleep-cassette recordings; docs/reference/suites/sleepedf.md has every decision.

    A record is an epoch of 30 s, in the order of recordings and time; its group is the subject, so
    both nights stand in one part. Each signal is a modality of one channel, in the file's unit.
    All are on one grid of `rate` bins a second, time 0 is the beginning of the epoch. A signal of
    one sample a second is observed once a second (see `slow`). There are no statics, and values are
    not scaled by recording: that would use values which a scenario hides.
    """

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort. Raises DataError for a recording that is damaged or not whole, and
        PluginError without edfio.
        """
        need_edfio()
        params, counts = self.params, Counts()
        recordings = nights(root, params)
        epochs: list[Epochs] = []
        for night in recordings:
            if context.should_stop():
                raise Interrupted
            epochs.append(read_epochs(night, params.wake, counts))
        sizes = [len(each.numbers) for each in epochs]
        if not sum(sizes):
            raise DataError(f"no recording under {root} holds an epoch of sleep")
        length = EPOCH * params.rate
        grids = {name: np.full((sum(sizes), length, 1), np.nan, np.float32) for name in CHANNELS}
        for night, each, end in zip(recordings, epochs, np.cumsum(sizes), strict=True):
            if context.should_stop():
                raise Interrupted
            context.report(f"reading {night.signals.name}")
            signals = read_signals(night) if len(each.numbers) else {}
            for name, signal in signals.items():
                rows = grids[name][end - len(each.numbers) : end, :, 0]
                _cut(rows, signal, each.numbers, CHANNELS[name][1], params)
        units = units_of(recordings[0])
        stages = np.concatenate([each.stages for each in epochs])
        subjects = np.repeat([night.subject for night in recordings], sizes)
        counts.found("recordings", len(recordings))
        counts.found("subjects", len({night.subject for night in recordings}))
        for place, name in enumerate(STAGES):
            counts.found(f"task stage: {name}", (stages == place).sum())
        return Cohort(
            ids=np.array(
                [
                    f"{night.name}-{number:04d}"
                    for night, each in zip(recordings, epochs, strict=True)
                    for number in each.numbers
                ]
            ),
            groups=subjects,
            modalities={
                name: regular.series_of(grid, (CHANNELS[name][0],), (units[name],), params.rate)
                for name, grid in grids.items()
            },
            statics=np.zeros((len(stages), 0), np.float32),
            static_names=(),
            targets={"stage": stages.astype(np.float32)},
            bin_hours=regular.bin_hours(params.rate),
            columns={AGE_BAND: _bands(recordings, epochs, params.age_edges, subjects, counts)},
            counts=counts.by_name(),
        )


def _cut(rows: np.ndarray, signal: np.ndarray, numbers: np.ndarray, native: int, params: SleepedfParams) -> None:
    """Put the epochs of a signal into `rows`, float32 [epochs, 30 * rate]. native: the rate of the
    signal in its file.
    """
    if native == FAST:
        rows[:] = resampled(signal, params.rate)[samples(numbers, params.rate)]
        return
    values = signal[samples(numbers, native)]
    if params.slow == "held":
        rows[:] = np.repeat(values, params.rate, axis=1)
    else:
        rows[:, :: params.rate] = values


def _bands(
    recordings: list[Night], epochs: list[Epochs], edges: tuple[int, ...], subjects: np.ndarray, counts: Counts
) -> np.ndarray:
    """The band of each epoch's sleeper, str [n], by the age at the first night; "" where it is
    unknown.
    """
    ages: dict[str, int] = {}
    for night, each in zip(recordings, epochs, strict=True):
        if each.age is not None:
            ages.setdefault(night.subject, each.age)
    named = {subject: band(age, edges) for subject, age in ages.items()}
    counts.left_out("subjects of unknown age", len(set(subjects.tolist()) - named.keys()))
    return np.array([named.get(subject, "") for subject in subjects.tolist()], dtype=str)


def band(age: int, edges: tuple[int, ...]) -> str:
    """For example "35-49" of edges 35 and 50, "-34" below the first and "80-" from the last on."""
    if not edges:
        return "all"
    place = sum(age >= edge for edge in edges)
    low = str(edges[place - 1]) if place else ""
    high = str(edges[place] - 1) if place < len(edges) else ""
    return f"{low}-{high}"
