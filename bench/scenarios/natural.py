"""Natural missingness alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bench.components import Scenario
from bench.registry import NoParams


class Natural(Scenario[NoParams]):
    """Hides nothing."""

    unit = "entries"

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        return {}

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.0
