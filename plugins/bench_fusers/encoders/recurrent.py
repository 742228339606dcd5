"""A sequence of steps through a GRU (Cho et al. 2014) or an LSTM (Hochreiter and Schmidhuber
1997).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn


class Recurrent(nn.Module):
    """forward(x [b, n, channels]) -> the hidden state after each step, [b, n, hidden]; a step never
    reads a later one.

    Every step is read; what was recorded enters as channels of x, and what is made of an absent
    modality is the caller's to mask by its flag.
    """

    def __init__(self, channels: int, hidden: int, cell: Literal["gru", "lstm"]):
        super().__init__()
        kind = nn.GRU if cell == "gru" else nn.LSTM
        self.cells = kind(channels, hidden, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.cells(x)[0]
        return states
