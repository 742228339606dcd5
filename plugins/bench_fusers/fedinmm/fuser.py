"""FedInMM, as the public code of CondI (Zheng et al. 2026) has it among its baselines; neither its
own paper nor its authors' code was read.

Layers over each bin and two LSTMs read a modality; the last state represents it. A gate of each
modality, then one that all share, weigh the representations number by number. Their mean is
classified by a linear map. All parts are averaged by the federation.

What is decided here:

- The completed series is read. A modality that is not present has the representation 0 and counts
  in the mean. The code looks at the first bin, and reads its marker of absence as a value.
- What reads a modality is averaged over the clients that own it (`mod/<m>`). In the code all
  clients average all parts; without clients that lack a modality this is the same.
- The convolutions of the shared gate span 3, 3 and 1 numbers, as those of the other gate.
- Modalities of several channels enter the first layer side by side.
- Statics are not read.
"""

from __future__ import annotations

import re

import torch
from torch import nn

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench_fusers.fedinmm.plugin import FedInMMParams

OF_MODALITY = re.compile(r"^readers\.(\d+)\.")
"""In the name of a weight: whose it is."""

SLOPE = 0.1
"""Of the layers over each bin, below 0."""


class FedInMM(TorchFuser[FedInMMParams]):
    """See the module. The representation is the mean that is classified."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Network(inputs, task, self.params)

    def group(self, module: str, weight: str) -> str:
        """See `Learner.group`: readers belong to modalities."""
        match = OF_MODALITY.match(weight)
        if match is None:
            return super().group(module, weight)
        assert isinstance(self.module, Network)
        return f"mod/{self.module.names[int(match[1])]}"


class Network(nn.Module):
    """Readers of modalities, both gates, a linear map. forward(batch) -> outputs [b, outputs]."""

    def __init__(self, inputs: Inputs, task: Task, params: FedInMMParams):
        super().__init__()
        self.names = list(inputs.modalities)
        modalities, fine, coarse = len(self.names), params.fine, params.coarse
        self.readers = nn.ModuleList(Reader(channels, params) for _, channels in inputs.modalities.values())
        self.fine = nn.Sequential(
            nn.Conv1d(modalities, fine, 3, padding=1), nn.ReLU(), nn.Conv1d(fine, modalities, 1), nn.Sigmoid()
        )
        self.coarse = nn.Sequential(
            nn.Conv1d(modalities, coarse, 3, padding=1), nn.ReLU(),
            nn.Conv1d(coarse, coarse, 3, padding=1), nn.ReLU(),
            nn.Conv1d(coarse, 1, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.head = nn.Linear(params.width, task.outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.embed(batch))
        return outputs

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, width]: the mean over modalities behind both gates."""
        gated: torch.Tensor = self.read(batch)
        gated = gated * self.fine(gated)
        gated = gated * self.coarse(gated)
        mean: torch.Tensor = gated.mean(dim=1)
        return mean

    def read(self, batch: Batch) -> torch.Tensor:
        """[b, m, width], 0 where a modality is not present."""
        read = []
        for reader, view in zip(self.readers, batch.modalities.values(), strict=True):
            here = view.present[:, None] > 0
            read.append(torch.where(here, reader(torch.where(here[:, None], view.values, 0.0)), 0.0))
        return torch.stack(read, dim=1)


class Reader(nn.Module):
    """Of one modality: [b, length, channels] -> [b, width]."""

    def __init__(self, channels: int, params: FedInMMParams):
        super().__init__()
        hidden, width = params.hidden, params.width
        self.bins = nn.Sequential(
            nn.Linear(channels, hidden), nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, 2 * hidden), nn.LeakyReLU(SLOPE),
            nn.Linear(2 * hidden, width), nn.LeakyReLU(SLOPE),
        )  # fmt: skip
        self.states = nn.LSTM(width, width, num_layers=2, batch_first=True)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.states(self.bins(values))[0]
        return states[:, -1]
