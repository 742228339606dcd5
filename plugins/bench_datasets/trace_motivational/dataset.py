"""The synthetic study that motivates TRACE: 30 mixed series, and two conditions made from what
generated them.

Specification: TRACE, appendix A.3, with its gaps filled as
docs/reference/suites/trace_motivational.md says. Nothing is read from disk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.cohort import Cohort, Count, Events, Series
from bench.components import Context, Dataset
from bench.seeds import generator
from bench_datasets.trace_motivational import record
from bench_datasets.trace_motivational.params import TRACE_SPLIT, TraceMotivationalParams
from bench_datasets.trace_motivational.record import DIMS, HORIZON, STEPS

WIDTH = 16
"""Channels of each condition."""

NOISE = 0.03
"""Standard deviation of the observation noise of every entry."""

CONDITION_NOISE = 0.02
"""Standard deviation of the noise on every entry of a condition."""

LARGEST_CONDITION = 1e3
"""A mixing matrix is drawn again until its condition number is below this."""

BLOCK = 500
"""Records that share one generator. A block is always drawn whole, so a larger data set begins with
the records of a smaller one, except for the training statistics that standardise it.
"""

PARTS = ("train", "valid", "test")


class TraceMotivational(Dataset[TraceMotivationalParams]):
    """`series` [50 steps, 30 channels] and the conditions `c_low`, `c_high` [16 channels each], one
    item at time 0.

    Everything is observed; what a scenario hides is known. Values are standardised per channel over
    all training records (conditions are left as made). `forecast` is the next 10 steps of all 30
    channels, on the same scale, step by step. The split `sizes` is by construction: the first
    `train` records, then `valid`, then `test`. Times are steps.
    """

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort of these parameters; `root` is not used."""
        params = self.params
        sizes = {part: getattr(params, part) for part in PARTS}
        rng = generator(params.seed, "data", "trace_motivational", "fixed")
        mixing = _mixing(rng)
        projections = [rng.normal(scale=record.FEATURES**-0.5, size=(WIDTH, record.FEATURES)) for _ in range(2)]
        series, features = zip(*(_part(params.seed, part, size, mixing) for part, size in sizes.items()), strict=True)
        values = np.concatenate(series)
        center, scale = _moments(series[0][:, :STEPS].reshape(-1, DIMS))
        values -= center.astype(np.float32)
        values /= scale.astype(np.float32)
        modalities = {"series": _series(values[:, :STEPS])}
        for place, name in enumerate(("c_low", "c_high")):
            joined = np.concatenate([u[place] for u in features])
            middle, spread = _moments(features[0][place])
            condition = (joined - middle) / spread @ projections[place].T
            condition += _noise(params.seed, name, sizes)
            if params.shuffled_conditions:
                condition = condition[_shuffle(params.seed, sizes)]
            modalities[name] = _item(condition.astype(np.float32), modalities["series"].times)
        ids = np.array([f"{part}-{number:05d}" for part, size in sizes.items() for number in range(size)])
        return Cohort(
            ids=ids,
            groups=ids.copy(),
            modalities=modalities,
            statics=np.zeros((len(ids), 0), np.float32),
            static_names=(),
            targets={"forecast": np.ascontiguousarray(values[:, STEPS:].reshape(len(ids), HORIZON * DIMS))},
            splits={TRACE_SPLIT: np.repeat(np.arange(3, dtype=np.int8), list(sizes.values()))},
            counts={f"{part} records": Count(size, "found") for part, size in sizes.items()},
        )


def _mixing(rng: np.random.Generator) -> np.ndarray:
    """M, float64 [dims, dims], entries N(0, 1 / dims), well enough conditioned."""
    while True:
        matrix = rng.normal(scale=DIMS**-0.5, size=(DIMS, DIMS))
        if np.linalg.cond(matrix) < LARGEST_CONDITION:
            return matrix


def _part(seed: int, part: str, size: int, mixing: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Mixed, noisy values float32 [size, steps + horizon, dims] and the features u1, u2 float64
    [size, features].
    """
    values, low, high = [], [], []
    for block in range(0, size, BLOCK):
        rng = generator(seed, "data", "trace_motivational", part, block // BLOCK)
        drawn = record.draw(rng, BLOCK)
        latent = record.latent(drawn)
        mixed = latent.whole @ mixing.T + rng.normal(scale=NOISE, size=latent.whole.shape)
        u1, u2 = record.features(drawn, latent, rng)
        kept = min(BLOCK, size - block)
        values.append(mixed[:kept].astype(np.float32))
        low.append(u1[:kept])
        high.append(u2[:kept])
    return np.concatenate(values), (np.concatenate(low), np.concatenate(high))


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, float64; scale 1 where nothing varies (a
    handful of records).
    """
    scale = rows.std(axis=0, dtype=np.float64)
    return rows.mean(axis=0, dtype=np.float64), np.where(scale > 0, scale, 1.0)


def _noise(seed: int, name: str, sizes: dict[str, int]) -> np.ndarray:
    """float64 [n, WIDTH], part by part, so that a larger data set begins with the noise of a
    smaller one.
    """
    return np.concatenate(
        [
            generator(seed, "data", "trace_motivational", name, part).normal(scale=CONDITION_NOISE, size=(size, WIDTH))
            for part, size in sizes.items()
        ]
    )


def _shuffle(seed: int, sizes: dict[str, int]) -> np.ndarray:
    """Whose conditions each record gets instead of its own, int [n]: another order within its
    part, both alike.
    """
    order, start = [], 0
    for part, size in sizes.items():
        rng = generator(seed, "data", "trace_motivational", "shuffle", part)
        order.append(start + rng.permutation(size))
        start += size
    return np.concatenate(order)


def _series(grid: np.ndarray) -> Series:
    """A modality of which every step is observed; grid float32 [n, steps, channels]."""
    n, length, channels = grid.shape
    times = np.arange(length, dtype=np.float32)
    grid = np.ascontiguousarray(grid)
    events = Events(np.arange(n + 1, dtype=np.int64) * length, np.tile(times, n), grid.reshape(n * length, channels))
    return Series(
        channels=tuple(f"x{k:02d}" for k in range(channels)),
        units=("SD",) * channels,
        grid=grid,
        observed=np.ones(grid.shape, bool),
        times=times,
        events=events,
        available=np.ones(n, bool),
        filled=np.zeros(n, bool),
    )


def _item(values: np.ndarray, times: np.ndarray) -> Series:
    """A modality of one item per record at time 0; values float32 [n, channels]."""
    n, channels = values.shape
    grid = np.full((n, len(times), channels), np.nan, np.float32)
    grid[:, 0] = values
    return Series(
        channels=tuple(f"c{k:02d}" for k in range(channels)),
        units=("1",) * channels,
        grid=grid,
        observed=~np.isnan(grid),
        times=times,
        events=Events(np.arange(n + 1, dtype=np.int64), np.zeros(n, np.float32), values),
        available=np.ones(n, bool),
        filled=np.zeros(n, bool),
    )
