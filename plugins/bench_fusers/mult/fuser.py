"""MulT: every modality reads every other one by cross-attention, and a memory transformer joins the
results.

Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", ACL 2019. Layers
are of width 4d inside, the source is never updated, and one LayerNorm serves queries and keys. The
last step of each target goes to a residual head. Any number of modalities of any length and width.

With front=utde the model is "MulT" in the clinical code of Zhang et al. 2023 (MISTS). There every
modality stands on common points of time, made of its events and its completed grid (in that code:
notes of their events alone).

Ours, not published:

- What an imputer filled and the mask of what was recorded are read (preset `reference`: the values
  alone).
- An absent modality is one learned step, which reads and is read in its place.
- The causal rule and the positions follow time stamps.
- Beyond four modalities a linear map brings what a target read to 2d instead of (M - 1)d.
- One modality alone is paired with itself.

Different from the released code, in `reference` too:

- Keys and values share one draw of dropout where they enter.
- The step a padding test takes for padding (first channel exactly 0) is an ordinary step.
- The projection is a map of kernel 1 whatever the widths.

Published training: absolute errors (`regression_loss`), Adam, gradient norm 0.8 (`clip`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from bench.cohort import Task
from bench.components import Context
from bench.errors import UsageError
from bench.sums import Sums
from bench.torch_fuser import Batch, Inputs, ModalityView, TorchFuser
from bench_fusers.encoders.steps import readable_steps
from bench_fusers.encoders.time import PositionTable, sinusoid
from bench_fusers.encoders.transformer import CrossEncoder, ResidualHead, last_step
from bench_fusers.encoders.utde import UTDE, streams
from bench_fusers.mult.plugin import MultChoice, MultParams, mult_choice
from bench_fusers.text_modality import text_of

WIDEST = 4
"""Modalities up to which a memory transformer is as wide as all that its target read."""


class Mult(TorchFuser[MultParams]):
    """See the module."""

    uses_events = True

    @property
    def reads_events(self) -> bool:
        """See `Fuser.reads_events`."""
        return self.params.front == "utde"

    @property
    def reads_imputed(self) -> bool | None:
        """See `Fuser.reads_imputed`: with read=observed steps in which something was recorded,
        and what is imputed in them.
        """
        return None if self.params.read == "observed" else True

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`. Says so where a linear map stands in for the published
        concatenation.
        """
        if len(sums.form.modalities) > WIDEST:
            context.note("channels a linear map leaves", 2 * mult_choice(self.params).width)
        super().begin(sums, context)

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        """Raises UsageError where `width` is no multiple of `heads`."""
        choice = mult_choice(self.params)
        if choice.width % choice.heads:
            raise UsageError(
                f'"fuser.mult.width" {choice.width} is not a multiple of "fuser.mult.heads" {choice.heads} (from the preset '
                f"{self.params.preset} and what was given over it); choose for example fuser.mult.heads=1"
            )
        return MultNetwork(inputs, task.outputs, choice, self.params)


@dataclass(frozen=True)
class Stream:
    """A modality as its transformers read it.

    x: [b, n, width]; times: [n], hours; mask: [b, n], 1 = readable. With null tokens step 0 is the
    learned one, which is readable where no other step is, and its time is never compared.
    """

    x: torch.Tensor
    times: torch.Tensor
    mask: torch.Tensor


