"""A record as one row of numbers: statistics of the completed grid, of the mask, the flags and
the statics.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bench.cohort import Cohort, Series

CHUNK = 2048
"""Records summarised at a time, so that the working memory stays small whatever the cohort's
size.
"""

PARTS = 3
"""Consecutive parts of equal length whose means are features too (early, middle, late)."""


def features(cohort: Cohort) -> tuple[np.ndarray, tuple[str, ...]]:
    """Features float32 [n, features] and their names.

    - Per channel, from the completed grid, so that every imputed value counts: mean, standard
      deviation, min, max, first, last, slope and the mean of each third. The slope is per length of
      the grid, by least squares. NaN entries are left out. A channel without any value has NaN
      here; of one value the slope is 0. All channels of a modality that is neither available nor
      filled have NaN, whatever its grid holds.
    - Per channel, from the mask: share of observed bins, and the bins of the first and of the last
      observation, as shares of the length. A channel never observed has first 1 and last 0, which
      no observed one has.
    - Per modality: the flags `available` and `filled`.
    - Per static: its value (NaN where unknown) and whether it is known.

    A record's row depends on that record alone.
    """
    columns, names = [], []
    for modality, series in cohort.modalities.items():
        starts = range(0, len(cohort), CHUNK)
        blocks = [_summary(series, slice(start, start + CHUNK)) for start in starts]
        columns.append(
            np.concatenate(blocks) if blocks else np.zeros((0, len(_NAMES) * len(series.channels)), np.float32)
        )
        names += [f"{modality}.{channel}.{name}" for name in _NAMES for channel in series.channels]
        columns.append(np.stack([series.available, series.filled], axis=1).astype(np.float32))
        names += [f"{modality}.available", f"{modality}.filled"]
    columns += [cohort.statics, ~np.isnan(cohort.statics)]
    names += [f"statics.{name}" for name in cohort.static_names]
    names += [f"statics.{name}.known" for name in cohort.static_names]
    return np.concatenate(columns, axis=1).astype(np.float32), tuple(names)


_NAMES = (
    *("mean", "std", "min", "max", "first", "last", "slope"),
    *(f"mean_{part + 1}_of_{PARTS}" for part in range(PARTS)),
    *("share", "first_seen", "last_seen"),
)


def _summary(series: Series, rows: slice) -> np.ndarray:
    """The block of one modality, [n, names * channels], channels fastest."""
    grid = np.asarray(series.grid[rows], np.float64)
    present = series.present[rows]
    there = ~np.isnan(grid) & present[:, None, None]
    values = np.where(there, grid, 0.0)
    none = ~there.any(axis=1)
    length = grid.shape[1]

    count = np.maximum(there.sum(axis=1), 1)
    mean = values.sum(axis=1) / count
    centred = np.where(there, values - mean[:, None], 0.0)
    std = np.sqrt((centred**2).sum(axis=1) / count)
    low = np.where(there, grid, np.inf).min(axis=1)
    high = np.where(there, grid, -np.inf).max(axis=1)
    first = np.take_along_axis(values, there.argmax(axis=1)[:, None], axis=1)[:, 0]
    last = np.take_along_axis(values, length - 1 - there[:, ::-1].argmax(axis=1)[:, None], axis=1)[:, 0]

    time = np.where(there, (np.arange(length) / length)[None, :, None], 0.0)
    offset = np.where(there, time - (time.sum(axis=1) / count)[:, None], 0.0)
    spread = (offset**2).sum(axis=1)
    slope = (offset * centred).sum(axis=1) / np.where(spread > 0, spread, 1.0)

    statistics = [mean, std, low, high, first, last, slope]
    edges = np.linspace(0, length, PARTS + 1).round().astype(int)
    for start, stop in pairwise(edges):
        held = there[:, start:stop].sum(axis=1)
        total = values[:, start:stop].sum(axis=1)
        statistics.append(np.where(held > 0, total / np.maximum(held, 1), np.nan))
    statistics = [np.where(none, np.nan, statistic) for statistic in statistics]

    observed = np.asarray(series.observed[rows])
    never = ~observed.any(axis=1)
    share = observed.mean(axis=1)
    first_seen = np.where(never, 1.0, observed.argmax(axis=1) / length)
    last_seen = np.where(never, 0.0, 1.0 - observed[:, ::-1].argmax(axis=1) / length)
    return np.concatenate([*statistics, share, first_seen, last_seen], axis=1).astype(np.float32)
