"""Multi-time attention (mTAND): irregular rows of partly observed channels, read at any times one
asks for.

Shukla & Marlin, "Multi-Time Attention Networks for Irregularly Sampled Time Series", 2021, as MISTS
and FuseMoE use it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from bench_fusers.encoders.time import Time2Vec

FLOOR = 1e-30
"""Added to every weight e^(s - max s); far below any weight that matters. All rows of a channel may
underflow beside a row of another channel: then their plain mean is left instead of 0 / 0.
"""

PIECE = 2**21
"""Most weights computed at a time on a CPU: beyond some 10 MB the allocation of a tensor takes
longer than its arithmetic.
"""


class MultiTimeAttention(nn.Module):
    """Reads `channels` at given times: [b, q, width].

    Per head, a row's score is the scaled product of the query's and the row's time embedding. Per
    channel, a softmax over the rows that observed that channel turns the scores into weights of its
    values. Heads and channels are mapped to `width`. The softmax per channel is sum(e^s m v) /
    sum(e^s m). The weights e^s are the same for every channel, so all channels of a head are one
    matrix product. Memory is [b, heads, q, n], never times channels.

    - seen: each channel's "was it ever observed" joins the input of the last map. This equals the
      published [values, mask], its mask averaged over its own ones, at half the cost.
    - time: an embedding shared with others (`Time2Vec(time_width)`); default one of its own.

    A channel that no row observed gives 0 (the published code: the mean of all rows, padding
    included). Times are shares of the window, see `Time2Vec`. Dropout acts on the weights: a row's
    weight for a channel is dropped for all heads and queries together. The published code draws
    each one. The expectation is the same, and nothing of the size of the scores is drawn.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        heads: int = 8,
        time_width: int = 64,
        dropout: float = 0.0,
        seen: bool = False,
        time: Time2Vec | None = None,
    ):
        super().__init__()
        if time_width % heads:
            raise ValueError(f"time_width {time_width} is not a multiple of heads {heads}")
        self.heads, self.dropout, self.seen = heads, dropout, seen
        self.time = time if time is not None else Time2Vec(time_width)
        self.query, self.key = nn.Linear(time_width, time_width), nn.Linear(time_width, time_width)
        self.out = nn.Linear((heads + seen) * channels, width)

    def forward(
        self, queries: torch.Tensor, times: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """queries: [q] or [b, q]. times: [b, n]. values: [b, n, channels]. mask: [b, n,
        channels] or [b, n], 1 = readable.
        """
        attended, observed = self.attend(queries, times, values, mask)
        read = attended.transpose(1, 2).flatten(2)
        if self.seen:
            read = torch.cat([read, observed[:, None].expand(-1, read.shape[1], -1)], dim=2)
        out: torch.Tensor = self.out(read)
        return out

    def attend(
        self, queries: torch.Tensor, times: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is weighed, [b, heads, q, channels], and whether a channel was seen at all, [b,
        channels or 1].
        """
        mask = mask[..., None] if mask.dim() == 2 else mask
        held = functional.dropout(torch.where(mask > 0, values, 0.0), self.dropout, self.training)
        rows = torch.cat([held, mask], dim=2)
        # In bfloat16 the scores, and so the weights, would be off by percents.
        with torch.autocast(times.device.type, enabled=False):
            query = self.query(self.time(queries)).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            key = self.key(self.time(_readable_times(times, mask))).unflatten(-1, (self.heads, -1)).permute(0, 2, 3, 1)
            sums = _weighed(query * query.shape[-1] ** -0.5, key, rows) + FLOOR * rows.sum(dim=1, keepdim=True)
        above, below = sums.split([values.shape[2], mask.shape[2]], dim=2)
        observed = mask.amax(dim=1)
        below = torch.where(observed[:, None] > 0, below, 1.0)
        return (above / below).unflatten(1, (self.heads, -1)), observed.expand(-1, values.shape[2])


def _weighed(query: torch.Tensor, key: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """sum over n of e^(s - max s) rows. query [(b,) heads, q, d], key [b, heads, d, n], rows [b,
    n, c] -> [b, heads * q, c].
    """
    each = query.shape[-2] * key.shape[1] * key.shape[3]
    piece = len(key) if key.is_cuda else max(1, PIECE // each)
    queries = [query] * len(key) if query.dim() == 3 else query.split(piece)
    parts = []
    for part, of, held in zip(queries, key.split(piece), rows.split(piece), strict=False):
        scores = part @ of
        weights = scores.sub_(scores.detach().amax(dim=3, keepdim=True)).exp_()
        parts.append(torch.bmm(weights.flatten(1, 2), held))
    return torch.cat(parts)


def _readable_times(times: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Times with those of unreadable rows replaced by the record's first readable one: padding
    moves no maximum.
    """
    readable = mask.amax(dim=2) > 0
    first = readable.float().argmax(dim=1, keepdim=True)
    return torch.where(readable, times, times.gather(1, first))
