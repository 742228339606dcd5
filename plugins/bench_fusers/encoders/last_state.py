"""A modality's state for a late fusion: the last readable step of a transformer, over its bins or
over points of time.

The "memory" encoder that the clinical code of MISTS puts before MAG and TFN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import nn

from bench.torch_fuser import Inputs, ModalityView
from bench_fusers.encoders.steps import readable_steps
from bench_fusers.encoders.time import PositionTable, sinusoid
from bench_fusers.encoders.transformer import CrossEncoder, last_step
from bench_fusers.encoders.utde import UTDE, streams
from bench_fusers.front_params import Mixup


class Bins(nn.Module):
    """The bins of the completed grid, mapped to `width` and placed by their time: view -> x [b,
    length, width], mask [b, length].

    masks: what was recorded stands beside the values. read: see `readable_steps`.
    """

    def __init__(
        self, channels: int, width: int, bin_hours: float, masks: bool = True, read: Literal["all", "observed"] = "all"
    ):
        super().__init__()
        self.bin_hours, self.masks, self.read = bin_hours, masks, read
        self.project = nn.Linear((1 + masks) * channels, width, bias=False)

    def forward(self, view: ModalityView) -> tuple[torch.Tensor, torch.Tensor]:
        steps = readable_steps(view, self.read)
        values = steps.values if self.masks else steps.values[..., : view.values.shape[2]]
        x = self.project(values)
        return x * x.shape[2] ** 0.5 + sinusoid(view.times / self.bin_hours + 1, x.shape[2]), steps.mask


class Points(nn.Module):
    """The points of `utde`, placed by a learned table: view with events -> x [b, points, width],
    mask [b, points].
    """

    def __init__(self, utde: UTDE, width: int, dropout: float):
        super().__init__()
        self.utde, self.positions, self.dropout = utde, PositionTable(utde.points, width), nn.Dropout(dropout)

    def forward(self, view: ModalityView) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.utde(view)
        mask = view.present[:, None].expand(-1, x.shape[1])
        return self.dropout(x * x.shape[2] ** 0.5 + self.positions(x.shape[1])), mask


class LastState(nn.Module):
    """forward(view) -> the last readable step [b, width], 0 where there is none; and [b], 1 =
    there is one.
    """

    def __init__(self, enter: Bins | Points, width: int, heads: int, layers: int, dropout: float):
        super().__init__()
        self.enter, self.encoder = enter, CrossEncoder(width, heads, layers, dropout)

    def forward(self, view: ModalityView) -> tuple[torch.Tensor, torch.Tensor]:
        x, mask = self.enter(view)
        present = mask.amax(dim=1)
        state = self.encoder.at(last_step(mask), x, mask)
        # Chosen, not multiplied: what is made of an absent modality, were it NaN, is gone.
        return torch.where(present[:, None] > 0, state, 0.0), present


def bins(inputs: Inputs, width: int, masks: bool = True, read: Literal["all", "observed"] = "all") -> Iterator[Bins]:
    """A `Bins` for each modality, in their order, each made when it is asked for."""
    return (Bins(channels, width, inputs.bin_hours, masks, read) for _, channels in inputs.modalities.values())


def points(inputs: Inputs, width: int, most: int, mixup: Mixup, dropout: float) -> Iterator[Points]:
    """A `Points` for each modality, in their order; `most`: see `streams`."""
    return (Points(utde, width, dropout) for utde in streams(inputs, width, most, mixup, dropout=dropout))
