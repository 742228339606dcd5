"""When a step was, as a vector: learned (Time2Vec), or fixed sinusoids; and the table of a
step's place in the sequence.
"""

from __future__ import annotations

import math

import torch
from torch import nn


class Time2Vec(nn.Module):
    """times [..] -> [.., width]: one learned linear component, the others sines of learned
    frequency and phase.

    Kazemi et al. 2019; with width 64 the embedding of MISTS and FuseMoE. Times must come as shares
    of the window (0 to 1), not in hours.
    """

    def __init__(self, width: int):
        super().__init__()
        self.linear, self.periodic = nn.Linear(1, 1), nn.Linear(1, width - 1)

    def forward(self, times: torch.Tensor) -> torch.Tensor:
        times = times[..., None]
        return torch.cat([self.linear(times), torch.sin(self.periodic(times))], dim=-1)


def sinusoid(positions: torch.Tensor, width: int) -> torch.Tensor:
    """positions [..], of any kind and unit -> [.., width]: sines, then cosines (not interleaved).

    Frequency k is exp(-k ln(10000) / (width // 2 - 1)); an odd width ends with a channel of zeros.
    As MulT has it.
    """
    half = width // 2
    steps = torch.arange(half, device=positions.device, dtype=torch.float32)
    angles = positions[..., None].float() * torch.exp(steps * (-math.log(10000.0) / max(half - 1, 1)))
    parts = [angles.sin(), angles.cos()]
    if width % 2:
        parts.append(torch.zeros_like(positions, dtype=torch.float32)[..., None])
    return torch.cat(parts, dim=-1)


class PositionTable(nn.Module):
    """A learned vector for each place of a sequence of at most `length` steps: forward(n) -> [n,
    width].

    Drawn with standard deviation 0.02; the vector of the first place stays zero. The tables of
    MISTS declare it as padding, which is never trained either, but there it stays as it was drawn.
    """

    def __init__(self, length: int, width: int):
        super().__init__()
        self.table = nn.Parameter(torch.randn(max(length - 1, 0), width) * 0.02)

    def forward(self, n: int) -> torch.Tensor:
        return torch.cat([self.table.new_zeros(1, self.table.shape[1]), self.table[: n - 1]])
