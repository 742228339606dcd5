"""A tiny cohort with known answers, for tests of components. Generated: nothing to download, milliseconds to make."""

from __future__ import annotations

import numpy as np

from bench import seeds
from bench.cohort import Cohort, Events, Series, Task, bin_events

TOY_TASK = Task("toy", "binary", ("auroc", "auprc", "f1"), summary="latent severity above its median")


def toy_cohort(
    n: int = 48,
    length: int = 12,
    modalities: dict[str, int] | None = None,
    seed: int = 0,
    absent: float = 0.2,
    rate: float = 0.5,
) -> Cohort:
    """A standardised cohort driven by one latent severity per record.

    n records (two per group), `length` hourly bins, `modalities` name -> number of channels (default: vitals 3, labs 2).
    Every channel is severity + a slow wave + noise, recorded at irregular times: `rate` events per bin and channel on
    average. Each record lacks a whole modality with probability `absent`. The task `toy` is whether severity exceeds 0.
    One record (the last) has no observation at all.
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
        available = observed.any(axis=(1, 2))
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
