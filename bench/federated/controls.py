"""The controls: what a federation must lie between, and better the nearer to the first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.federation import Federation, Update
from bench.registry import NoParams


class Pooled(Federation[NoParams]):
    """All records in one place: there is one client, whose answer counts."""

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        return np.asarray(updates[0].array, np.float64)


class Alone(Federation[NoParams]):
    """Every client by itself: nothing is merged."""

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        return before
