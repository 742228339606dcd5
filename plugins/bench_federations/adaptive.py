"""Servers that take adaptive steps along the mean change of the clients (Reddi et al. 2021,
Algorithm 2).

With the change d of a round: m = beta1 m + (1 - beta1) d; v by the method; the array moves by
learning_rate m / (sqrt(v) + tau). No bias is corrected, and v begins at tau squared, as published.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from bench.federation import Federation, Update, shares, weighted_sum
from bench_federations.params import AdaptiveParams


class Adaptive(Federation[AdaptiveParams]):
    """State: `first/<array>` and `second/<array>`, float64, of the shape of each array."""

    def __init__(self, params: AdaptiveParams):
        super().__init__(params)
        self._state: dict[str, np.ndarray] = {}

    @abstractmethod
    def second(self, v: np.ndarray, squared: np.ndarray) -> np.ndarray:
        """The second moment after a round whose change has these squares."""

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        p = self.params
        change = weighted_sum([each.array for each in updates], shares([each.n for each in updates])) - before
        m = self._state.get(f"first/{name}", np.zeros(before.shape))
        v = self._state.get(f"second/{name}", np.full(before.shape, p.tau**2))
        m = p.beta1 * m + (1 - p.beta1) * change
        v = self.second(v, change**2)
        self._state |= {f"first/{name}": np.asarray(m), f"second/{name}": np.asarray(v)}
        return np.asarray(before + p.learning_rate * m / (np.sqrt(v) + p.tau))

    def state_dict(self) -> dict[str, np.ndarray]:
        return dict(self._state)

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        self._state = dict(state)


class FedAdam(Adaptive):
    """v = beta2 v + (1 - beta2) d^2."""

    def second(self, v: np.ndarray, squared: np.ndarray) -> np.ndarray:
        return self.params.beta2 * v + (1 - self.params.beta2) * squared


class FedYogi(Adaptive):
    """v = v - (1 - beta2) d^2 sign(v - d^2)."""

    def second(self, v: np.ndarray, squared: np.ndarray) -> np.ndarray:
        return np.asarray(v - (1 - self.params.beta2) * squared * np.sign(v - squared))
