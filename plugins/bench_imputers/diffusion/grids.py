"""A cohort as a diffusion network sees it: stacked target grids batch by batch, other modalities
pooled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from bench.cohort import Cohort, Series, bins_of
from bench.errors import DataError
from bench_imputers.diffusion.denoiser import Pooled, Shape, SingleEvents


def require_finite(cohort: Cohort, who: str) -> None:
    """Raise DataError where an observed entry of the grid is not a finite number."""
    for name, series in cohort.modalities.items():
        bad = np.asarray(series.observed) & ~np.isfinite(series.grid)
        if bad.any():
            record, place, channel = (int(index[0]) for index in np.nonzero(bad))
            raise DataError(
                f"{who}: {int(bad.sum())} observed entries of {name} are not finite numbers, the first in record "
                f"{cohort.ids[record]}, channel {series.channels[channel]}, bin {place}. Correct them where the "
                "cohort is made, or mark them as not observed"
            )


class Grids:
    """The target modalities of a cohort, stacked along channels, and the context of each record.

    Nothing is copied but what a batch asks for; the cohort's arrays may be memory-mapped.
    """

    def __init__(self, cohort: Cohort, shape: Shape, device: str, events: bool = False):
        self._parts = [cohort.modalities[name] for name in shape.parts]
        self._device = device
        self._context = {name: _pooled(cohort.modalities[name], cohort) for name in shape.context}
        self._events = {name: _Events(cohort.modalities[name], cohort) for name in shape.context if events}

    def observed_any(self) -> np.ndarray:
        """bool [n]: the record has an observed entry in any of the targets."""
        observed: np.ndarray = np.any([np.asarray(part.observed).any(axis=(1, 2)) for part in self._parts], axis=0)
        return observed

    def batch(self, items: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """values (0 where not observed) and observed (1 or 0), float32 [b, channels, length]."""
        observed = np.concatenate([part.observed[items] for part in self._parts], axis=2)
        values = np.concatenate([part.grid[items] for part in self._parts], axis=2)
        values = np.where(observed, values, np.float32(0))
        return self._tensor(values.transpose(0, 2, 1)), self._tensor(observed.transpose(0, 2, 1))

    def context(self, items: np.ndarray) -> dict[str, Pooled]:
        """The other modalities of those records."""
        return {
            name: Pooled(self._tensor(values[items]), torch.from_numpy(available[items]).to(self._device))
            for name, (values, available) in self._context.items()
        }

    def events(self, items: np.ndarray) -> dict[str, SingleEvents]:
        """The other modalities of those records, event by event; empty where they were not asked
        for.
        """
        return {
            name: SingleEvents(self._tensor(values), self._tensor(times), torch.from_numpy(visible).to(self._device))
            for name, (values, times, visible) in ((name, each.padded(items)) for name, each in self._events.items())
        }

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device)


class _Events:
    """The events of a modality that lie in the window and have a visible value."""

    def __init__(self, series: Series, cohort: Cohort):
        self._values, self._times = series.events.values, series.events.times
        seen = _inside(series, cohort) & ~np.isnan(self._values).all(axis=1)
        self._rows = np.flatnonzero(seen)
        counts = np.bincount(series.events.records()[self._rows], minlength=len(cohort))
        self._offsets = np.concatenate([[0], np.cumsum(counts)])

    def padded(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """values [b, n, channels], times [b, n] and visible [b, n] of those records; n is at
        least 1.
        """
        counts = self._offsets[items + 1] - self._offsets[items]
        visible = np.arange(max(counts.max(initial=0), 1)) < counts[:, None]
        rows = np.concatenate([self._rows[self._offsets[item] : self._offsets[item + 1]] for item in items])
        values = np.zeros((*visible.shape, self._values.shape[1]), np.float32)
        times = np.zeros(visible.shape, np.float32)
        values[visible] = np.nan_to_num(self._values[rows], nan=0.0)
        times[visible] = self._times[rows]
        return values, times, visible


def _inside(series: Series, cohort: Cohort) -> np.ndarray:
    """bool [events]: the event lies in the window."""
    bins = bins_of(series.events.times, cohort.bin_hours)
    return (bins >= 0) & (bins < cohort.length)


def _pooled(series: Series, cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Mean over visible event values in the window, per channel: float32 [n, channels]; bool
    [n], there is any.
    """
    records = series.events.records()
    values = np.asarray(series.events.values)
    inside = _inside(series, cohort)
    sums = np.zeros((len(cohort), values.shape[1]), np.float64)
    counts = np.zeros(sums.shape, np.int64)
    for channel in range(values.shape[1]):
        column = values[:, channel]
        seen = inside & ~np.isnan(column)
        if not np.isfinite(column[seen]).all():
            raise DataError(
                f"event values of {series.channels[channel]}, read as context, are infinite; correct them where the cohort "
                "is made"
            )
        sums[:, channel] = np.bincount(records[seen], column[seen], minlength=len(cohort))
        counts[:, channel] = np.bincount(records[seen], minlength=len(cohort))
    return (sums / np.maximum(counts, 1)).astype(np.float32), np.any(counts > 0, axis=1)


@dataclass(frozen=True)
class Form:
    """What all cohorts of a training have in common. channels: modality -> how many. times:
    hours of the bins.
    """

    channels: Mapping[str, int]
    times: tuple[float, ...]


def form_of(cohort: Cohort) -> Form:
    """The form of a cohort."""
    series = cohort.modalities
    times = next(iter(series.values())).times
    return Form({name: each.grid.shape[2] for name, each in series.items()}, tuple(float(time) for time in times))


def shapes(form: Form, targets: tuple[str, ...], joint: bool, uses_context: bool) -> Mapping[str, Shape]:
    """The networks to train, by name: one per target modality, or one for all where a method is
    joint.
    """
    groups = {"joint": targets} if joint and targets else {name: (name,) for name in targets}
    shapes_by_name = {}
    for name, members in groups.items():
        parts = {member: form.channels[member] for member in members}
        others = {other: count for other, count in form.channels.items() if other not in members}
        shapes_by_name[name] = Shape(
            sum(parts.values()), len(form.times), parts, others if uses_context else {}, form.times
        )
    return shapes_by_name
