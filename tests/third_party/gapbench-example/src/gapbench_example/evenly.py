"""Every client counts the same, however many records it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.federation import Federation, Update, shares, weighted_sum
from bench.registry import NoParams


class Evenly(Federation[NoParams]):
    """The plain mean of what the clients answer."""

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        return weighted_sum([each.array for each in updates], shares([1] * len(updates)))
