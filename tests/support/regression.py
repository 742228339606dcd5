"""A small problem for the training loop, and a run that is being stopped."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.components import Context
from bench.train_params import TrainParams
from bench.training import BatchNorm1d, TrainResult, seeded, train

ITEMS = 23  # in batches of 5: the last batch of an epoch holds 3
STEPS_PER_EPOCH = 5


Renew = Callable[[int], tuple[int, Callable[[np.ndarray], torch.Tensor]]]


class Problem:
    """A small regression with dropout, so that the noise of every step matters."""

    def __init__(self, context: Context | None = None, scores: list[float] | None = None, norm: bool = False) -> None:
        self.context = context or Context(seed=7)
        with seeded(self.context, "init"):
            layers = [nn.Linear(3, 8), BatchNorm1d(8) if norm else nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, 1)]
            self.module = nn.Sequential(*layers)
        rng = np.random.default_rng(0)
        self.rows = torch.from_numpy(rng.normal(size=(ITEMS, 3)).astype(np.float32))
        self.truth = self.rows.sum(dim=1, keepdim=True)
        self.scores = scores
        self.seen: list[np.ndarray] = []

    def loss(self, items: np.ndarray) -> torch.Tensor:
        self.seen.append(items)
        index = torch.from_numpy(items)
        return nn.functional.mse_loss(self.module(self.rows[index]), self.truth[index])

    def validate(self) -> float:
        if self.scores:
            return self.scores.pop(0)
        with torch.no_grad():
            return float(nn.functional.mse_loss(self.module(self.rows), self.truth))

    def train(
        self, loss: Callable[[np.ndarray], torch.Tensor] | None = None, renew: Renew | None = None, **params: Any
    ) -> TrainResult:
        settings = TrainParams(**{"epochs": 4, "batch_size": 5, "learning_rate": 0.01, **params})
        return train(self.module, ITEMS, loss or self.loss, settings, self.context, validate=self.validate, renew=renew)

    def weights(self) -> list[bytes]:
        return [value.numpy().tobytes() for value in self.module.state_dict().values()]


def stopping_after(steps: int, scratch: Path, notes: list[str] | None = None) -> Context:
    """A context whose run is being stopped once so many steps are done."""
    asked = itertools.count()
    report = (lambda note: notes.append(note)) if notes is not None else (lambda note: None)
    return Context(seed=7, scratch=scratch, should_stop=lambda: next(asked) >= steps, report=report)
