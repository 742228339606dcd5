"""Imputers that know one number per channel, and the base of all imputers of this package."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.cohort import Cohort, Series, Task
from bench.components import Context, Imputer, NotFitted
from bench.registry import NoParams
from bench.sums import Summed, Sums, exact, means


class Filling(Imputer[NoParams]):
    """Knows one fill value per channel, and completes record by record from it.

    Deterministic: returns a single draw whatever is asked for. State: modality -> float32
                   [channels].
    """

    def __init__(self, params: NoParams):
        super().__init__(params)
        self._fill: dict[str, np.ndarray] | None = None

    def complete(self, grid: np.ndarray, observed: np.ndarray, fill: np.ndarray) -> np.ndarray:
        """The grid (float32 [n, length, channels]) completed; `observed` is bool, same shape;
        `fill` [channels].
        """
        return np.where(observed, grid, fill)

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        if self._fill is None:
            raise NotFitted(f"{type(self).__name__} must be fitted, or given a state, before it imputes")
        if missing := cohort.modalities.keys() - self._fill.keys():
            raise ValueError(f"modalities {sorted(missing)} were not in the training cohort: {sorted(self._fill)}")
        return {
            name: self.complete(np.asarray(series.grid), np.asarray(series.observed), self._fill[name])[None]
            for name, series in cohort.modalities.items()
        }

    def state_dict(self) -> dict[str, np.ndarray]:
        return dict(self._fill or {})

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        self._fill = dict(state)


def visible_columns(series: Series) -> list[np.ndarray]:
    """The visible entries of each channel, float64 [k]."""
    channels = range(series.grid.shape[2])
    return [series.grid[..., k][series.observed[..., k]].astype(np.float64) for k in channels]


class Constant(Filling):
    """The same value for every channel; nothing is learnt."""

    value = 0.0

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self._fill = {
            name: np.full(series.grid.shape[2], self.value, np.float32) for name, series in train.modalities.items()
        }


class Zero(Constant):
    """0 everywhere."""


class Mean(Summed, Filling):
    """The channel's mean. Not exactly 0 on the standardised scale, since values are winsorised
    after standardising. 0 where a channel has no visible training entry.

    Learnt from exact sums: the same bits, however records are divided among clients.
    """

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self.begin(self.summary(train), context)

    def summary(self, cohort: Cohort, task: Task | None = None) -> Sums:
        """See `bench.sums.Summed`: modality -> exact sums of the visible entries."""
        return Sums(None, None, {name: exact(visible_columns(series)) for name, series in cohort.modalities.items()})

    def begin(self, sums: Sums, context: Context) -> None:
        """See `bench.sums.Summed`."""
        self._fill = {name: means(total).astype(np.float32) for name, total in sums.totals.items()}


class Median(Filling):
    """The channel's median (of an even number, the mean of the two middle values); 0, the centre of
    the standardised scale, where it has no visible training entry.
    """

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self._fill = {}
        for name, series in train.modalities.items():
            fill = [np.median(column) if len(column) else 0.0 for column in visible_columns(series)]
            self._fill[name] = np.array(fill, np.float32)
