"""Signals sampled at a regular rate, as the series of a cohort."""

from __future__ import annotations

import numpy as np

from bench.cohort import Events, Series


def bin_hours(rate: float) -> float:
    """The width of a bin that holds one sample, hours. rate: samples per second."""
    return 1 / rate / 3600


def series_of(grid: np.ndarray, channels: tuple[str, ...], units: tuple[str, ...], rate: float) -> Series:
    """One modality from its samples, one in each bin.

    - grid: float32 [n, length, channels]; NaN where a sample is missing. The events share its
      memory where nothing is missing.
    - rate: samples per second.

    An event is a sample with at least one value, at the left edge of its bin: place / rate / 3600
    hours.
    """
    n, length, width = grid.shape
    observed = ~np.isnan(grid)
    times = (np.arange(length) / rate / 3600).astype(np.float32)
    rows = observed.any(axis=2)
    if rows.all():
        events = Events(np.arange(n + 1, dtype=np.int64) * length, np.tile(times, n), grid.reshape(-1, width))
    else:
        offsets = np.concatenate([[0], np.cumsum(rows.sum(axis=1))]).astype(np.int64)
        events = Events(offsets, times[np.nonzero(rows)[1]], grid[rows])
    return Series(
        channels=channels,
        units=units,
        grid=grid,
        observed=observed,
        times=times,
        events=events,
        available=np.asarray(rows.any(axis=1)),
        filled=np.zeros(n, bool),
    )
