"""MAG: at each step, the other modalities shift the anchor, one modality; a transformer reads the
result.

Rahman et al., "Integrating Multimodal Information in Large Pretrained Transformers", ACL 2020, for
any number of modalities. The gate is theirs. The backbone here is a transformer encoder trained
from the start over prepared values, not a pre-trained language model over words. So results are not
those of MAG-BERT (the label says backbone=encoder).

Ours, not published:

- A modality of which nothing is there adds nothing, its biases included.
- Without an anchor, one learned vector stands at every step at which another modality has something
  new.
- Every step of a completed grid is read, with the mask of what was recorded beside the values.
- Weights start as torch has them, biases of the gate at 0. Published: normal with standard
  deviation 0.02, by the initialiser of the language model.

Published training: squared errors, AdamW, a rate of 1e-5.
"""

from __future__ import annotations

import torch
from torch import nn

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs
from bench_fusers.encoders.steps import Steps, readable_steps
from bench_fusers.encoders.time import sinusoid
from bench_fusers.encoders.transformer import CrossEncoder, ResidualHead, last_step
from bench_fusers.mag.anchor import AnchoredFuser, align, known_statics
from bench_fusers.mag.plugin import MagParams

EPSILON = 1e-6


class Mag(AnchoredFuser[MagParams]):
    """See the module."""

    name = "mag"

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return MagNetwork(inputs, task.outputs, self.anchor, self.params)


class Gate(nn.Module):
    """drop(LN(z + alpha h)), the multimodal adaptation gate.

        h = sum over modalities of a * relu(W_g [x; z] + c) * (W x + b)
        alpha = min(beta |z| / (|h| + 1e-6), 1), for every step by itself

    h is a sum, whose length grows with the number of modalities. Without any a, h is 0 and LN(z) is
    left.

    forward(z [b, n, width], others) -> [b, n, width].

    - channels: of each other modality.
    - others: for each modality x [b, n, channels] and a [b, n], 1 where it has something at that
      step.
    """

    def __init__(self, width: int, channels: list[int], beta: float = 1.0, dropout: float = 0.0):
        super().__init__()
        self.beta = beta
        self.gates = nn.ModuleList(_unbiased(nn.Linear(count + width, width)) for count in channels)
        self.maps = nn.ModuleList(_unbiased(nn.Linear(count, width)) for count in channels)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, z: torch.Tensor, others: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        moved: torch.Tensor = self.dropout(self.norm(z + self.shift(z, others)))
        return moved

    def shift(self, z: torch.Tensor, others: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """alpha h, [b, n, width]; no longer than beta |z|."""
        h = torch.zeros_like(z)
        for (x, there), gate, into in zip(others, self.gates, self.maps, strict=True):
            h = h + there[..., None] * torch.relu(gate(torch.cat([x, z], dim=2))) * into(x)
        return bounded(h, z, self.beta)


def bounded(h: torch.Tensor, z: torch.Tensor, beta: torch.Tensor | float) -> torch.Tensor:
    """min(beta |z| / (|h| + 1e-6), 1) h, norms over the last axis; where h is 0 the norm counts
    as 1, as published.
    """
    length = torch.linalg.vector_norm(h, dim=-1, keepdim=True)
    length = torch.where(length == 0, 1.0, length)
    limit = beta * torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    scaled: torch.Tensor = (limit / (length + EPSILON)).clamp(max=1) * h
    return scaled


class MagNetwork(nn.Module):
    """forward(batch) -> logits [b, outputs]; embed(batch) -> [b, width], what was read of the
    shifted steps, and the statics.
    """

    def __init__(self, inputs: Inputs, outputs: int, anchor: str, params: MagParams):
        super().__init__()
        self.anchor, self.params, self.bin_hours = anchor, params, inputs.bin_hours
        self.others = [name for name in inputs.modalities if name != anchor and params.gate]
        channels = {name: 2 * count for name, (_, count) in inputs.modalities.items()}
        self.project = nn.Linear(channels[anchor], params.width)
        self.token = nn.Parameter(torch.randn(params.width) * 0.02)
        self.gate = Gate(params.width, [channels[name] for name in self.others], params.beta, params.gate_dropout)
        self.encoder = CrossEncoder(params.width, params.heads, params.layers, params.dropout)
        self.statics = nn.Linear(2 * inputs.statics, params.statics) if inputs.statics else None
        self.head = ResidualHead(params.width + (params.statics if inputs.statics else 0), outputs, params.dropout)

    def forward(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.embed(batch))
        return logits

    def embed(self, batch: Batch) -> torch.Tensor:
        views = batch.modalities
        steps = {name: readable_steps(views[name], self.params.read) for name in [self.anchor, *self.others]}
        own, times = steps[self.anchor], views[self.anchor].times
        others, new = [], torch.zeros_like(own.mask)
        for name in self.others:
            index, aligned = align(times, views[name].times, steps[name].mask, self.params.max_lag)
            others.append((_at(steps[name], index), aligned))
            new = torch.maximum(new, _newly(index, aligned))
        there = own.mask.amax(dim=1, keepdim=True)
        mask = torch.where(there > 0, own.mask, new)
        z = torch.where(there[..., None] > 0, self.project(own.values), self.token)
        z = self.gate(z + sinusoid(times / self.bin_hours + 1, self.params.width), others)
        parts = [self._read(self.encoder(z, None, mask), mask)]
        if self.statics is not None:
            parts.append(known_statics(self.statics, batch))
        return torch.cat(parts, dim=1)

    def _read(self, z: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """[b, width]: the mean of the readable steps or the last of them; 0 where there is none."""
        if self.params.readout == "mean":
            return (z * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return z[torch.arange(len(z), device=z.device), last_step(mask)] * mask.amax(dim=1, keepdim=True)


def _newly(index: torch.Tensor, aligned: torch.Tensor) -> torch.Tensor:
    """[b, q], 1 where a step was found that was not there at the time before."""
    place = (index + 1) * aligned
    return (torch.diff(place, dim=1, prepend=torch.zeros_like(place[:, :1])) > 0).to(aligned.dtype)


def _at(steps: Steps, index: torch.Tensor) -> torch.Tensor:
    """[b, q, channels]: the values of the steps `index` [b, q]."""
    return steps.values.gather(1, index[..., None].expand(-1, -1, steps.values.shape[2]))


def _unbiased(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.bias)
    return layer
