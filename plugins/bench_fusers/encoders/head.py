"""The head that MulT, MISTS and FuseMoE end with."""

from __future__ import annotations

import torch
from torch import nn


class ResidualHead(nn.Module):
    """h + W2 drop(relu(W1 h)), then a linear map: forward(h [b, width]) -> logits [b, outputs]."""

    def __init__(self, width: int, outputs: int, dropout: float = 0.0):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(width, outputs)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(h + self.second(self.dropout(torch.relu(self.first(h)))))
        return logits
