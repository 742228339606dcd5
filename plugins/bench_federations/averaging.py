"""Federated averaging, its proximal form, and its normalised form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

import msgspec
import numpy as np
import torch
from torch import nn

from bench.errors import UsageError
from bench.federation import Federation, Update, shares, weighted_sum
from bench.learner import Penalty
from bench.registry import NoParams
from bench.train_params import TrainParams
from bench_federations.params import FedProxParams, fednova_refuses

P = TypeVar("P", bound=msgspec.Struct)


class Averaging(Federation[P]):
    """The mean of the answers, weighted by training items (McMahan et al. 2017, Algorithm 1)."""

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        return weighted_sum([each.array for each in updates], shares([each.n for each in updates]))


class FedAvg(Averaging[NoParams]):
    """McMahan et al. 2017."""


class FedProx(Averaging[FedProxParams]):
    """Averaging, where each step of a client is held back by mu/2 times the squared distance to the
    weights that it received (Li et al. 2020, Eq. 2). With mu = 0 it is averaging, bit by bit.
    """

    def penalty(self) -> Penalty | None:
        mu = self.params.mu
        if not mu:
            return None

        def begin(module: nn.Module) -> Callable[[], torch.Tensor]:
            weights = [weight for weight in module.parameters() if weight.requires_grad]
            received = [weight.detach().clone() for weight in weights]

            def distance() -> torch.Tensor:
                squares = [(now - then).square().sum() for now, then in zip(weights, received, strict=True)]
                return mu / 2 * torch.stack(squares).sum()

            return distance

        return begin


class FedNova(Federation[NoParams]):
    """Normalised averaging (Wang et al. 2020, Eq. 6): each answer counts per step, so that a client
    that took more steps does not pull the mean to its side.

    The normaliser of a client that took tau steps of SGD is tau, or with momentum rho
    (tau - rho (1 - rho^tau) / (1 - rho)) / (1 - rho). With equal steps it is averaging, bit by bit.
    """

    momentum = 0.0

    def prepare(self, params: TrainParams) -> None:
        """UsageError for an optimiser or a schedule for which the normaliser is not defined."""
        if problem := fednova_refuses(self.params, params):
            raise UsageError(f"federation fednova cannot merge this: {problem}")
        self.momentum = params.momentum

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        parts = shares([each.n for each in updates])
        steps = [self._normaliser(each.steps) for each in updates]
        whole = sum((part * step for part, step in zip(parts, steps, strict=True)), Fraction(0))
        weights = [part * whole / step for part, step in zip(parts, steps, strict=True)]
        return weighted_sum([before, *(each.array for each in updates)], [1 - sum(weights, Fraction(0)), *weights])

    def _normaliser(self, steps: int) -> Fraction:
        rho = self.momentum
        if not rho:
            return Fraction(steps)
        return Fraction((steps - rho * (1 - rho**steps) / (1 - rho)) / (1 - rho))
