"""MAG as a late gate: the states of the other modalities shift the state of one modality, the
anchor.

Clinical benchmarks call this gate MAG. It is the code of Zhang et al., "Improving Medical
Predictions by Irregular Multimodal Electronic Health Records Modeling", 2023. A transformer reads
each modality; its last step is its state. With front=utde it reads what theirs does: points of time
made of the modality's events and its completed grid (there: notes of their events alone), with
learned places. Else it reads the bins of the completed grid, with sinusoids of their time.

Ours, where that code makes a prediction depend on batch mates or cannot run:

- Norms are of a record by itself, with an epsilon.
- The bound beta is a softplus, which starts at 1 (there a normal draw, negative half of the time).
- Any number of modalities, whose terms are summed.
- An absent one adds nothing, and one learned state stands for an absent anchor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs
from bench_fusers.encoders.last_state import Bins, LastState, Points, bins, points
from bench_fusers.encoders.transformer import ResidualHead
from bench_fusers.mag.anchor import AnchoredFuser, known_statics
from bench_fusers.mag.fuser import bounded
from bench_fusers.mag.plugin import MagLateParams


class MagLate(AnchoredFuser[MagLateParams]):
    """See the module."""

    name = "mag_late"
    uses_events = True

    @property
    def reads_events(self) -> bool:
        """See `Fuser.reads_events`."""
        return self.params.front == "utde"

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return MagLateNetwork(inputs, task.outputs, self.anchor, self.params)


class LateGate(nn.Module):
    """drop(LN(p + alpha u)), the late gate.

        u = sum over modalities of a * (W (w * s) + b), w = sigmoid(w' [p; s] + c) a number
        alpha = min(softplus(beta) |p| / (|u| + 1e-6), 1), for every record by itself

    beta is trained. forward(p [b, width], others) -> [b, width].

    - others: for each modality its state s [b, width] and a [b], 1 = present.
    """

    def __init__(self, width: int, others: int, dropout: float = 0.0):
        super().__init__()
        self.gates = nn.ModuleList(nn.Linear(2 * width, 1) for _ in range(others))
        self.maps = nn.ModuleList(nn.Linear(width, width) for _ in range(others))
        self.beta = nn.Parameter(torch.tensor(math.log(math.e - 1))) if others else None
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, p: torch.Tensor, others: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        moved: torch.Tensor = self.dropout(self.norm(p + self.shift(p, others)))
        return moved

    def shift(self, p: torch.Tensor, others: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """alpha u, [b, width]; no longer than softplus(beta) |p|."""
        u = torch.zeros_like(p)
        for (state, there), gate, into in zip(others, self.gates, self.maps, strict=True):
            u = u + there[:, None] * into(torch.sigmoid(gate(torch.cat([p, state], dim=1))) * state)
        return u if self.beta is None else bounded(u, p, functional.softplus(self.beta))


class MagLateNetwork(nn.Module):
    """forward(batch) -> logits [b, outputs]; embed(batch) -> [b, width], the shifted state of
    the anchor, and the statics.
    """

    def __init__(self, inputs: Inputs, outputs: int, anchor: str, params: MagLateParams):
        super().__init__()
        others = [name for name in inputs.modalities if name != anchor and params.gate]
        self.names = [anchor, *others]
        read = replace(inputs, modalities={name: inputs.modalities[name] for name in self.names})
        front: Iterator[Bins | Points] = bins(read, params.width, read=params.read)
        if params.front == "utde":
            front = points(read, params.width, params.points, params.mixup, params.dropout)
        sizes = params.width, params.heads, params.layers, params.dropout
        self.readers = nn.ModuleList(LastState(enter, *sizes) for enter in front)
        self.token = nn.Parameter(torch.randn(params.width) * 0.02)
        self.gate = LateGate(params.width, len(others), params.gate_dropout)
        self.statics = nn.Linear(2 * inputs.statics, params.statics) if inputs.statics else None
        self.head = ResidualHead(params.width + (params.statics if inputs.statics else 0), outputs, params.dropout)

    def forward(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.embed(batch))
        return logits

    def embed(self, batch: Batch) -> torch.Tensor:
        states = [reader(batch.modalities[name]) for name, reader in zip(self.names, self.readers, strict=True)]
        state, there = states[0]
        parts = [self.gate(torch.where(there[:, None] > 0, state, self.token), states[1:])]
        if self.statics is not None:
            parts.append(known_statics(self.statics, batch))
        return torch.cat(parts, dim=1)
