"""Cohorts of two modalities whose best possible predictions are known, for the fusers that treat
missing ones.
"""

from __future__ import annotations

import numpy as np

from bench.cohort import Cohort, Events, Series, Task

TASK = Task("toy", "binary", ("auroc",))
BINS = 4


def series(name: str, values: np.ndarray, available: np.ndarray) -> Series:
    """values [n]: the level of every bin of its one channel, all of them observed; 0 where the
    modality is absent.
    """
    n = len(values)
    observed = np.repeat(available[:, None, None], BINS, axis=1)
    grid = np.where(observed, values[:, None, None], 0).astype(np.float32)
    events = Events(np.zeros(n + 1, np.int64), np.zeros(0, np.float32), np.zeros((0, 1), np.float32))
    times = np.arange(BINS, dtype=np.float32)
    return Series((name,), ("SD",), grid, observed, times, events, available, np.zeros(n, bool))


def two(a: Series, b: Series, label: np.ndarray) -> Cohort:
    n = len(label)
    ids = np.array([f"r{k:05d}" for k in range(n)])
    return Cohort(ids, ids, {"a": a, "b": b}, np.zeros((n, 0), np.float32), (), {"toy": label.astype(np.float32)})


def silent(n: int, seed: int) -> Cohort:
    """The sign of `a` is the label where `b` is there, and the opposite where it is not. `b` never
    varies: it is 0.

    Who knows that `b` is absent is always right; who reads zeros in its place cannot beat chance.
    """
    rng = np.random.default_rng(seed)
    a, there = rng.normal(size=n), rng.random(n) < 0.5
    return two(series("a", a, np.ones(n, bool)), series("b", np.zeros(n), there), (a > 0) == there)


def either(n: int, seed: int) -> Cohort:
    """Both show the label, as its sign and noise; each is absent in a third of the records,
    never both.
    """
    rng = np.random.default_rng(seed)
    label, gone = rng.random(n) < 0.5, rng.integers(0, 3, n)
    a, b = (np.where(label, 1, -1) + 0.7 * rng.normal(size=(2, n))).astype(np.float32)
    return two(series("a", a, gone != 0), series("b", b, gone != 1), label)


def strong_and_hidden(n: int, seed: int, strong: bool) -> Cohort:
    """`a` is the label; `b` shows it too, but in its distance from 0. Without `strong`, `a` is
    absent everywhere.
    """
    rng = np.random.default_rng(seed)
    label, sign = rng.random(n) < 0.5, rng.choice([-1.0, 1.0], n)
    far = sign * np.where(label, 1.5, 0.5) + 0.2 * rng.normal(size=n)
    here = np.ones(n, bool)
    return two(series("a", np.where(label, 1.0, -1.0), here & strong), series("b", far, here), label)
