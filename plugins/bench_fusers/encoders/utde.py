"""UTDE: a modality on regular reference points, from its events and from its completed grid, mixed
by a learned gate.

Zhang et al., "Improving Medical Predictions by Irregular Multimodal Electronic Health Records
Modeling", 2023.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from bench.torch_fuser import Inputs, ModalityView
from bench_fusers.encoders.mtand import MultiTimeAttention
from bench_fusers.encoders.steps import event_steps, grid_steps
from bench_fusers.encoders.time import Time2Vec
from bench_fusers.front_params import MixupLevel

Branches = Literal["mixed", "irregular", "regular"]

Irregular = Literal["events", "dense"]
"""What the branch `irregular` reads: the events as recorded, or every step of the completed
grid.
"""


class UTDE(nn.Module):
    """forward(view with events, unless dense) -> [b, points, width]; zero where the modality is
    absent.

    - irregular: multi-time attention over the events with their own mask, read at `points` times
      evenly from 0 to the end of the window. With `irregular="dense"` it reads all steps of the
      completed grid, its mask as further channels.
    - regular: a map without bias (a convolution of kernel 1) of the completed grid and its mask,
      averaged to `points`.
    - mixed: g * irregular + (1 - g) * regular, g = sigmoid(W2 relu(W1 dropout([irregular,
      regular]))), weights Xavier-normal. At level `batch` the gate reads the maximum of both over
      the points.
    - hours: the length of the window, which times are shares of.
    - time: an embedding of time shared with other modalities.

    The branch `irregular` alone, over events, reads no imputed value: a fuser that offers it says
    so.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        points: int,
        hours: float,
        level: MixupLevel = "batch",
        branches: Branches = "mixed",
        heads: int = 8,
        time_width: int = 64,
        dropout: float = 0.0,
        time: Time2Vec | None = None,
        irregular: Irregular = "events",
    ):
        super().__init__()
        self.points, self.hours, self.level = points, hours, level
        self.dense = irregular == "dense"
        read = 2 * channels if self.dense else channels
        self.attention = (
            # Where every step is attended to, "was it ever seen" is the same for all records: a
            # second bias.
            MultiTimeAttention(read, width, heads, time_width, dropout, seen=not self.dense, time=time)
            if branches != "regular"
            else None
        )
        self.grid = nn.Linear(2 * channels, width, bias=False) if branches != "irregular" else None
        self.gate = _gate(width, width if level == "batch_seq_feature" else 1, dropout) if branches == "mixed" else None
        self.queries: torch.Tensor
        self.register_buffer("queries", torch.linspace(0, 1, points), persistent=False)

    @property
    def times(self) -> torch.Tensor:
        """[points], hours."""
        return self.queries * self.hours

    def forward(self, view: ModalityView) -> torch.Tensor:
        if self.attention is None:
            embedded = self.regular(view)
        elif self.grid is None:
            embedded = self.irregular(view)
        else:
            irregular, regular = self.irregular(view), self.regular(view)
            gates = self.gates(irregular, regular)
            embedded = gates * irregular + (1 - gates) * regular
        return embedded * view.present[:, None, None]

    def irregular(self, view: ModalityView) -> torch.Tensor:
        """[b, points, width], from the events, or from the completed grid where it is read
        densely.
        """
        assert self.attention is not None
        if self.dense:
            steps = grid_steps(view)
            mask = steps.mask
        else:
            steps, mask = event_steps(view)
        read: torch.Tensor = self.attention(self.queries, steps.times / self.hours, steps.values, mask)
        return read

    def regular(self, view: ModalityView) -> torch.Tensor:
        """[b, points, width], from the completed grid."""
        assert self.grid is not None
        read: torch.Tensor = self.grid(grid_steps(view, self.points).values)
        return read

    def gates(self, irregular: torch.Tensor, regular: torch.Tensor) -> torch.Tensor:
        """Shares of the irregular branch: [b, 1, 1], [b, points, 1] or [b, points, width], by
        level.
        """
        assert self.gate is not None
        both = torch.cat([irregular, regular], dim=2)
        read: torch.Tensor = self.gate(both.amax(dim=1, keepdim=True) if self.level == "batch" else both)
        return read


def streams(
    inputs: Inputs,
    width: int,
    most: int,
    level: MixupLevel = "batch",
    branches: Branches = "mixed",
    heads: int = 8,
    time_width: int = 64,
    dropout: float = 0.0,
    irregular: Irregular = "events",
) -> list[UTDE]:
    """A `UTDE` for each modality, in their order, with one embedding of time for all; arguments as
    there.

    most: reference points; a modality with fewer bins has a point for each of them.
    """
    time = Time2Vec(time_width)
    return [
        UTDE(
            channels,
            width,
            min(length, most),
            length * inputs.bin_hours,
            level,
            branches,
            heads,
            time_width,
            dropout,
            time,
            irregular,
        )
        for length, channels in inputs.modalities.values()
    ]


def _gate(width: int, outputs: int, dropout: float) -> nn.Sequential:
    layers = [nn.Linear(2 * width, width), nn.Linear(width, outputs)]
    for layer in layers:
        nn.init.xavier_normal_(layer.weight)
    return nn.Sequential(nn.Dropout(dropout), layers[0], nn.ReLU(), layers[1], nn.Sigmoid())
