"""Whole modalities of a record dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bench.components import Scenario
from bench.scenarios.params.modality_drop import ModalityDropParams
from bench.scenarios.presence import present


class ModalityDrop(Scenario[ModalityDropParams]):
    """Drops each modality of a record independently with probability `rate`, but never the last one
    that holds a value.

    Each modality that holds an observation draws u uniform on [0, 1) and is dropped where u < rate.
    If that would drop all of them, the one with the largest u stays (each is equally likely to).
    Modalities that are absent by nature take no part. With k present, a modality is dropped with
    probability rate - rate**k / k, which is the expected share of the record's entries too. A
    record with a single modality keeps it. Masks are nested in `rate`.
    """

    unit = "entries"

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        names = present(observed)
        if len(names) < 2:
            return {}
        draws = {name: rng(name).random() for name in names}
        kept = max(names, key=draws.__getitem__)
        return {
            name: np.ones(observed[name].shape, bool)
            for name in names
            if draws[name] < self.params.rate and name != kept
        }

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return self._moments(len(present(observed)))[0]

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        counts = np.array([observed[name].sum() for name in present(observed)], float)
        one, two = self._moments(len(counts))
        if not one:
            return 0.0
        same = float(((counts / counts.sum()) ** 2).sum())
        return float(np.sqrt(max(same * (one - two) + two - one**2, 0.0)))

    def _moments(self, count: int) -> tuple[float, float]:
        """The probability that one given modality of `count` is dropped, and that two given ones
        both are.
        """
        if count < 2:
            return 0.0, 0.0
        rate = self.params.rate
        return rate - rate**count / count, rate**2 - 2 * rate**count / count
