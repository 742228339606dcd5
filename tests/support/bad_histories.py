"""Components whose results depend on calls before, on the company of a record, or on how many
draws are asked for.
"""

from __future__ import annotations

import numpy as np
from bad_fusers import HonestFuser
from bad_plugins import Honest

from bench.cohort import Cohort
from bench.components import Context


class LearnsFromCalls(Honest):
    """Its means follow whatever it completes."""

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        completed = super().impute(cohort, draws, context)
        assert self.means is not None
        for name, values in completed.items():
            self.means[name] = (0.9 * self.means[name] + 0.1 * values.mean(axis=(0, 1, 2))).astype(np.float32)
        return completed


class RemembersFirstCall(Honest):
    """Fills with the mean of the first records that it was ever asked to complete."""

    shift: np.float32 | None = None

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        series = cohort.modalities[name]
        if self.shift is None:
            self.shift = np.float32(np.where(series.observed, series.grid, 0).mean())
        return np.where(series.observed, series.grid, super().complete(cohort, name, draws, context) + self.shift)


class CountsCalls(Honest):
    """Adds to every value how often it was asked."""

    calls = 0

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        self.calls += 1
        filled = super().complete(cohort, name, draws, context)
        return np.where(cohort.modalities[name].observed, filled, filled + np.float32(self.calls / 50))


class SortsDraws(Honest):
    """Gives the draws of each entry by size, so that the first of many is smaller than the first
    of few.
    """

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        return np.sort(super().complete(cohort, name, draws, context), axis=0)


class PairsDraws(Honest):
    """Half of the draws, and the same noise with the other sign: the second of two is not the
    second of four.
    """

    def noise(self, cohort: Cohort, name: str, record: int, draw: int, draws: int, context: Context) -> np.ndarray:
        half = (draws + 1) // 2
        return super().noise(cohort, name, record, draw % half, draws, context) * np.float32(1 if draw < half else -1)


class FailsAlone(Honest):
    """Scales by the deviation of its batch, which one record alone has not."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        if len(cohort) < 2:
            raise ValueError(f"no deviation: {cohort.ids[0]}")
        return super().complete(cohort, name, draws, context)


class NeedsCompany(Honest):
    """Knows nothing where one record stands alone."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        filled = super().complete(cohort, name, draws, context)
        alone = (~cohort.modalities[name].observed) & (len(cohort) < 2)
        return np.where(alone, np.float32(np.nan), filled)


class FuserRemembersFirstCall(HonestFuser):
    """Centres its predictions at the mean of the first records that it is asked for."""

    centre: np.float32 | None = None

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        p = super().predict(cohort, context)
        if self.centre is None:
            self.centre = p.mean()
        return np.clip(p + (np.float32(0.5) - self.centre), 0, 1).astype(np.float32)
