"""One rectangle of consecutive bins and consecutive channels hidden in a modality."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from bench.components import Scenario
from bench.errors import unknown
from bench.scenarios.params.rectangle import RectangleParams
from bench.scenarios.presence import present


class Rectangle(Scenario[RectangleParams]):
    """Hides one rectangle, time x channels, of a modality (or one in each), at a place uniform over
    all that fit.

    Of `length` bins and `channels` it covers b = round(sqrt(rate) * length) bins and round(rate *
    length * channels / b) channels. Each is at least 1 unless rate is 0, and at most what the grid
    has; half rounds to the even number. On a grid of 50 x 30 that gives the sizes of the TRACE
    specification (section 11.3). With the same seed a larger rectangle covers a smaller one that is
    no longer on either side.
    """

    unit = "entries"

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        masks = {}
        for name in self._chosen(observed):
            bins, channels = self.size(*observed[name].shape)
            generator = rng(name)
            length, width = observed[name].shape
            first = math.floor(generator.random() * (length - bins + 1))
            left = math.floor(generator.random() * (width - channels + 1))
            masks[name] = np.zeros(observed[name].shape, bool)
            masks[name][first : first + bins, left : left + channels] = True
        return masks

    def size(self, length: int, channels: int) -> tuple[int, int]:
        """Bins and channels that the rectangle covers on a grid of that size."""
        rate = self.params.rate
        if rate == 0:
            return 0, 0
        bins = max(1, round(math.sqrt(rate) * length))
        return bins, min(channels, max(1, round(rate * length * channels / bins)))

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return self._moments(observed)[0]

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        return self._moments(observed)[1]

    def _chosen(self, observed: Mapping[str, np.ndarray]) -> list[str]:
        """The modalities that a rectangle lies in. Raises UsageError for a name that the cohort
        does not have.
        """
        wanted = self.params.modality
        if wanted is not None and wanted not in observed:
            raise unknown("modality", wanted, observed, "scenario.rectangle.modality")
        return [name for name in present(observed) if wanted in (None, name)]

    def _moments(self, observed: Mapping[str, np.ndarray]) -> tuple[float, float]:
        """Mean and standard deviation of the hidden share, over all places: exact, whatever is
        observed.
        """
        total = sum(int(known.sum()) for known in observed.values())
        mean = variance = 0.0
        for name in self._chosen(observed):
            bins, channels = self.size(*observed[name].shape)
            sums = np.pad(observed[name].astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
            tall = sums[bins:] - sums[: len(sums) - bins]
            inside = tall[:, channels:] - tall[:, : tall.shape[1] - channels]
            mean += float(inside.mean())
            variance += float(inside.var())
        return mean / max(total, 1), math.sqrt(variance) / max(total, 1)
