"""MAG as a late gate: what was read of one modality, the anchor, is shifted by what was read of the others.

The gate that clinical benchmarks call MAG (the code of Zhang et al., "Improving Medical Predictions by Irregular Multimodal
Electronic Health Records Modeling", 2023). A transformer reads each modality; its last step is its state.

Ours, where that code makes a prediction depend on batch mates or cannot run: norms are of a record by itself, with an epsilon;
the bound beta is a softplus, which starts at 1 (there a normal draw, negative half of the time); any number of modalities, whose
terms are summed; an absent one adds nothing, and one learned state stands for an absent anchor.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs, ModalityView
from bench_fusers.encoders.head import ResidualHead
from bench_fusers.encoders.time import sinusoid
from bench_fusers.encoders.transformer import Encoder
from bench_fusers.last_step import encode_step, last_step
from bench_fusers.mag import bounded
from bench_fusers.mag_anchor import AnchoredFuser, known_statics
from bench_fusers.mag_plugin import MagLateParams
from bench_fusers.observed_steps import readable_steps


class MagLate(AnchoredFuser[MagLateParams]):
    """See the module."""

    name = "mag_late"

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return MagLateNetwork(inputs, task.outputs, self.anchor, self.params)


class LateGate(nn.Module):
    """drop(LN(p + alpha u)), u = sum over modalities of a * (W (w * s) + b), w = sigmoid(w' [p; s] + c) a number.

    alpha = min(softplus(beta) |p| / (|u| + 1e-6), 1), for every record by itself; beta is trained.
    forward(p [b, width], others) -> [b, width]; others: for each modality its state s [b, width] and a [b], 1 = present.
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


class Reader(nn.Module):
    """A modality's state: forward(view) -> [b, width], the last readable step of a transformer; and [b], 1 = present."""

    def __init__(self, channels: int, params: MagLateParams, bin_hours: float):
        super().__init__()
        self.read, self.bin_hours = params.read, bin_hours
        self.project = nn.Linear(2 * channels, params.width, bias=False)
        self.encoder = Encoder(params.width, params.heads, params.layers, params.dropout)

    def forward(self, view: ModalityView) -> tuple[torch.Tensor, torch.Tensor]:
        steps = readable_steps(view, self.read)
        x: torch.Tensor = self.project(steps.values)
        x = x * x.shape[2] ** 0.5 + sinusoid(view.times / self.bin_hours + 1, x.shape[2])
        read = encode_step(self.encoder, x, last_step(steps.mask), steps.mask)
        return read, steps.mask.amax(dim=1)


class MagLateNetwork(nn.Module):
    """forward(batch) -> logits [b, outputs]; embed(batch) -> [b, width], the shifted state of the anchor, and the statics."""

    def __init__(self, inputs: Inputs, outputs: int, anchor: str, params: MagLateParams):
        super().__init__()
        others = [name for name in inputs.modalities if name != anchor and params.gate]
        self.names = [anchor, *others]
        self.readers = nn.ModuleList(
            Reader(inputs.modalities[name][1], params, inputs.bin_hours) for name in self.names
        )
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
