"""A tiny cohort with known answers, for tests of components. Generated: nothing to download,
milliseconds to make.
"""

from __future__ import annotations

import numpy as np

from bench import seeds
from bench.cohort import Cohort, Events, Series, Task, bin_events

TOY_TASK = Task("toy", "binary", ("auroc", "auprc", "f1"), summary="latent severity above its median")

TOY_TASKS = {
    "binary": TOY_TASK,
    "multiclass": Task("toy_class", "multiclass", ("accuracy",), outputs=3, summary="low, middle or high severity"),
    "multilabel": Task("toy_labels", "multilabel", ("auroc",), outputs=2, summary="severity above 0, severity above 1"),
    "regression": Task("toy_value", "regression", ("mae", "rmse"), summary="latent severity, in standard deviations"),
}
"""A task of every kind; `toy_targets` has their targets."""


def toy_cohort(
    n: int = 48,
    length: int = 12,
    modalities: dict[str, int] | None = None,
    seed: int = 0,
    absent: float = 0.2,
    rate: float = 0.5,
) -> Cohort:
    """A standardised cohort driven by one latent severity per record.

    n records (two per group), `length` hourly bins, `modalities` name -> number of channels
    (default: vitals 3, labs 2). Every channel is severity + a slow wave + noise, recorded at
    irregular times: `rate` events per bin and channel on average. Each record lacks a whole
    modality with probability `absent`. The task `toy` is whether severity exceeds 0. One record
    (the last) has no observation at all.
    """
    rng = seeds.generator(seed, "data", "toy")
    severity = rng.normal(size=n)
    series = {}
    for name, channels in (modalities or {"vitals": 3, "labs": 2}).items():
        times, values, counts = [], [], []
        gone = rng.random(n) < absent
        phase = rng.uniform(0, 2 * np.pi, channels)
        for record in range(n):
            rows = 0 if gone[record] or record == n - 1 else int(rng.poisson(length))
            when = np.sort(rng.uniform(0, length, rows)).astype(np.float32)
            level = severity[record] + np.sin(2 * np.pi * when[:, None] / length + phase) * 0.5
            value = (level + rng.normal(scale=0.5, size=(rows, channels))).astype(np.float32)
            value[rng.random((rows, channels)) > rate] = np.nan
            kept = ~np.isnan(value).all(axis=1)
            times.append(when[kept])
            values.append(value[kept])
            counts.append(int(kept.sum()))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        events = Events(offsets, np.concatenate(times), np.concatenate(values))
        grid, observed = bin_events(events, length)
        labels = tuple(f"{name}_{k}" for k in range(channels))
        available = np.any(observed, axis=(1, 2))
        series[name] = Series(
            channels=labels,
            units=("SD",) * channels,
            grid=grid,
            observed=observed,
            times=np.arange(length, dtype=np.float32),
            events=events,
            available=available,
            filled=np.zeros(n, bool),
        )
    statics = np.stack([severity * 0.3 + rng.normal(size=n), rng.integers(0, 2, n)], 1).astype(np.float32)
    statics[rng.random(n) < 0.1, 0] = np.nan
    return Cohort(
        ids=np.array([f"r{record:04d}" for record in range(n)]),
        groups=np.array([f"g{record // 2:04d}" for record in range(n)]),
        modalities=series,
        statics=statics,
        static_names=("age", "gender"),
        targets={"toy": (severity > 0).astype(np.float32)},
    )


def toy_targets(n: int = 48, seed: int = 0) -> dict[str, np.ndarray]:
    """The targets of all `TOY_TASKS` for the records of `toy_cohort(n, seed=seed)`, by task
    name.
    """
    severity = seeds.generator(seed, "data", "toy").normal(size=n).astype(np.float32)
    return {
        "toy": (severity > 0).astype(np.float32),
        "toy_class": (1 + (severity > 0.5) - (severity < -0.5).astype(int)).astype(np.float32),
        "toy_labels": np.stack([severity > 0, severity > 1], axis=1).astype(np.float32),
        "toy_value": severity,
    }
