"""Standardising: every channel to mean 0 and standard deviation 1 over its visible training
entries.

A suite may have it learnt from everything instead (`[scaling] over = "everything"`), to repeat
published figures that were made so; see `bench.config.suite.Scaling`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bench.cohort import Cohort, Series
from bench.sums import deviations, exact, means

WINSOR = 10.0
"""Standardised values are cut at this many standard deviations, either side (mimic48 protocol,
section 6).
"""


class Scaler:
    """Mean and population standard deviation (no n - 1) per channel, and the cut at ±`winsor` of
    what they give.

    Learnt from exact sums (`bench.sums.exact`): clients that send theirs get the same bits as one
    place that holds all records. A channel (or static) that is constant in training gets scale 1,
    one that was never seen also mean 0.

    state: "series.<modality>" and "statics", each float64 [2, channels] (mean, scale), and
    "winsor", float64 [1].
    """

    def __init__(self, state: Mapping[str, np.ndarray]):
        self.state = dict(state)

    @classmethod
    def fit(cls, train: Cohort, winsor: float = WINSOR) -> Scaler:
        """Learn from the records given: the training part after hiding, unless the suite says
        otherwise.

        `winsor` may be infinite.
        """
        return cls.of(cls.sums(train), winsor)

    @staticmethod
    def sums(train: Cohort) -> dict[str, np.ndarray]:
        """Exact sums of the visible entries of each channel, by the names of `state`."""
        sums = {}
        for name, series in train.modalities.items():
            columns = [series.grid[..., k][series.observed[..., k]] for k in range(series.grid.shape[2])]
            sums[f"series.{name}"] = exact(columns)
        return sums | {"statics": exact([column[~np.isnan(column)] for column in train.statics.T])}

    @classmethod
    def of(cls, sums: Mapping[str, np.ndarray], winsor: float = WINSOR) -> Scaler:
        """Learn from such sums, added up over clients."""
        state = {name: _moments(each) for name, each in sums.items()}
        return cls({"winsor": np.array([winsor], np.float64), **state})

    def scale(self, cohort: Cohort) -> Cohort:
        """The cohort with grid, events and statics standardised; NaN stays NaN, targets stay as
        they are.
        """
        series = {name: self._series(name, series) for name, series in cohort.modalities.items()}
        return replace(cohort, modalities=series, statics=self._apply("statics", cohort.statics))

    def grid(self, modality: str, values: np.ndarray) -> np.ndarray:
        """Values of one modality, float32 [..., channels], standardised; used for the truth of
        imputation scores.
        """
        return self._apply(f"series.{modality}", values)

    def unscale(self, modality: str, values: np.ndarray) -> np.ndarray:
        """Standardised values of one modality, [..., channels], in recorded units: float64. What
        was cut stays cut.
        """
        mean, scale = self.state[f"series.{modality}"]
        unscaled: np.ndarray = values.astype(np.float64) * scale + mean
        return unscaled

    def _series(self, name: str, series: Series) -> Series:
        events = replace(series.events, values=self.grid(name, series.events.values))
        return replace(series, grid=self.grid(name, series.grid), events=events)

    def _apply(self, part: str, values: np.ndarray) -> np.ndarray:
        winsor = float(self.state["winsor"][0])
        scaled = np.empty(values.shape, np.float32)
        for channel, (mean, scale) in enumerate(self.state[part].T):
            scaled[..., channel] = np.clip((values[..., channel].astype(np.float64) - mean) / scale, -winsor, winsor)
        return scaled


def _moments(sums: np.ndarray) -> np.ndarray:
    """Mean and scale of each column from its exact sums, float64 [2, columns]."""
    mean, deviation = means(sums), deviations(sums)
    # Equal float32 values may leave a deviation of rounding size; 1e-6 of the mean is below what
    # float32 resolves.
    return np.stack([mean, np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)])
