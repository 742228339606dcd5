"""The residual layer of CSDI, channels-last: attention over time, attention over channels, a
gate.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from bench_imputers.diffusion.params import CsdiSizes


def pointwise(inputs: int, outputs: int) -> nn.Linear:
    """A 1 x 1 convolution, channels-last: Kaiming normal weights with gain √2, biases uniform
    ±1/√inputs.
    """
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight)
    return layer


class ResidualLayer(nn.Module):
    """Section 3.3 and figure 6 of the paper. time, feature: whether the grid has more than one
    bin, one channel.
    """

    def __init__(self, size: CsdiSizes, side: int, time: bool, feature: bool):
        super().__init__()
        self.step = nn.Linear(size.step_width, size.channels)
        # A layer that would attend over a single token is skipped, and so has no gradient, but has
        # weights as published.
        self.time, self.feature = (TransformerLayer(size) for _ in range(2))
        self.over_time, self.over_channels = time, feature
        self.middle = pointwise(size.channels, 2 * size.channels)
        self.side = pointwise(side, 2 * size.channels)
        self.out = pointwise(size.channels, 2 * size.channels)

    def side_weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight [2C, side] of the side information and bias [2C], that of the middle map folded
        in.
        """
        return self.side.weight, self.side.bias + self.middle.bias

    def forward(
        self, x: torch.Tensor, step: torch.Tensor, side: torch.Tensor, last: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x: [b, channels, length, C]; step: [b or 1, 1, 1, C]; side: [b or 1, length, channels,
        2C].

        Returns the next x (the same one where this is the last layer) and the skip [b, length,
        channels, C].
        """
        b, channels, length, width = x.shape
        y = x + step
        if self.over_time:
            y = self.time(y.reshape(b * channels, length, width)).view(b, channels, length, width)
        y = y.transpose(1, 2)
        if self.over_channels:
            y = self.feature(y.reshape(b * length, channels, width)).view(b, length, channels, width)
        gate, filtered = (functional.linear(y, self.middle.weight) + side).chunk(2, dim=-1)
        y = torch.sigmoid(gate) * torch.tanh(filtered)
        if last:
            return x, functional.linear(y, self.out.weight[width:], self.out.bias[width:])
        residual, skip = self.out(y).chunk(2, dim=-1)
        return (x + residual.transpose(1, 2)) * math.sqrt(0.5), skip


class TransformerLayer(nn.Module):
    """One post-norm encoder layer over sequences of C-wide tokens: [sequences, tokens, C] to the
    same.
    """

    def __init__(self, size: CsdiSizes):
        super().__init__()
        width = size.channels
        self.heads, self.dropout = size.heads, size.dropout
        self.packed = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.norm_attended, self.norm_fed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up = nn.Linear(width, size.feedforward)
        self.down = nn.Linear(size.feedforward, width)
        nn.init.xavier_uniform_(self.packed.weight)
        nn.init.zeros_(self.packed.bias)
        nn.init.zeros_(self.merge.bias)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        y = self.norm_attended(y + self._drop(self.merge(self._attend(y))))
        fed = self.down(self._drop(functional.gelu(self.up(y))))
        encoded: torch.Tensor = self.norm_fed(y + self._drop(fed))
        return encoded

    def _attend(self, y: torch.Tensor) -> torch.Tensor:
        sequences, tokens, width = y.shape
        head = width // self.heads
        packed = self.packed(y).view(sequences, tokens, 3, self.heads, head)
        if self.training and self.dropout and y.device.type == "cpu":
            # The fused kernel has no dropout on a CPU and falls back to one that checks every row
            # for masks.
            query, key = (packed[:, :, i].transpose(1, 2).reshape(-1, tokens, head) for i in range(2))
            value = packed[:, :, 2].permute(0, 2, 3, 1).reshape(-1, head, tokens)
            scores = torch.bmm(key, query.transpose(1, 2) * head**-0.5)
            mixed = torch.bmm(value, dropout(scores.softmax(dim=1), self.dropout))
            return mixed.view(sequences, width, tokens).transpose(1, 2)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        dropped = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropped)
        return attended.transpose(1, 2).reshape(sequences, tokens, width)

    def _drop(self, y: torch.Tensor) -> torch.Tensor:
        return dropout(y, self.dropout) if self.training and self.dropout else y


def dropout(y: torch.Tensor, share: float) -> torch.Tensor:
    """Zero a share of the entries and scale the others so that the mean stays. torch's generator
    decides.

    On a CPU torch's own draws a double per entry; 16 random bits do, at a share that is rounded to
    1/65,536.
    """
    if y.device.type != "cpu":
        return functional.dropout(y, share)
    threshold = min(round(share * 65536), 65535)
    low, high = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max
    bits = torch.empty((y.numel() + 3) // 4, dtype=torch.int64).random_(low, high).view(torch.int16)[: y.numel()]
    kept = (bits >= threshold - 32768).view(y.shape).to(y.dtype)
    return y * kept.mul_(65536 / (65536 - threshold))
