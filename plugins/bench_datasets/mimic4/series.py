"""Modalities other than the vitals: rows of numbers with a time become a series; what is absent
becomes an empty one.
"""

from __future__ import annotations

import logging

import numpy as np

from bench.cohort import Events, Series
from bench_datasets.long_rows import series_of_events

ABSENT = "absent"
"""The channel of a modality that is not there at all."""

_log = logging.getLogger("bench.mimic4")


def to_series(events: Events, channels: tuple[str, ...], units: tuple[str, ...], hours: int) -> Series:
    """Events of all records, inside the window, as a series with an hourly grid."""
    n = len(events.offsets) - 1
    size = n * hours * len(channels) * 5 / 2**30
    if size > 8:
        _log.warning(
            "a grid of %d stays x %d hours x %d channels takes %.0f GiB; reduce the width of the embeddings first "
            "(see docs/reference/datasets/mimic4.md)", n, hours, len(channels), size
        )  # fmt: skip
    return series_of_events(events, channels, units, hours)


def rows_to_events(n: int, record: np.ndarray, seconds: np.ndarray, values: np.ndarray) -> Events:
    """Rows sorted by record and time as events. record, seconds: int [rows]; values: float32
    [rows, channels].
    """
    offsets = np.concatenate([[0], np.cumsum(np.bincount(record, minlength=n))]).astype(np.int64)
    return Events(offsets, (seconds / 3600).astype(np.float32), values.astype(np.float32, copy=False))


def absent(n: int, hours: int) -> Series:
    """A modality without any observation in any record: one channel, so that shapes hold."""
    empty = Events(np.zeros(n + 1, np.int64), np.zeros(0, np.float32), np.zeros((0, 1), np.float32))
    return to_series(empty, (ABSENT,), ("",), hours)
