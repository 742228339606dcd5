"""MISTS: every modality on reference points (UTDE), then layers of self-attention, cross-attention
and feed-forward.

Zhang et al., "Improving Medical Predictions by Irregular Multimodal Electronic Health Records
Modeling", ICML 2023. The paper and its code know a series and clinical notes; what is decided here
instead:

- Any number of modalities. Each is read in both forms, events and completed grid (the paper's code:
  notes as events only), so that an imputed value of every modality reaches the prediction.
- A stream reads all others and adds up what it read, with a cross-attention of its own for each
  ordered pair. With two modalities this is the published layer, with one there is none.
- Times of all modalities are shares of the window, none reversed.
- A channel without any observation is read as 0 and "never", not as the mean of the padding.
- The stream of a modality that is neither available nor filled is zero at the head and is read by
  no other. No record is left out, and none has an influence on another.
- The token type that a later port adds to each stream is left out, as in the original.
- Statics, embedded, stand beside the streams before the head.
- Loss and training are those of every fuser here; published are Adam, learning rate 4e-4, 6 epochs,
  cross entropy.
"""

from __future__ import annotations

from itertools import permutations

import torch
from torch import nn

from bench.cohort import Task
from bench.errors import UsageError
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench_fusers.encoders.time import PositionTable
from bench_fusers.encoders.transformer import Attention, FeedForward, ResidualHead
from bench_fusers.encoders.utde import streams
from bench_fusers.mists.plugin import MISTS_PRESETS, MistsChoice, MistsParams


class Mists(TorchFuser[MistsParams]):
    """See the module. The representation is the last point of every stream, and the statics.

    Raises UsageError where a width is not a multiple of its heads, and for irregular=dense without
    that branch.
    """

    uses_events = True

    @property
    def reads_imputed(self) -> bool:
        """See `Fuser.reads_imputed`; the events hold observed values alone."""
        return self.params.branches != "irregular" or self.params.irregular == "dense"

    @property
    def reads_events(self) -> bool:
        """See `Fuser.reads_events`."""
        return self.params.branches != "regular" and self.params.irregular == "events"

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        choice = MISTS_PRESETS.over(self.params)
        if self.params.branches == "regular" and self.params.irregular == "dense":
            raise UsageError(
                "fuser.mists: irregular=dense has no effect with branches=regular; give fuser.mists.branches=mixed"
            )
        for width, heads in (("width", "heads"), ("time_width", "time_heads")):
            if getattr(choice, width) % getattr(choice, heads):
                raise UsageError(
                    f"fuser.mists: {width} {getattr(choice, width)} is not a multiple of {heads} {getattr(choice, heads)}; "
                    f"give e.g. fuser.mists.{heads}=1"
                )
        return MistsNetwork(inputs, task.outputs, self.params)


class MistsNetwork(nn.Module):
    """Streams of all modalities, layers over them, head."""

    def __init__(self, inputs: Inputs, outputs: int, params: MistsParams):
        super().__init__()
        choice = MISTS_PRESETS.over(params)
        count = len(inputs.modalities)
        self.width = choice.width
        fronts = streams(
            inputs,
            choice.width,
            choice.points,
            params.gate,
            params.branches,
            choice.time_heads,
            choice.time_width,
            params.dropout,
            params.irregular,
        )
        self.streams = nn.ModuleList(fronts)
        self.positions = PositionTable(max(stream.points for stream in fronts), choice.width)
        self.dropout = nn.Dropout(params.dropout)
        self.layers = nn.ModuleList(InterleavedLayer(count, choice, params.dropout) for _ in range(choice.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(choice.width) for _ in range(count))
        self.statics = nn.Linear(2 * inputs.statics, params.statics) if inputs.statics else None
        width = count * choice.width + (params.statics if inputs.statics else 0)
        self.head = ResidualHead(width, outputs, params.dropout)

    def forward(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.embed(batch))
        return logits

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, width * modalities (+ statics)]: the last point of every stream, zero where the
        modality is absent.
        """
        views = list(batch.modalities.values())
        present = torch.stack([view.present for view in views])[..., None, None]
        streams = [self._placed(stream(view)) for stream, view in zip(self.streams, views, strict=True)]
        for layer in self.layers:
            streams = layer(streams, present, last=layer is self.layers[-1])
        read = [norm(stream[:, -1]) for norm, stream in zip(self.norms, streams, strict=True)]
        parts = [stream * here[:, 0] for stream, here in zip(read, present, strict=True)]
        if self.statics is not None:
            parts.append(torch.relu(self.statics(torch.cat([batch.statics, batch.statics_observed], dim=1))))
        return torch.cat(parts, dim=1)

    def _placed(self, stream: torch.Tensor) -> torch.Tensor:
        placed: torch.Tensor = self.dropout(self.width**0.5 * stream + self.positions(stream.shape[1]))
        return placed


class InterleavedLayer(nn.Module):
    """Self-attention of every stream, cross-attention of every ordered pair, feed-forward; all
    pre-norm and residual.

    All pairs read the streams as they were after self-attention. present: [modalities, b, 1, 1], 0
    = this stream is not read.
    """

    def __init__(self, modalities: int, choice: MistsChoice, dropout: float):
        super().__init__()

        def attention() -> Attention:
            return Attention(choice.width, choice.heads, choice.attention_dropout)

        def norms() -> nn.ModuleList:
            return nn.ModuleList(nn.LayerNorm(choice.width) for _ in range(modalities))

        self.pairs = list(permutations(range(modalities), 2))
        self.own = nn.ModuleList(attention() for _ in range(modalities))
        self.across = nn.ModuleList(attention() for _ in self.pairs)
        self.feed_forward = nn.ModuleList(FeedForward(choice.width, dropout) for _ in range(modalities))
        self.own_norms, self.forward_norms = norms(), norms()
        self.across_norms = norms() if self.pairs else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, streams: list[torch.Tensor], present: torch.Tensor, last: bool = False) -> list[torch.Tensor]:
        """[b, points of the modality, width] for each modality -> the same.

        last: -> [b, 1, width], the last point of the same: all that the head reads of the last
              layer, for a part of its cost.
        """
        streams = [
            x + self.dropout(attention(norm(x)))
            for x, attention, norm in zip(streams, self.own, self.own_norms, strict=True)
        ]
        mixed = [x[:, -1:] for x in streams] if last else list(streams)
        if self.across_norms is not None:
            read = [norm(x) for norm, x in zip(self.across_norms, streams, strict=True)]
            for (to, source), attention in zip(self.pairs, self.across, strict=True):
                query = read[to][:, -1:] if last else read[to]
                mixed[to] = mixed[to] + present[source] * self.dropout(attention(query, read[source]))
        return [
            x + forward(norm(x)) for x, forward, norm in zip(mixed, self.feed_forward, self.forward_norms, strict=True)
        ]
