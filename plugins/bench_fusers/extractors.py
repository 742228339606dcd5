"""What reads a modality in the federated baselines: the encoders of CondI, on the completed series.

Axes: `b` records, `m` modalities in the order of the cohort, D the width of a representation. A
modality is read where it is present: available, or filled by an imputer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from bench.torch_fuser import Batch, ModalityView
from bench_fusers.extractor_params import ExtractorParams
from bench_imputers.diffusion.condi_encoders import InceptionEncoder, SmallEncoder

__all__ = ["Extractor", "Extractors", "SharedExtractor"]


class Extractor(nn.Module):
    """Of one modality: [b, channels, length] -> [b, D]. Reads all bins of the completed series."""

    def __init__(self, channels: int, params: ExtractorParams):
        super().__init__()
        self.small = params.extractor == "small"
        self.encoder = _encoder([channels], params)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        steps = values.new_ones(len(values), 1, values.shape[2])
        return _encoded(self.encoder, self.small, [values], steps)[:, 0]


class Extractors(nn.ModuleList):
    """One of each modality, apart: none learns from a record that lacks its own."""

    def __init__(self, channels: Iterable[int], params: ExtractorParams):
        super().__init__(Extractor(each, params) for each in channels)
        self.width = params.width

    def read(self, batch: Batch) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Per modality the places of the records that have it, and their representations [·, D]."""
        return [self._read(extractor, view) for extractor, view in zip(self, batch.modalities.values(), strict=True)]

    def _read(self, extractor: nn.Module, view: ModalityView) -> tuple[torch.Tensor, torch.Tensor]:
        rows = view.present.nonzero()[:, 0]
        if not len(rows):
            return rows, view.values.new_zeros(0, self.width)
        return rows, extractor(view.values[rows].transpose(1, 2)).float()

    def whole(self, batch: Batch) -> torch.Tensor:
        """[b, m, D]: all representations, 0 where a modality is not present."""
        empty = batch.statics.new_zeros(len(batch.statics), self.width)
        return torch.stack([empty.index_add(0, rows, z) for rows, z in self.read(batch)], dim=1)


class SharedExtractor(nn.Module):
    """Of all modalities, which share it but for its first layers."""

    def __init__(self, channels: Sequence[int], params: ExtractorParams):
        super().__init__()
        self.small = params.extractor == "small"
        self.encoder = _encoder(list(channels), params)

    def forward(self, batch: Batch) -> torch.Tensor:
        """[b, m, D], 0 where a modality is not present."""
        views, here = list(batch.modalities.values()), present(batch)
        values = [torch.where(view.present[:, None, None] > 0, view.values, 0.0).transpose(1, 2) for view in views]
        steps = here[:, :, None].expand(-1, -1, values[0].shape[2])
        return torch.where(here[..., None] > 0, _encoded(self.encoder, self.small, values, steps).float(), 0.0)


def present(batch: Batch) -> torch.Tensor:
    """[b, m], 1 where a modality is present, else 0."""
    return torch.stack([view.present for view in batch.modalities.values()], dim=1)


def _encoder(channels: list[int], params: ExtractorParams) -> nn.Module:
    if params.extractor == "small":
        return SmallEncoder(channels, params.width)
    return InceptionEncoder(channels, params.width, params.filters)


def _encoded(encoder: nn.Module, small: bool, values: list[torch.Tensor], steps: torch.Tensor) -> torch.Tensor:
    """[b, m, D]. values: per modality [b, channels, length]. steps: [b, m, length], 1 or 0."""
    if small:
        read: torch.Tensor = encoder(values, steps)
        return read
    visible = [each[:, None].expand_as(own) for each, own in zip(steps.unbind(1), values, strict=True)]
    read = encoder(values, visible, steps)
    return read
