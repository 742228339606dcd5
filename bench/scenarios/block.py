"""One contiguous block of bins hidden in every modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bench.components import Scenario
from bench.scenarios.params.block import BlockParams
from bench.scenarios.presence import present


class Block(Scenario[BlockParams]):
    """Hides round(rate * length) consecutive bins of each modality, all channels; half goes to the
    even number.

    The start is uniform over the places where the whole block fits, modality by modality. Edge
    effect: a bin near either end lies in fewer of these places than one in the middle, so it is
    hidden less often. With k bins hidden, bin j (from 0) is hidden with probability min(j + 1,
    length - j, k, length - k + 1) / (length - k + 1).
    """

    unit = "cells"

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        masks = {}
        for name in present(observed):
            length = len(observed[name])
            bins = round(self.params.rate * length)
            start = int(rng(name).integers(length - bins + 1))
            masks[name] = np.zeros(observed[name].shape, bool)
            masks[name][start : start + bins] = True
        return masks

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        length = len(next(iter(observed.values())))
        return round(self.params.rate * length) / length

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.0
