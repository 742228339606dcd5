"""Observed entries hidden completely at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from bench.components import Scenario
from bench.scenarios.params.mcar import McarParams


class Mcar(Scenario[McarParams]):
    """Hides floor(rate * count + u) of the `count` observed entries of each modality, u uniform on
    [0, 1).

    So the count is never off by a whole entry and its mean is rate * count exactly. That holds also
    where a modality holds one entry only (rounding to the nearest would hide none of those, or
    all). Masks are nested: with the same seed, what a low rate hides, a higher rate hides too.
    Where `rate` is close to 1, or a record holds very little, all of a record may be hidden.
    """

    unit = "entries"

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        masks = {}
        for name, known in observed.items():
            positions = np.flatnonzero(known)
            if not len(positions):
                continue
            generator = rng(name)
            count = math.floor(self.params.rate * len(positions) + generator.random())
            hidden = np.zeros(known.size, bool)
            hidden[generator.permutation(positions)[:count]] = True
            masks[name] = hidden.reshape(known.shape)
        return masks

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return self.params.rate

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        counts = np.array([known.sum() for known in observed.values()])
        fraction = (self.params.rate * counts) % 1
        return float(np.sqrt((fraction * (1 - fraction)).sum()) / max(counts.sum(), 1))
