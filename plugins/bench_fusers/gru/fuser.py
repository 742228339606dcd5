"""One GRU per modality over values, mask and time gaps; their states are concatenated and
classified.

The GRU is Cho et al. 2014. The further inputs (mask, time since the last observation) are those of
GRU-simple: Che et al. 2018, "Recurrent Neural Networks for Multivariate Time Series with Missing
Values". The decay of their GRU-D is left out, since the imputer completes the grid here.
"""

from __future__ import annotations

import torch
from torch import nn

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs, ModalityView, TorchFuser
from bench_fusers.encoders.recurrent import Recurrent
from bench_fusers.gru.plugin import GRUParams


class GRU(TorchFuser[GRUParams]):
    """See the module. The representation of a modality is its last hidden state and the mean,
    largest and smallest over all bins.

    Extremes are what summaries of a stay are read for; without them the GRU falls behind a linear
    model of such summaries. A modality that is not present has a learned vector in its place.
    """

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Network(inputs, task, self.params)


class Network(nn.Module):
    """Readers of all modalities, the vectors that stand for absent ones, the head.
    forward(batch) -> logits [b, outputs].
    """

    def __init__(self, inputs: Inputs, task: Task, params: GRUParams):
        super().__init__()
        hidden = params.hidden
        self.bin_hours = inputs.bin_hours
        self.readers = nn.ModuleDict(
            # A prefix, since a modality may be called what a ModuleDict already has ("keys").
            {f"of_{name}": Recurrent(3 * channels, hidden, "gru") for name, (_, channels) in inputs.modalities.items()}
        )
        self.absent = nn.Parameter(torch.zeros(len(self.readers), 4 * hidden))
        self.dropout = nn.Dropout(params.dropout)
        self.statics = nn.Linear(2 * inputs.statics, params.statics) if inputs.statics else None
        width = len(self.readers) * (4 * hidden + 2) + (params.statics if inputs.statics else 0)
        self.head = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(params.dropout), nn.Linear(hidden, task.outputs)
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.embed(batch))
        return logits

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, width]: what was read of every modality, its two flags, and the statics."""
        parts = []
        for absent, (name, view) in zip(self.absent, batch.modalities.items(), strict=True):
            states = self.readers[f"of_{name}"](self._steps(view))
            pooled = [states[:, -1], states.mean(dim=1), states.amax(dim=1), states.amin(dim=1)]
            read = torch.where(view.present[:, None] > 0, torch.cat(pooled, dim=1), absent)
            parts += [self.dropout(read), view.available[:, None], view.filled[:, None]]
        if self.statics is not None:
            known = torch.cat([batch.statics, batch.statics_observed], dim=1)
            parts.append(torch.relu(self.statics(known)))
        return torch.cat(parts, dim=1)

    def _steps(self, view: ModalityView) -> torch.Tensor:
        """[b, length, 3 * channels]: values, mask, and the time since the last observation as a
        share of the window.
        """
        before = view.times[0] - self.bin_hours
        times = view.times[None, :, None]
        seen = torch.where(view.observed > 0, times, before).cummax(dim=1).values
        gaps = (times - seen) / (view.times[-1] - before)
        return torch.cat([view.values, view.observed, gaps], dim=2)
