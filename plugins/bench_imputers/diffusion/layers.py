"""Layers that several diffusion imputers use."""

from __future__ import annotations

import torch
from torch import nn


def two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Linear, SiLU, Linear."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


class ExpertMixture(nn.Module):
    """A dense mixture of experts: [b, inputs] to [b, width].

    Every expert (two layers, `expert_width` wide between them) reads the whole input; a gate of the
    same form, `gate_width` wide, reads it too and weighs the experts by a softmax. Public code of
    CondI, imputers of TRACE and CondI.

    top_k: in each record only the experts with the so many largest logits weigh; 0 = every one.
    equal: every weight is 1 / experts and there is no gate. A single expert has no gate either: its
    weight is 1.
    """

    def __init__(
        self,
        inputs: int,
        gate_width: int,
        expert_width: int,
        width: int,
        experts: int,
        top_k: int = 0,
        equal: bool = False,
    ):
        super().__init__()
        self.top_k = top_k
        self.gate = None if equal or experts == 1 else two_layers(inputs, gate_width, experts)
        self.experts = nn.ModuleList(two_layers(inputs, expert_width, width) for _ in range(experts))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = torch.stack([expert(inputs) for expert in self.experts], dim=1)
        return (self.weights(inputs)[..., None] * outputs).sum(dim=1)

    def weights(self, inputs: torch.Tensor) -> torch.Tensor:
        """[b, experts], of sum 1 in each record."""
        if self.gate is None:
            return inputs.new_full((len(inputs), len(self.experts)), 1 / len(self.experts))
        logits: torch.Tensor = self.gate(inputs)
        if self.top_k:
            chosen = torch.zeros_like(logits, dtype=torch.bool).scatter(1, logits.topk(self.top_k, dim=1).indices, True)
            logits = logits.masked_fill(~chosen, torch.finfo(logits.dtype).min)
        return logits.softmax(dim=1)


def time_embedding(times: torch.Tensor, width: int) -> torch.Tensor:
    """[..., width] for times [...] in hours: sin and cos of time / 10000^(2i / width),
    interleaved (CSDI).
    """
    angle = times[..., None] / 10000 ** (torch.arange(0, width, 2, device=times.device) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)
