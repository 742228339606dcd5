"""The context of TRACE by hour: every bin attends over the single events of the other modalities.

Our own reading, of no published code: pooling over the window loses when a note was written. Axes: `b` records, `n` events
of a modality, `length` bins, `width` of the context.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from bench_imputers.diffusion.denoiser import Given
from bench_imputers.diffusion.layers import time_embedding, two_layers
from bench_imputers.diffusion.trace_params import TraceChoice

TIME_WIDTH = 128
"""Of the embeddings of times, as that of CSDI."""


class EventContext(nn.Module):
    """[b, length, 1, width] for a `Given`.

    An event is a token: a projection of its values (a modality's own), a linear map of the embedding of its time, and a
    vector of its modality. A bin asks with a linear map of the embedding of its own time, and gets what multi-head
    attention over all events of the record makes of it. Without any event it gets the null vector, which starts at 0.
    """

    def __init__(self, sizes: Mapping[str, int], times: tuple[float, ...], choice: TraceChoice, heads: int):
        super().__init__()
        self.sizes, width = dict(sizes), choice.context_width
        self.null = nn.Parameter(torch.zeros(width))
        self.projections = nn.ModuleList(two_layers(size, choice.hidden_width, width) for size in sizes.values())
        self.modality = nn.Parameter(torch.randn(len(sizes), width))
        self.when, self.ask = nn.Linear(TIME_WIDTH, width), nn.Linear(TIME_WIDTH, width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.register_buffer("times", time_embedding(torch.tensor(times), TIME_WIDTH), persistent=False)
        self.times: torch.Tensor

    def forward(self, given: Given) -> torch.Tensor:
        events = [given.events[name] for name in self.sizes]
        tokens = [
            project(torch.where(each.visible[..., None], each.values, 0))
            + self.when(time_embedding(torch.where(each.visible, each.times, 0), TIME_WIDTH))
            + kind
            for project, each, kind in zip(self.projections, events, self.modality, strict=True)
        ]
        visible = torch.cat([each.visible for each in events], dim=1)
        any_event = visible.any(dim=1)
        # A softmax over nothing is NaN: a record without events attends over what is not visible, and that is not used.
        hidden = ~visible & any_event[:, None]
        asked = self.ask(self.times).expand(len(visible), -1, -1)
        told = torch.cat(tokens, dim=1)
        attended, _ = self.attention(asked, told, told, key_padding_mask=hidden, need_weights=False)
        return torch.where(any_event[:, None, None], attended, self.null)[:, :, None]
