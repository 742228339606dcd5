"""A record as HAIM sees it: eleven statistics of every channel, aggregated embeddings, the statics,
side by side.

Soenksen et al., npj Digital Medicine 5:149 (2022), and its code (MIMIC_IV_HAIM_API.py: get_ts_emb
and the aggregation of notes and images).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from bench.cohort import Cohort, Series
from bench_fusers.text_modality import TEXTS

STATISTICS = (
    *("max", "min", "mean", "variance", "mean_difference", "mean_absolute_difference", "max_absolute_difference"),
    *("sum_absolute_difference", "last_minus_first", "peaks", "slope"),
)
"""In the order of the code."""

CHUNK = 1024
"""Records summarised at a time, so that the working memory stays small whatever the cohort's size;
of events, which are padded to the longest record, an eighth of it.
"""

ALL = "all"
"""Stands for the channel in the name of a feature that speaks of a whole modality."""


def features(
    cohort: Cohort,
    *,
    embeddings: Sequence[str],
    raw: bool,
    mode: Literal["honest", "reference"],
    counts: bool,
    trend_time: bool,
    events: bool = False,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Features float32 [n, features] and their names, `modality/channel/statistic`; statics are
    `statics/name/value`.

    - embeddings: the modalities whose steps are vectors of an encoder; each becomes their mean over
      the steps. Any other becomes the `STATISTICS` of each of its channels.
    - events: with `raw`, every value that was recorded; else of each bin the last.
    - raw: observed entries alone; else every entry of the completed grid of a modality that is
      available or filled.
    - mode honest: what has no value is NaN (a static too), and steps of an embedding weigh the
      same.
    - mode reference: what has no value is 0. A step weighs t if the modality is of words (`TEXTS`),
      else (t - first) / (last - first) of the steps read; all weigh the same where that is nothing.
    - counts: add, in mode honest, how many entries of each channel were observed (of an embedding:
      how many steps) and whether the modality is there (available or filled).
    - trend_time: slopes against hours, in place of the number of the value.

    The code also adds a row of zeros to every series: the minimum of positive signals becomes 0 and
    the slope too small. That is left out in both modes. NaN in the grid, as the imputer `none`
    leaves it, counts as not read. A record's row depends on that record alone.
    """
    more = counts and mode == "honest"
    columns, names = [np.zeros((len(cohort), 0), np.float32)], []
    for modality, series in cohort.modalities.items():
        chunk = max(1, CHUNK // 8) if raw and events else CHUNK
        starts = range(0, len(cohort), chunk)
        embedded = modality in embeddings
        if embedded:
            names += [f"{modality}/{channel}/mean" for channel in series.channels]
        else:
            names += [f"{modality}/{channel}/{name}" for channel in series.channels for name in STATISTICS]
        words = modality in TEXTS
        blocks = []
        for start in starts:
            values, read, times = _read(series, slice(start, start + chunk), raw, events)
            blocks.append(_block(values, read, times, embedded, words, mode, trend_time))
        columns += [np.concatenate(blocks)] if blocks else [np.zeros((0, _width(series, embedded)), np.float32)]
        if more:
            channels = (ALL,) if embedded else series.channels
            names += [*(f"{modality}/{channel}/count" for channel in channels), f"{modality}/{ALL}/present"]
            columns += [_counts(series, embedded), series.present[:, None].astype(np.float32)]
    statics = np.asarray(cohort.statics, np.float32)
    columns.append(np.nan_to_num(statics, nan=0.0) if mode == "reference" else statics)
    names += [f"statics/{name}/value" for name in cohort.static_names]
    return np.concatenate(columns, axis=1), tuple(names)


def statistics(values: np.ndarray, read: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
    """The eleven `STATISTICS`, float64 [n, channels, 11]; NaN for a channel without any value that
    is read.

    - values: [n, length, channels].
    - read: bool of the same shape, which of them count.
    - times: [length] or [n, length], against which the slope is fitted. None, as published: against
      the number of the value (0, 1, ... of those read).

    Variance has n - 1 in its denominator. Differences are between values that follow each other
    among those read. A peak is a strict local maximum inside the series; a plateau counts once. Of
    one value alone, variance, differences, peaks and slope are 0.
    """
    n, length, channels = values.shape
    # What is read comes first, in order of time; its number is `count`.
    order = np.argsort(~read, axis=1, kind="stable")
    count = read.sum(axis=1)
    there = np.arange(length)[None, :, None] < count[:, None]
    kept = np.where(there, np.take_along_axis(values, order, axis=1), 0.0).astype(np.float64)
    some = np.maximum(count, 1)
    mean = kept.sum(axis=1) / some
    centred = np.where(there, kept - mean[:, None], 0.0)
    variance = (centred**2).sum(axis=1) / np.maximum(count - 1, 1)

    steps = np.where(there[:, 1:], np.diff(kept, axis=1), 0.0)
    gaps = np.maximum(count - 1, 1)
    sizes = np.abs(steps)
    last = np.take_along_axis(kept, some[:, None] - 1, axis=1)[:, 0]
    change = last - kept[:, 0]

    peaks = np.zeros((n, channels))
    rising = np.zeros((n, channels), bool)
    for step in np.moveaxis(steps, 1, 0):
        peaks += rising & (step < 0)
        rising = np.where(step == 0, rising, step > 0)

    if times is None:
        at = np.broadcast_to(np.arange(length, dtype=np.float64)[None, :, None], order.shape)
    else:
        hours = np.broadcast_to(np.asarray(times, np.float64)[..., None], order.shape)
        at = np.take_along_axis(hours, order, axis=1)
    offset = np.where(there, at - (np.where(there, at, 0.0).sum(axis=1) / some)[:, None], 0.0)
    spread = (offset**2).sum(axis=1)
    slope = (offset * centred).sum(axis=1) / np.where(spread > 0, spread, 1.0)

    columns = [
        *(np.where(there, kept, -np.inf).max(axis=1), np.where(there, kept, np.inf).min(axis=1), mean, variance),
        *(change / gaps, sizes.sum(axis=1) / gaps, sizes.max(axis=1, initial=0.0), sizes.sum(axis=1), change),
        *(peaks, slope),
    ]
    return np.where((count > 0)[:, :, None], np.stack(columns, axis=2), np.nan)


def aggregated(
    values: np.ndarray, read: np.ndarray, times: np.ndarray | None = None, words: bool = False
) -> np.ndarray:
    """The mean of the vectors of an embedding, float64 [n, channels]; NaN where no step has a
    value.

    - values: [n, length, channels].
    - read: bool of the same shape. A channel is averaged over the steps in which it is read.
    - times: [length] or [n, length], hours; None for equal weights. A step weighs (t - first) /
      (last - first) among the record's steps that hold anything. All weigh the same where no step
      has a weight, as where there is one step.
    - words: a step weighs t instead.
    """
    weights = read.astype(np.float64)
    if times is not None:
        steps = read.any(axis=2)
        hours = np.broadcast_to(np.asarray(times, np.float64), steps.shape)
        first = np.where(steps, hours, np.inf).min(axis=1, keepdims=True)
        span = np.where(steps, hours, -np.inf).max(axis=1, keepdims=True) - first
        if words:
            first, span = np.zeros_like(first), np.ones_like(span)
        # A channel that is read in the first step alone has no weight anywhere either: it keeps
        # equal weights.
        timed = np.where(steps & (span > 0), (hours - np.where(span > 0, first, 0)) / np.where(span > 0, span, 1), 0.0)
        later = weights * timed[:, :, None]
        weights = np.where((later.sum(axis=1) > 0)[:, None], later, weights)
    total = weights.sum(axis=1)
    summed = (weights * np.where(read, values, 0.0)).sum(axis=1)
    return np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan)


def _width(series: Series, embedded: bool) -> int:
    return len(series.channels) * (1 if embedded else len(STATISTICS))


def _read(series: Series, rows: slice, raw: bool, events: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of some records values [n, steps, channels], which of them count (bool, same shape), and
    hours [n or 1, steps].
    """
    if raw and events:
        index = np.arange(len(series.grid))[rows]
        times, values, observed = series.events.take(index).padded()
        return values, observed & series.available[index, None, None], times
    grid, observed = np.asarray(series.grid[rows]), np.asarray(series.observed[rows])
    read = (observed if raw else series.present[rows, None, None]) & ~np.isnan(grid)
    return grid, read, np.asarray(series.times)[None]


def _block(
    values: np.ndarray,
    read: np.ndarray,
    times: np.ndarray,
    embedded: bool,
    words: bool,
    mode: Literal["honest", "reference"],
    trend_time: bool,
) -> np.ndarray:
    """What some records' values of one modality become, float32 [n, `_width`]."""
    if values.shape[1] == 0:
        # No record has anything: one step that does not count, so that no code has to treat an
        # empty axis.
        n, _, channels = values.shape
        values, read, times = np.zeros((n, 1, channels)), np.zeros((n, 1, channels), bool), np.zeros((n, 1))
    if embedded:
        features = aggregated(values, read, times if mode == "reference" else None, words)
    else:
        features = statistics(values, read, times if trend_time and mode == "honest" else None)
    features = features.reshape(len(values), -1)
    rows: np.ndarray = (np.nan_to_num(features, nan=0.0) if mode == "reference" else features).astype(np.float32)
    return rows


def _counts(series: Series, embedded: bool) -> np.ndarray:
    """Observed entries of each channel, or of an embedding the steps with any: float32 [n,
    channels or 1].
    """
    observed = np.asarray(series.observed)
    numbers = observed.any(axis=2).sum(axis=1)[:, None] if embedded else observed.sum(axis=1)
    counts: np.ndarray = numbers.astype(np.float32)
    return counts
