"""Carry the last value forward, and let it fall back to the channel's training mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.cohort import Cohort
from bench.components import Context, Imputer, NotFitted
from gapbench_example.plugin import DecayParams


class Decay(Imputer[DecayParams]):
    """A gap t hours after the last value x of a channel with mean m holds m + (x - m) * 0.5 **
    (t / half_life).
    """

    def __init__(self, params: DecayParams):
        super().__init__(params)
        self._means: dict[str, np.ndarray] | None = None

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self._means = {}
        for name, series in train.modalities.items():
            counts = series.observed.sum(axis=(0, 1))
            sums = np.where(series.observed, series.grid, 0).sum(axis=(0, 1), dtype=np.float64)
            self._means[name] = (sums / np.maximum(counts, 1)).astype(np.float32)

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        if self._means is None:
            raise NotFitted("fit the imputer first")
        keep = np.float32(0.5 ** (cohort.bin_hours / self.params.half_life))
        completed = {}
        for name, series in cohort.modalities.items():
            grid, mean = series.grid.copy(), self._means[name]
            value = np.broadcast_to(mean, grid[:, 0].shape)
            for hour in range(grid.shape[1]):
                value = np.where(series.observed[:, hour], series.grid[:, hour], mean + (value - mean) * keep)
                grid[:, hour] = value
            completed[name] = grid[None]
        return completed

    def state_dict(self) -> dict[str, np.ndarray]:
        return dict(self._means or {})

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        self._means = dict(state)