class MultNetwork(nn.Module):
    """forward(batch) -> logits [b, outputs]; embed(batch) -> [b, width], the last step of every
    target, and the statics.
    """

    def __init__(self, inputs: Inputs, outputs: int, choice: MultChoice, params: MultParams):
        super().__init__()
        width, names = choice.width, list(inputs.modalities)
        text = text_of(names)
        self.names, self.choice, self.read, self.bin_hours = names, choice, params.read, inputs.bin_hours
        self.sources = [
            [s for s in range(len(names)) if s != t or params.self_pairs or len(names) == 1] for t in range(len(names))
        ]
        crossed = len(self.sources[0]) * width
        memory = crossed if len(names) <= WIDEST else 2 * width
        lengths = [length for length, _ in inputs.modalities.values()]
        if params.front == "utde":
            fronts = streams(inputs, width, params.points, params.mixup, dropout=choice.dropout)
            self.enter = nn.ModuleList(fronts)
            lengths = [utde.points for utde in fronts]
        else:
            sides = [(1 + choice.masks) * channels for _, channels in inputs.modalities.values()]
            self.enter = nn.ModuleList(nn.Linear(side, width, bias=False) for side in sides)
        self.nulls = nn.Parameter(torch.randn(len(names), width) * 0.02) if choice.null_tokens else None
        self.text_dropout = nn.ModuleList(nn.Dropout(choice.text_dropout * (name == text)) for name in names)
        self.embed_dropout = nn.Dropout(choice.embed_dropout)
        weights = [choice.attention_dropout if name == text else choice.other_attention_dropout for name in names]
        self.cross = nn.ModuleList(
            nn.ModuleList(
                CrossEncoder(width, choice.heads, choice.layers, choice.dropout, attention_dropout=weights[source])
                for source in sources
            )
            for sources in self.sources
        )
        self.narrow = nn.ModuleList(nn.Linear(crossed, memory) for _ in names) if memory != crossed else None
        self.memory = nn.ModuleList(
            CrossEncoder(
                memory, choice.heads, choice.memory_layers, choice.dropout, attention_dropout=choice.attention_dropout
            )
            for _ in names
        )
        learned = choice.positions == "learned"
        self.tables = nn.ModuleList(PositionTable(length, width) for length in lengths) if learned else None
        self.memory_tables = nn.ModuleList(PositionTable(length, memory) for length in lengths) if learned else None
        self.statics = nn.Linear(2 * inputs.statics, params.statics) if inputs.statics else None
        joined = len(names) * memory + (params.statics if inputs.statics else 0)
        self.head = ResidualHead(joined, outputs, choice.head_dropout)

    def forward(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.embed(batch))
        return logits

    def embed(self, batch: Batch) -> torch.Tensor:
        streams = [self._stream(k, batch.modalities[name]) for k, name in enumerate(self.names)]
        places = [self._places(stream, stream.x.shape[2], self.tables, k) for k, stream in enumerate(streams)]
        parts = [self._target(k, streams, places) for k in range(len(streams))]
        if self.statics is not None:
            parts.append(torch.relu(self.statics(torch.cat([batch.statics, batch.statics_observed], dim=1))))
        return torch.cat(parts, dim=1)

    def _stream(self, k: int, view: ModalityView) -> Stream:
        enter = self.enter[k]
        if isinstance(enter, UTDE):
            x, times = enter(view), enter.times
            mask = view.present[:, None].expand(-1, len(times))
        else:
            steps = readable_steps(view, self.read)
            values = steps.values if self.choice.masks else steps.values[..., : view.values.shape[2]]
            x, times, mask = enter(self.text_dropout[k](values)), view.times, steps.mask
        if self.nulls is not None:
            x = torch.cat([self.nulls[k].expand(len(x), 1, -1), x], dim=1)
            times = torch.cat([times[:1], times])
            mask = torch.cat([1 - mask.amax(dim=1, keepdim=True), mask], dim=1)
        return Stream(x, times, mask)

    def _target(self, target: int, streams: list[Stream], places: list[torch.Tensor]) -> torch.Tensor:
        """[b, width of its memory]: the last readable step of what the target read."""
        own = streams[target]
        messages = []
        for source, encoder in zip(self.sources[target], cast(nn.ModuleList, self.cross[target]), strict=True):
            other = streams[source]
            entering = self._enter(own.x, places[target]), self._enter(other.x, places[source])
            messages.append(self._taught(encoder(*entering, *self._readable(own, other)), own, other))
        joined = torch.cat(messages, dim=2)
        if self.narrow is not None:
            joined = self.narrow[target](joined)
        memory = self._enter(joined, self._places(own, joined.shape[2], self.memory_tables, target))
        last = last_step(torch.ones_like(own.mask) if self.nulls is None else own.mask)
        read = cast(CrossEncoder, self.memory[target]).at(last, memory, *self._readable(own, own))
        return self._taught(read, *streams)

    def _taught(self, outputs: torch.Tensor, *read: Stream) -> torch.Tensor:
        """outputs [b, ...], without gradient for records that have none of the modalities they were
        made of.

        Without null tokens those are rows of zeros, and each layer norm of zeros multiplies a
        gradient by some 300.
        """
        if self.nulls is not None:
            return outputs
        something = torch.stack([stream.mask.amax(dim=1) for stream in read]).amax(dim=0) > 0
        return torch.where(something.view(-1, *[1] * (outputs.ndim - 1)), outputs, outputs.detach())

    def _enter(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        entering: torch.Tensor = self.embed_dropout(x * x.shape[2] ** 0.5 + places)
        return entering

    def _places(self, stream: Stream, width: int, tables: nn.ModuleList | None, k: int) -> torch.Tensor:
        """Where each step stands, [b or 1, n, width]; zero for the learned step and, where
        nothing is masked, for padding.
        """
        times = stream.times if self.nulls is None else stream.times[1:]
        if tables is not None:
            positions: torch.Tensor = tables[k](len(times))
        elif self.choice.positions == "index":
            positions = sinusoid(torch.arange(1, len(times) + 1, device=times.device), width)
        else:
            positions = sinusoid(times / self.bin_hours + 1, width)
        if self.nulls is None:
            return positions * stream.mask[..., None]
        return torch.cat([torch.zeros_like(positions[:1]), positions])[None]

    def _readable(self, target: Stream, source: Stream) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The arguments mask and allowed of an attention."""
        mask = None if self.nulls is None else source.mask
        if not self.choice.causal:
            return mask, None
        allowed = self._not_later(target.times, source.times)
        if mask is None:
            return None, allowed
        # The learned step reads everything. It is read where no other step may be.
        allowed = (allowed | (torch.arange(len(allowed), device=allowed.device) == 0)[:, None]) & (mask[:, None] > 0)
        lonely = ~allowed[..., 1:].any(dim=2, keepdim=True)
        return None, torch.cat([lonely, allowed[..., 1:]], dim=2)

    def _not_later(self, targets: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
        """bool [q, k]; with places, of sequences of different length, the longer one is ahead,
        as published.
        """
        if self.choice.positions != "index":
            return sources[None, :] <= targets[:, None]
        rows, columns = (torch.arange(len(times), device=times.device) for times in (targets, sources))
        return columns[None, :] <= rows[:, None] + abs(len(sources) - len(targets))
