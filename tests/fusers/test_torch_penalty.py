"""A module may add a penalty of its own to the loss, and a regression may be trained on absolute
errors.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from bench.cohort import Task
from bench.components import Context
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench.train_params import TorchFuserParams
from support.fuser_cohorts import REGRESSION, cohort, parts

CONTEXT = Context(seed=0)


class Constant(nn.Module):
    """One value for all records; the penalty pulls it towards `aim`."""

    def __init__(self, outputs: int, aim: float | None):
        super().__init__()
        self.value, self.aim = nn.Parameter(torch.zeros(outputs)), aim

    def forward(self, batch: Batch) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        logits = self.value.expand(len(batch.statics), -1)
        return logits if self.aim is None else (logits, 1e3 * (self.value - self.aim).square().sum())


class Constants(TorchFuser[TorchFuserParams]):
    aim: float | None = None

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Constant(task.outputs, self.aim)


def fitted(aim: float | None, **params: object) -> tuple[float, np.ndarray]:
    """The value learnt, on the standardised scale, and the standardised targets."""
    train, _, _ = parts(cohort())
    truth = np.where(np.arange(len(train)) % 4 == 0, 10.0, 0.0).astype(np.float32)
    train = train.__class__(**{**train.__dict__, "targets": {REGRESSION.name: truth}})
    fuser = Constants(TorchFuserParams(epochs=1, steps=400, learning_rate=0.02, schedule="cosine", **params))
    fuser.aim = aim
    fuser.fit(train, train.take(np.arange(0)), REGRESSION, CONTEXT)
    assert isinstance(fuser.module, Constant)
    return float(fuser.module.value.detach()[0]), (truth - truth.mean()) / truth.std()


def test_the_penalty_of_a_module_is_added_to_the_loss() -> None:
    learnt, _ = fitted(aim=0.5)
    assert abs(learnt - 0.5) < 0.05


def test_squared_errors_find_the_mean_and_absolute_ones_the_median() -> None:
    squared, truth = fitted(None)
    absolute, _ = fitted(None, regression_loss="absolute")
    assert abs(squared - truth.mean()) < 0.1
    assert abs(absolute - np.median(truth)) < 0.1
