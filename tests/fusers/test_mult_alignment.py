"""What cross-attention is for: one modality says which step of the other counts, and that step lies
anywhere.

`told` has CODES steps in random order, each with a code of its own and a sign; `cue` holds one of
the codes. The class is the sign of the step with that code. `mult` compares steps; what reads each
modality by itself and concatenates has to keep every sign of `told`, in order of the codes, in one
vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.cohort import Cohort, Events, Series, Task
from bench.components import Context
from bench.metrics.scoring import score
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench.train_params import TorchFuserParams
from bench_fusers.encoders.steps import grid_steps
from bench_fusers.encoders.time import sinusoid
from bench_fusers.encoders.transformer import CrossEncoder, ResidualHead
from bench_fusers.mult.fuser import Mult
from bench_fusers.mult.plugin import MultParams
from support.fuser_cohorts import BINARY

CODES = 12
BUDGET: dict[str, Any] = {"epochs": 12, "batch_size": 64, "learning_rate": 3e-3, "patience": 0}


class Late(TorchFuser[TorchFuserParams]):
    """A wider transformer per modality, the mean of its steps, concatenated: the same encoders
    without crossing.
    """

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return _Late(inputs, task)


class _Late(nn.Module):
    def __init__(self, inputs: Inputs, task: Task, width: int = 32):
        super().__init__()
        self.width, count = width, len(inputs.modalities)
        self.project = nn.ModuleList(nn.Linear(2 * channels, width) for _, channels in inputs.modalities.values())
        self.encoders = nn.ModuleList(CrossEncoder(width, 2, 2) for _ in range(count))
        self.head = ResidualHead(count * width, task.outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        read = []
        for view, project, encoder in zip(batch.modalities.values(), self.project, self.encoders, strict=True):
            x = project(grid_steps(view).values) + sinusoid(view.times + 1, self.width)
            read.append(encoder(x).mean(dim=1))
        logits: torch.Tensor = self.head(torch.cat(read, dim=1))
        return logits


def series(grid: np.ndarray) -> Series:
    n, length, channels = grid.shape
    nothing = Events(np.zeros(n + 1, np.int64), np.zeros(0, np.float32), np.zeros((0, channels), np.float32))
    return Series(
        channels=tuple(f"c{k}" for k in range(channels)),
        units=("",) * channels,
        grid=grid.astype(np.float32),
        observed=np.ones(grid.shape, bool),
        times=np.arange(length, dtype=np.float32),
        events=nothing,
        available=np.ones(n, bool),
        filled=np.zeros(n, bool),
    )


def records(n: int, seed: int) -> Cohort:
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(CODES), (n, 1)), axis=1)
    signs = rng.choice([-1.0, 1.0], (n, CODES))
    chosen = rng.integers(0, CODES, n)
    code, sign = (array[np.arange(n), chosen] for array in (order, signs))
    one_hot = np.eye(CODES)
    ids = np.array([f"r{k}" for k in range(n)])
    return Cohort(
        ids=ids,
        groups=ids,
        modalities={
            "cue": series(np.repeat(one_hot[code][:, None], CODES, axis=1)),
            "told": series(np.concatenate([one_hot[order], signs[..., None]], axis=2)),
        },
        statics=np.zeros((n, 0), np.float32),
        static_names=(),
        targets={BINARY.name: (sign > 0).astype(np.float32)},
    )


def auroc(fuser: TorchFuser[Any]) -> float:
    """On 500 new records, after 1,000 to learn from and 200 to select on."""
    train, valid, test = (records(n, seed) for seed, n in enumerate((1000, 200, 500)))
    fuser.fit(train, valid, BINARY, Context(seed=0))
    return score(BINARY, test.targets[BINARY.name], fuser.predict(test, Context())).values["auroc"]


@pytest.mark.slow
def test_mult_finds_the_step_that_the_other_modality_names_and_a_late_concatenation_does_not() -> None:
    mult = Mult(MultParams(width=16, heads=2, layers=1, memory_layers=1, dropout=0.0, head_dropout=0.0, **BUDGET))
    late = Late(TorchFuserParams(**BUDGET))
    assert auroc(mult) > 0.95
    assert auroc(late) < 0.75
    assert late.parameters() > 2 * mult.parameters()
