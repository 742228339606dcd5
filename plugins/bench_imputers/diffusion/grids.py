"""A cohort as a diffusion network sees it: stacked target grids batch by batch, other modalities pooled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from bench.cohort import Cohort, Series, bins_of
from bench.errors import DataError
from bench_imputers.diffusion.denoiser import Pooled, Shape


def require_finite(cohort: Cohort, who: str) -> None:
    """Raise DataError where an observed entry of the grid is not a finite number."""
    for name, series in cohort.modalities.items():
        bad = np.asarray(series.observed) & ~np.isfinite(series.grid)
        if bad.any():
            record, place, channel = (int(index[0]) for index in np.nonzero(bad))
            raise DataError(
                f"{who}: {int(bad.sum())} observed entries of {name} are not finite numbers, the first in record "
                f"{cohort.ids[record]}, channel {series.channels[channel]}, bin {place}; correct them where the "
                "cohort is made, or mark them as not observed"
            )


class Grids:
    """The target modalities of a cohort, stacked along channels, and the context of each record.

    Nothing is copied but what a batch asks for; the cohort's arrays may be memory-mapped.
    """

    def __init__(self, cohort: Cohort, shape: Shape, device: str):
        self._parts = [cohort.modalities[name] for name in shape.parts]
        self._device = device
        self._context = {name: _pooled(cohort.modalities[name], cohort) for name in shape.context}

    def observed_any(self) -> np.ndarray:
        """bool [n]: the record has an observed entry in any of the targets."""
        return np.any([np.asarray(part.observed).any(axis=(1, 2)) for part in self._parts], axis=0)

    def known(self) -> np.ndarray:
        """bool [channels]: the channel has an observed entry in any record."""
        return np.concatenate([np.asarray(part.observed).any(axis=(0, 1)) for part in self._parts])

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

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device)


def _pooled(series: Series, cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Mean over visible event values in the window, per channel: float32 [n, channels]; bool [n], there is any."""
    records = series.events.records()
    values = np.asarray(series.events.values)
    bins = bins_of(series.events.times, cohort.bin_hours)
    inside = (bins >= 0) & (bins < cohort.length)
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


def shapes(cohort: Cohort, targets: tuple[str, ...], joint: bool, uses_context: bool) -> Mapping[str, Shape]:
    """The networks to train, by name: one per target modality, or one for all where a method is joint."""
    groups = {"joint": targets} if joint and targets else {name: (name,) for name in targets}
    made = {}
    for name, members in groups.items():
        parts = {member: cohort.modalities[member].grid.shape[2] for member in members}
        others = {other: series.grid.shape[2] for other, series in cohort.modalities.items() if other not in members}
        times = tuple(float(time) for time in cohort.modalities[members[0]].times)
        made[name] = Shape(sum(parts.values()), cohort.length, parts, others if uses_context else {}, times)
    return made
