"""Padded arrays become series: the valid range of each sample, left-aligned in time, with what is
missing marked.

Files carry no clock. In aligned files time is the index of the word. In others, frames of one
modality have no common index with words of another. There time is the place within the modality's
own valid range, scaled to the bins of the grid.
"""

from __future__ import annotations

import numpy as np

from bench.cohort import Counts, Events, Series, bin_events
from bench_datasets.affect.read import MODALITIES, PARTS, Samples

SPOKEN = ("audio", "vision")
"""The modalities whose row of zeros means that the tracker failed; in text it is a word without
a vector.
"""


def ranges(samples: Samples, counts: Counts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Modality -> first step and the step after the last, int64 [n] each, of what is not padding.

    Aligned: from the first to the last token of the attention mask; without a mask, from the first
    to the last step with any text that is not 0. A sample without text is as long as its other
    modalities.

    Not aligned: text in the same way. Audio and vision go by their length, where the file says it
    and nothing lies beyond, else from the first to the last step that is not 0.
    """
    filled = {name: np.asarray((samples.values[name] != 0).any(axis=2)) for name in MODALITIES}
    text = samples.text_mask if samples.text_mask is not None else filled["text"]
    counts.found("samples without any text", (~filled["text"].any(axis=1)).sum())
    if samples.aligned:
        others = filled["audio"] | filled["vision"]
        chosen = np.where(text.any(axis=1, keepdims=True), text, others)
        return dict.fromkeys(MODALITIES, _span(chosen))
    range_of = {"text": _span(text)}
    for name in SPOKEN:
        first, end = _span(filled[name])
        if name in samples.lengths:
            steps = filled[name].shape[1]
            length = samples.lengths[name]
            beyond = end > length
            counts.repaired(f"{name}: samples with values beyond their length, all of them taken", beyond.sum())
            counts.repaired(f"{name}: lengths beyond the array, cut", (length > steps).sum())
            first = np.where(beyond, first, 0)
            end = np.where(beyond, end, np.minimum(length, steps))
        range_of[name] = (first, end)
    return range_of


def _span(filled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First True and one after the last True of each row; 0 and 0 where there is none. filled:
    bool [n, steps].
    """
    some = filled.any(axis=1)
    first = np.where(some, filled.argmax(axis=1), 0)
    end = np.where(some, filled.shape[1] - filled[:, ::-1].argmax(axis=1), 0)
    return first.astype(np.int64), end.astype(np.int64)


def series_of(
    name: str, samples: Samples, span: tuple[np.ndarray, np.ndarray], bins: int, zero_rows: str, counts: Counts
) -> Series:
    """One modality. Numbers that are not finite are missing, channel by channel, and counted by
    channel and part.
    """
    first, end = span
    values = samples.values[name]
    steps = np.arange(values.shape[1])
    inside = (steps >= first[:, None]) & (steps < end[:, None])
    rows = values[inside].astype(np.float32)
    lengths = end - first
    record = np.repeat(np.arange(len(values)), lengths)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    finite = np.isfinite(rows)
    for number, part in enumerate(PARTS):
        bad = (~finite[samples.part[record] == number]).sum(axis=0)
        for channel in np.flatnonzero(bad):
            counts.unusable(f"{name} channel {channel}: values of {part} that are not finite, removed", bad[channel])
    if name in SPOKEN:
        blank = ((rows == 0) | ~finite).all(axis=1)
        what = f"{name}: rows inside a segment that are 0 in all channels"
        if zero_rows == "missing":
            counts.left_out(f"{what}, removed", blank.sum())
            rows[blank] = np.nan
        else:
            counts.found(f"{what}, kept as values", blank.sum())
    rows[~finite] = np.nan
    times = place if samples.aligned else place * (bins / np.repeat(np.maximum(lengths, 1), lengths))
    kept = ~np.isnan(rows).all(axis=1)
    n, width = len(values), values.shape[2]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(record[kept], minlength=n))]).astype(np.int64)
    events = Events(offsets, times[kept].astype(np.float32), rows[kept])
    grid, observed = bin_events(events, bins)
    available = observed.any(axis=(1, 2))
    counts.found(f"{name}: samples without any value", (~available).sum())
    return Series(
        channels=tuple(f"{name}{channel:03d}" for channel in range(width)),
        units=("1",) * width,
        grid=grid,
        observed=observed,
        times=np.arange(bins, dtype=np.float32),
        events=events,
        available=np.asarray(available),
        filled=np.zeros(n, bool),
    )
