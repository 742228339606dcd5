"""From noise to a draw: ancestral sampling, DDIM, DPM-Solver++.

Written here and not taken from a library: three short recursions on a schedule that is given as an
array, whose tests compare them with closed forms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch

from bench_imputers.diffusion.schedule import Schedule, kept_steps, respaced

Noise = Callable[[int], torch.Tensor]
"""The standard normal grid of a solver step; called at most once for each."""


class Solver(ABC):
    """A recursion over the kept steps, from the noisiest to the cleanest; one object per draw,
    since some remember.

    - steps: the step of the whole schedule that the network is asked at, by solver step.
    - signal, sigma: √ᾱ and √(1 − ᾱ) there, with one more entry for the clean end, 1 and 0.
    """

    def __init__(self, whole: Schedule, count: int):
        kept = kept_steps(len(whole), count)
        self.steps = [int(step) for step in kept[::-1]]
        self.alpha_bars = np.append(whole.alpha_bars[kept][::-1], 1.0)
        self.betas = respaced(whole, kept).betas[::-1] if count else whole.betas[::-1]
        self.signal, self.sigma = np.sqrt(self.alpha_bars), np.sqrt(1 - self.alpha_bars)

    @abstractmethod
    def next(
        self, index: int, state: torch.Tensor, clean: torch.Tensor, eps: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        """The state one solver step on. clean, eps: what the network's answer implies for
        `state`.
        """

    def _last(self, index: int) -> bool:
        return index == len(self.steps) - 1


class Ancestral(Solver):
    """x ← (x − β/√(1 − ᾱ) ε) / √(1 − β) + σ z, σ² = β (1 − ᾱ') / (1 − ᾱ), no noise at the end.

    Ho et al. 2020, algorithm 2, with the posterior variance; so CSDI. With fewer steps, on the
    respaced schedule.
    """

    def next(
        self, index: int, state: torch.Tensor, clean: torch.Tensor, eps: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        beta = self.betas[index]
        state = (state - float(beta / self.sigma[index]) * eps) * float((1 - beta) ** -0.5)
        if self._last(index):
            return state
        spread = float((beta * (1 - self.alpha_bars[index + 1]) / (1 - self.alpha_bars[index])) ** 0.5)
        return state + spread * noise(index)


class Ddim(Solver):
    """x ← √ᾱ' x0 + √(1 − ᾱ' − v) ε + √v z, v = η² (1 − ᾱ') / (1 − ᾱ) (1 − ᾱ/ᾱ') (Song et al.
    2021, equation 12).
    """

    def __init__(self, whole: Schedule, count: int, eta: float):
        super().__init__(whole, count)
        self.eta = eta

    def next(
        self, index: int, state: torch.Tensor, clean: torch.Tensor, eps: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        here, there = self.alpha_bars[index], self.alpha_bars[index + 1]
        variance = self.eta**2 * (1 - there) / (1 - here) * (1 - here / there)
        state = float(self.signal[index + 1]) * clean + float(max(1 - there - variance, 0.0) ** 0.5) * eps
        return state if variance == 0 else state + float(variance**0.5) * noise(index)


class DpmSolver(Solver):
    """DPM-Solver++(2M), mid-point: Lu et al. 2022, algorithm 2; the first and the last step are of
    first order.

    Deterministic: no noise but that of the start.
    """

    def __init__(self, whole: Schedule, count: int):
        super().__init__(whole, count)
        self._before: torch.Tensor | None = None
        with np.errstate(divide="ignore"):
            self.half_log_snr = np.log(self.signal) - np.log(self.sigma)

    def next(
        self, index: int, state: torch.Tensor, clean: torch.Tensor, eps: torch.Tensor, noise: Noise
    ) -> torch.Tensor:
        before, self._before = self._before, clean
        if self._last(index):
            return clean
        width = self.half_log_snr[index + 1] - self.half_log_snr[index]
        mixed = clean
        if before is not None:
            ratio = (self.half_log_snr[index] - self.half_log_snr[index - 1]) / width
            mixed = clean + float(0.5 / ratio) * (clean - before)
        kept = float(self.sigma[index + 1] / self.sigma[index])
        return kept * state - float(self.signal[index + 1] * np.expm1(-width)) * mixed


def solver(kind: Literal["ancestral", "ddim", "dpm++"], whole: Schedule, count: int, eta: float) -> Solver:
    """The solver of that name, on `count` of the steps of the schedule (0 = all)."""
    if kind == "ancestral":
        return Ancestral(whole, count)
    return Ddim(whole, count, eta) if kind == "ddim" else DpmSolver(whole, count)
