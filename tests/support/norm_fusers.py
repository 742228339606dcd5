"""Fusers with batch normalisation: one that predicts by running statistics, and one that never
leaves training mode.
"""

from __future__ import annotations

import torch
from torch import nn

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench.train_params import TorchFuserParams
from bench.training import BatchNorm1d


class Normalised(TorchFuser[TorchFuserParams]):
    """Means of all channels, normalised over the batch while training."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Network(inputs, task)


class Network(nn.Module):
    def __init__(self, inputs: Inputs, task: Task):
        super().__init__()
        features = sum(channels + 1 for _, channels in inputs.modalities.values())
        self.norm = BatchNorm1d(features)
        self.layers = nn.Sequential(nn.Linear(features, 16), BatchNorm1d(16), nn.ReLU(), nn.Linear(16, task.outputs))

    def forward(self, batch: Batch) -> torch.Tensor:
        parts = []
        for view in batch.modalities.values():
            here = view.present[:, None]
            parts += [torch.where(here > 0, view.values.mean(dim=1), 0.0), here]
        logits: torch.Tensor = self.layers(self.norm(torch.cat(parts, dim=1)))
        return logits


class StaysInTraining(Normalised):
    """Predicts by the statistics of the batch at hand."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        class Restless(Network):
            def train(self, mode: bool = True) -> Restless:
                super().train(True)
                return self

        return Restless(inputs, task)
