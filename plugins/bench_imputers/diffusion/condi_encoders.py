"""Encoders of one modality's visible entries to one vector. Specification condi.md, sections 4.1
and 5.1.

Axes: `b` records, `m` modalities, `width` of an encoding. Batch normalisation makes a record's
encoding depend on its batch mates in training; in sampling it uses running statistics and does not.

On a CPU the series of an `InceptionEncoder` lie bin by bin, the channels of a bin side by side. In
this layout torch's convolutions of few channels are several times as fast.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from bench.training import BatchNorm1d


class Conv1d(nn.Conv1d):
    """torch's with a stride of 1: [series, inputs, length] to [series, outputs, length], which on a
    CPU lies bin by bin.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        planes = x[:, :, None].contiguous(memory_format=torch.channels_last)
        return functional.conv2d(planes, self.weight[:, :, None], self.bias, padding=(0, int(self.padding[0])))[:, :, 0]


class SeriesNorm(BatchNorm1d):
    """Batch normalisation of [series, channels, length], the same on a CPU from tokens, as the bins
    lie there.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        tokens: torch.Tensor = super().forward(x.transpose(1, 2).flatten(0, 1))
        return tokens.reshape(x.shape[0], x.shape[2], x.shape[1]).transpose(1, 2)


class SmallEncoder(nn.Module):
    """Two convolutions of 9 bins, the mean over visible bins, a linear map (section 4.1).

    Modalities share all of it, but the first convolution is a modality's own where it has several
    channels.
    """

    def __init__(self, sizes: list[int], width: int):
        super().__init__()
        apart = [size for size in sizes if size > 1]
        self.first = nn.ModuleList(nn.Conv1d(size, 32, 9, padding=4) for size in [1] * (1 in sizes) + apart)
        self.which = first_of(sizes)
        self.rest = nn.Sequential(
            BatchNorm1d(32), nn.ReLU(), nn.Conv1d(32, 64, 9, padding=4), BatchNorm1d(64), nn.ReLU()
        )
        self.map = nn.Linear(64, width)

    def forward(self, values: list[torch.Tensor], steps: torch.Tensor) -> torch.Tensor:
        """[b, m, width]. values: per modality [b, channels, length], 0 where not visible. steps:
        [b, m, length], 1 or 0.
        """
        begun = torch.stack([self.first[i](each) for i, each in zip(self.which, values, strict=True)], dim=1)
        encoded = self.rest(begun.flatten(0, 1)).unflatten(0, steps.shape[:2])
        encoded = (encoded * steps[:, :, None]).sum(dim=3) / steps.sum(dim=2).clamp(min=1)[..., None]
        mapped: torch.Tensor = self.map(encoded)
        return mapped


def first_of(sizes: list[int]) -> list[int]:
    """Which first convolution of a `SmallEncoder` each modality has. Where there are any of one
    channel, number 0 serves them all.
    """
    own = iter(range(1 in sizes, len(sizes) + 1))
    return [0 if size == 1 else next(own) for size in sizes]


FILTERS = 32
"""Width of the published convolutions."""


class InceptionEncoder(nn.Module):
    """A pre-extractor per modality, one Inception network for all, a head (section 5.1)."""

    def __init__(self, sizes: list[int], width: int, filters: int = FILTERS):
        super().__init__()
        self.width, self.filters, pooled = width, filters, 8 * filters
        self.before = nn.ModuleList(PreExtractor(size, filters) for size in sizes)
        self.backbone = Backbone(filters)
        self.head = nn.Sequential(
            BatchNorm1d(pooled),
            nn.Dropout(0.25),
            nn.Linear(pooled, width),
            nn.ReLU(),
            BatchNorm1d(width),
            nn.Dropout(0.5),
        )

    def of(self, places: Sequence[int]) -> InceptionEncoder:
        """The encoder of some of its modalities; its weights are the same objects."""
        with torch.random.fork_rng(devices=[]):
            part = InceptionEncoder([], self.width, self.filters)
        part.before = nn.ModuleList(self.before[place] for place in places)
        part.backbone, part.head = self.backbone, self.head
        return part

    def forward(self, values: list[torch.Tensor], visible: list[torch.Tensor], steps: torch.Tensor) -> torch.Tensor:
        """[b, m, width]. visible: as values, 1 or 0; others as in `SmallEncoder`.

        Bins without a visible value hold the channel's mean over visible ones (0 where there is
        none) before the pre-extractor, and 0 after it. The average over time counts visible bins,
        the maximum all.
        """
        begun = []
        for place, (before, each, seen) in enumerate(zip(self.before, values, visible, strict=True)):
            mean = (each * seen).sum(dim=2, keepdim=True) / seen.sum(dim=2, keepdim=True).clamp(min=1)
            begun.append(before(torch.where(seen > 0, each, mean)) * steps[:, place, None])
        encoded = self.backbone(torch.stack(begun, dim=1).flatten(0, 1))
        where = steps.flatten(0, 1)[:, None]
        average = (encoded * where).sum(dim=2) / where.sum(dim=2).clamp(min=1)
        outputs: torch.Tensor = self.head(torch.cat([encoded.amax(dim=2), average], dim=1))
        by_record: torch.Tensor = outputs.unflatten(0, steps.shape[:2])
        return by_record


class PreExtractor(nn.Module):
    """Convolutions of 39 bins beside an identity: [b, channels, length] to [b, 1, length].

    Where there are several channels, a convolution of one bin stands for the identity.
    """

    def __init__(self, channels: int, filters: int = FILTERS):
        super().__init__()
        half = filters // 2
        self.convolutions = nn.Sequential(
            Conv1d(channels, filters, 1, bias=False),
            Conv1d(filters, filters, 39, padding=19, bias=False),
            nn.ReLU(),
            Conv1d(filters, filters, 39, padding=19, bias=False),
            nn.ReLU(),
            Conv1d(filters, half, 39, padding=19, bias=False),
            nn.ReLU(),
            Conv1d(half, 1, 39, padding=19),
        )
        self.beside = nn.Identity() if channels == 1 else Conv1d(channels, 1, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.convolutions(x) + self.beside(x)
        return outputs


class Backbone(nn.Module):
    """Six Inception blocks, with a shortcut around each three: [series, 1, length] to [series, 4 x
    filters, length].
    """

    def __init__(self, filters: int = FILTERS) -> None:
        super().__init__()
        wide = 4 * filters
        self.blocks = nn.ModuleList(Inception(1 if place == 0 else wide, filters) for place in range(6))
        self.shortcuts = nn.ModuleList(
            nn.Sequential(Conv1d(inputs, wide, 1, bias=False), SeriesNorm(wide)) for inputs in (1, wide)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for place, shortcut in enumerate(self.shortcuts):
            begun = x
            for block in self.blocks[3 * place : 3 * place + 3]:
                x = block(x)
            x = torch.relu(x + shortcut(begun))
        return x


class Inception(nn.Module):
    """Convolutions of 39, 19 and 9 bins behind a bottleneck, and a maximum over 3 bins; [series,
    inputs, length] to 4 x filters.
    """

    def __init__(self, inputs: int, filters: int = FILTERS):
        super().__init__()
        self.bottleneck = Conv1d(inputs, filters, 1, bias=False)
        self.convolutions = nn.ModuleList(
            Conv1d(filters, filters, bins, padding=bins // 2, bias=False) for bins in (39, 19, 9)
        )
        self.largest = nn.Sequential(nn.MaxPool1d(3, stride=1, padding=1), Conv1d(inputs, filters, 1, bias=False))
        self.norm = SeriesNorm(4 * filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = self.bottleneck(x)
        branches = [*(convolution(narrow) for convolution in self.convolutions), self.largest(x)]
        joined = torch.cat([branch.transpose(1, 2) for branch in branches], dim=2).transpose(1, 2)
        return torch.relu(self.norm(joined))
