"""The noise process on a discrete schedule, and what a network may predict of it. Double precision
throughout.

ᾱ_t is the share of signal left at step t (0-based): x_t = √ᾱ_t x0 + √(1 − ᾱ_t) ε (Ho et al. 2020,
equation 4). The quadratic schedule, whose square roots of β are equally spaced, is that of CSDI
(Tashiro et al. 2021, appendix E).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch


@dataclass(frozen=True)
class Schedule:
    """betas: float64 [steps], each in (0, 1)."""

    betas: np.ndarray

    @property
    def alpha_bars(self) -> np.ndarray:
        """ᾱ_t = product of 1 − β up to step t, float64 [steps]."""
        return np.cumprod(1 - self.betas)

    def __len__(self) -> int:
        return len(self.betas)


def schedule(kind: Literal["quadratic", "linear"], steps: int, first: float, last: float) -> Schedule:
    """β of every step, from `first` to `last`."""
    if kind == "linear":
        return Schedule(np.linspace(first, last, steps))
    return Schedule(np.linspace(first**0.5, last**0.5, steps) ** 2)


def kept_steps(total: int, count: int) -> np.ndarray:
    """`count` of `total` steps, equally spaced and rounded, first and last included, rising; 0 or
    more than all = all.

    A single one is the last.
    """
    if count == 0 or count >= total:
        return np.arange(total)
    if count == 1:
        return np.array([total - 1])
    return np.round(np.linspace(0, total - 1, count)).astype(np.int64)


def respaced(whole: Schedule, kept: np.ndarray) -> Schedule:
    """The schedule of the kept steps alone: β rebuilt from ratios of ᾱ (Nichol and Dhariwal
    2021, equation 19).
    """
    alpha_bars = whole.alpha_bars[kept]
    return Schedule(1 - alpha_bars / np.concatenate([[1.0], alpha_bars[:-1]]))


@dataclass(frozen=True)
class Parameterisation:
    """What the network predicts, and the way from there to the clean value and the noise.

    noise: ε. x0: the clean value. v: √ᾱ ε − √(1 − ᾱ) x0 (Salimans and Ho 2022, section 4).
    """

    kind: Literal["noise", "x0", "v"]

    def goal(self, clean: torch.Tensor, noise: torch.Tensor, signal: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """What the network should have said. signal = √ᾱ, sigma = √(1 − ᾱ), broadcast over the
        grids.
        """
        if self.kind == "noise":
            return noise
        return clean if self.kind == "x0" else signal * noise - sigma * clean

    def split(
        self, outputs: torch.Tensor, state: torch.Tensor, signal: float, sigma: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(clean value, noise) that the outputs of the network imply for a noisy state."""
        if self.kind == "noise":
            return (state - sigma * outputs) / signal, outputs
        if self.kind == "x0":
            return outputs, (state - signal * outputs) / sigma
        return signal * state - sigma * outputs, sigma * state + signal * outputs
