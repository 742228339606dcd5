"""Many comparisons at once: adjusted p-values by the step-down max-T procedure, or by Holm's.

An adjusted p-value below alpha rejects its hypothesis; the probability that any true hypothesis of
the family is rejected (the family error) is then alpha at most.

- Max-T: Westfall & Young, Resampling-based multiple testing (1993), algorithm 2.8 and section 2.6;
  Romano & Wolf, Exact and approximate stepdown methods for multiple hypothesis testing, JASA 2005.
  The largest statistic is compared with the largest of all statistics of each resample, the next
  with the largest of those that remain, and so on. Statistics that go together, as those of all
  pairs of some methods do, cost less than as many independent ones. One set of resamples serves any
  number of hypotheses: an adjusted p-value is a share of resamples, however many pairs there are.
- It holds under subset pivotality: the joint distribution of the statistics of the true hypotheses
  does not depend on which of the others are false. It does here, since a statistic's resamples are
  centred at what was observed, whatever the truth, and differences depend on their own two methods
  alone.
- Holm: A simple sequentially rejective multiple test procedure, Scand. J. Statistics 1979. Needs no
  joint distribution, and more resamples the more hypotheses there are, since each p-value is
  multiplied by up to their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

TIE = 1e-9
"""Statistics that differ by less, relatively, are equal but for rounding, and count as equal."""


def resamples_for(pairs: int, least: int, alpha: float, correction: str) -> int:
    """How many resamples a table of so many pairs draws; two at least, since one alone has no
    standard error.

    maxt: `least`, or 10 / alpha, whatever the pairs: the smallest adjusted p-value is 1 /
          (resamples + 1).
    holm: 10 pairs / alpha up to 50,000, then 4 pairs / alpha, or `least`. The smallest adjusted
    p-value is then alpha / 5 at most, or alpha / 2 in very large tables.
    """
    need = (pairs if correction == "holm" else 1) / alpha
    return max(2, least, math.ceil(10 * need) if need <= 5_000 else max(50_000, math.ceil(4 * need)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: max over smaller p of (number of p not
    smaller) x p, at most 1.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


class Exceedances:
    """Counts, over resamples that come in parts, how often a statistic is reached by its own
    resample and by the largest one.

    observed: float64 [hypotheses], not negative; infinite where a difference has no variance.
    """

    def __init__(self, observed: np.ndarray):
        self.order = np.argsort(observed, kind="stable")
        # Ties count as reached: a little less has to be reached, so that rounding decides nothing.
        self.wanted = observed[self.order] * (1 - TIE)
        self.own, self.step_down = (np.zeros(len(observed), np.int64) for _ in range(2))
        self.largest: list[np.ndarray] = []
        self.resamples = 0

    def add(self, statistics: np.ndarray) -> None:
        """Some resamples: float64 [hypotheses, resamples], statistics under the null hypothesis,
        not negative.
        """
        rising = statistics[self.order]
        self.own += (rising >= self.wanted[:, None]).sum(axis=1)
        # Row by row, from the smallest observed statistic upward: the largest of all hypotheses not
        # above this one.
        np.maximum.accumulate(rising, axis=0, out=rising)
        self.step_down += (rising >= self.wanted[:, None]).sum(axis=1)
        self.largest.append(rising.max(axis=0, initial=0.0))
        self.resamples += statistics.shape[1]

    def p_values(self) -> np.ndarray:
        """Each hypothesis by itself, float64 [hypotheses]; one is added above and below the
        line, so none is 0.
        """
        return self._in_given_order(self.own)

    def adjusted(self) -> np.ndarray:
        """Step-down max-T adjusted p-values, float64 [hypotheses]: none is smaller than that of
        a larger statistic.
        """
        return self._in_given_order(np.maximum.accumulate(self.step_down[::-1])[::-1])

    def critical(self, alpha: float) -> float:
        """What the largest of all statistics exceeds with probability alpha where no hypothesis
        is false.
        """
        return float(np.quantile(np.concatenate(self.largest), 1 - alpha))

    def _in_given_order(self, counts: np.ndarray) -> np.ndarray:
        p_values = np.empty(len(counts))
        p_values[self.order] = (counts + 1) / (self.resamples + 1)
        return p_values
