"""Flex-MoE: learned tokens for what is missing, one transformer block over all tokens, experts led
by the combination.

Yun et al., NeurIPS 2024 (arXiv 2410.08245). Preset `released` follows the public code. Preset
`fixed` corrects what looks like a slip in it: the block adds the attention's output to itself, so
that its input is lost. Where the code, the paper or we differ:

- A modality counts as observed where it is available or was filled, record by record; the code
  looks for the value -2.
- A record with no modality at all reads tokens of its own, which start at 0 and are trained like
  all others. The specification would leave such records out of the training, and their tokens at
  random. The routers' loss leaves them out.
- The routers' loss is made in training only; the code goes on adding it up at evaluation.
- The paper's fixed top-1 expert of incomplete records is an option (s_router=forced); in the code
  it is only encouraged.
- The first published epochs show complete records first. The order of records is the harness's
  here, the same for all fusers.
- Losses are those of the task (published: cross-entropy); statics join before the head.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from bench.cohort import Task
from bench.components import Context
from bench.errors import UsageError
from bench.sums import Sums
from bench.torch_fuser import Batch, Inputs, ModalityView
from bench_fusers.encoders.steps import grid_steps
from bench_fusers.expert_fuser import ExpertFuser
from bench_fusers.flexmoe.bank import MOST, AdditiveBank, Combinations, FullBank
from bench_fusers.flexmoe.plugin import FLEXMOE_PRESETS, Bank, FlexMoEParams, Target, Tokeniser
from bench_fusers.flexmoe.router import MixedExperts, Records

FULL_BANK = 6
"""Most modalities of which every combination has rows of its own in the bank, unless it is asked
for.
"""

LARGEST_BANK = 12
"""Most modalities a full bank is made for at all: its rows double with each."""

INDEXED = 4
"""Most modalities of which every combination must have an expert of its own, unless another
target is asked for.
"""


class FlexMoE(ExpertFuser[FlexMoEParams]):
    """See the module. The representation of a record is the mean token of each modality, and the
    statics.
    """

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`. Says where several combinations share an expert."""
        if target(self.params, len(sums.form.modalities)) == "folded":
            context.note("target", "folded")
        super().begin(sums, context)

    def usages(self) -> list[torch.Tensor]:
        """See `ExpertFuser.usages`."""
        assert isinstance(self.module, Network)
        blocks = cast("Iterable[Block]", self.module.blocks)
        return [block.mixture.usage for block in blocks if block.mixture is not None]

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        """UsageError for sizes that do not go together, with those that do."""
        p, modalities = self.params, len(inputs.modalities)
        if p.width % p.heads:
            raise UsageError(
                f"fuser flexmoe: width={p.width} is no multiple of heads={p.heads}; choose for example fuser.flexmoe.heads=1"
            )
        if p.top_k >= p.experts:
            raise UsageError(
                f"fuser flexmoe: top_k={p.top_k} of experts={p.experts}: the load is not defined where all are chosen; "
                f"fuser.flexmoe.top_k may be 1 to {p.experts - 1}"
            )
        chosen = target(p, modalities)
        if chosen == "index" and p.experts < 2**modalities - 1:
            raise UsageError(
                f"fuser flexmoe: {modalities} modalities have {2**modalities - 1} combinations, and experts={p.experts} "
                f"are fewer; give fuser.flexmoe.experts={2**modalities - 1} or more, or fuser.flexmoe.target=folded"
            )
        if chosen != "off" and modalities > MOST:
            raise UsageError(
                f"fuser flexmoe: combinations of {modalities} modalities cannot be numbered (at most {MOST}); "
                "give fuser.flexmoe.target=off"
            )
        if chosen == "off" and p.s_router == "forced":
            raise UsageError(
                "fuser flexmoe: s_router=forced needs a target, and target is off; give fuser.flexmoe.target=folded"
            )
        if bank(p, modalities) == "full" and modalities > LARGEST_BANK:
            raise UsageError(
                f"fuser flexmoe: a full bank of {modalities} modalities has {2**modalities - 1} rows for each of them; "
                "give fuser.flexmoe.bank=additive"
            )
        return Network(inputs, task.outputs, p)


def target(params: FlexMoEParams, modalities: int) -> Target:
    """What is given, else index where it must or can be, else folded (off where combinations
    cannot be numbered).
    """
    if params.target is not None:
        return params.target
    if modalities > MOST:
        return "off"
    return "index" if modalities <= INDEXED or params.experts >= 2**modalities - 1 else "folded"


def bank(params: FlexMoEParams, modalities: int) -> Bank:
    """What is given, else full up to six modalities."""
    return params.bank or ("full" if modalities <= FULL_BANK else "additive")


class Network(nn.Module):
    """forward(batch) -> logits [b, outputs]; with them, while training, the routers' weighted
    loss.
    """

    def __init__(self, inputs: Inputs, outputs: int, params: FlexMoEParams):
        super().__init__()
        p, choice, modalities = params, FLEXMOE_PRESETS.over(params), len(inputs.modalities)
        tokens = min(p.tokens, max(length for length, _ in inputs.modalities.values()))
        self.params, self.target = p, target(p, modalities)
        self.tokenisers = nn.ModuleList(
            Tokens(length, channels, tokens, p.width, choice.tokeniser)
            for length, channels in inputs.modalities.values()
        )
        self.combinations = Combinations(modalities) if modalities <= MOST else None
        kind = bank(p, modalities)
        self.bank: FullBank | AdditiveBank | None = None
        self.nobody: nn.Parameter | None = None
        if kind != "zeros":
            self.nobody = nn.Parameter(torch.zeros(modalities, tokens, p.width))
            if modalities > 1:
                self.bank = (FullBank if kind == "full" else AdditiveBank)(modalities, tokens, p.width)
        self.places = nn.Parameter(torch.zeros(modalities, tokens, p.width))
        self.blocks = nn.ModuleList(
            Block(p, released=choice.residual == "released", sparse=number % 2 == 0) for number in range(p.blocks)
        )
        self.statics = nn.Linear(2 * inputs.statics, p.statics) if inputs.statics else None
        self.head = nn.Linear(modalities * p.width + (p.statics if inputs.statics else 0), outputs)

    def forward(self, batch: Batch) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        read, loss = self.read(batch)
        logits: torch.Tensor = self.head(read)
        return (logits, self.params.router_weight * loss) if self.training else logits

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, width]: the mean token of each modality, one after the other, and the statics."""
        return self.read(batch)[0]

    def read(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What `embed` gives, and the routers' loss, a scalar, not yet weighted."""
        present = torch.stack([view.present for view in batch.modalities.values()], dim=1)
        x, records = self.completed(batch, present), self._records(present)
        x = x + self.places
        loss = present.new_zeros(())
        for block in self.blocks:
            x, more = block(x, records)
            loss = loss + more
        pooled = x.mean(dim=2).flatten(1)
        if self.statics is not None:
            known = torch.cat([batch.statics, batch.statics_observed], dim=1)
            pooled = torch.cat([pooled, torch.relu(self.statics(known))], dim=1)
        return pooled, loss

    def completed(self, batch: Batch, present: torch.Tensor) -> torch.Tensor:
        """[b, M, tokens, width]: the tokens of what is there, and those that stand for what is
        not.
        """
        views = batch.modalities.values()
        x = torch.stack([tokens(view) for tokens, view in zip(self.tokenisers, views, strict=True)], dim=1)
        here = present[:, :, None, None] > 0
        if self.bank is not None:
            # Only the full bank asks for the number, and it is never that large.
            number = self.combinations(present) if self.combinations is not None else present.new_zeros(len(present))
            x = torch.where(here, x, self.bank(number.long(), present).to(x.dtype))
        if self.nobody is not None:
            x = torch.where((present.amax(dim=1) > 0)[:, None, None, None], x, self.nobody.to(x.dtype))
        return x

    def _records(self, present: torch.Tensor) -> Records:
        complete = present.amin(dim=1)
        incomplete = present.amax(dim=1) * (1 - complete)
        nobody = torch.full(present.shape[:1], -1, device=present.device)
        if self.target == "off" or self.combinations is None:
            return Records(complete, incomplete, nobody)
        number = self.combinations(present)
        if self.target == "folded":
            number = 1 + (number - 1) % (self.params.experts - 1)
        return Records(complete, incomplete, torch.where(incomplete > 0, number, nobody))


class Tokens(nn.Module):
    """forward(view) -> [b, tokens, width]; of an absent modality those of a series of zeros with
    nothing observed.

    - windows: the grid is cut into so many equal windows. The mean of every channel of the
      completed grid and its observed share, per window, go through one linear map. The
      specification averages observed entries only, which would read no imputed value. A series of
      one bin, such as an embedding, is cut into pieces instead, its mask beside it.
    - patches: the flat values, zero-padded on the right, cut into so many pieces, through one
      linear map; as released.
    """

    def __init__(self, length: int, channels: int, tokens: int, width: int, kind: Tokeniser):
        super().__init__()
        self.tokens, self.windows = tokens, kind == "windows" and length > 1
        self.channels = channels if kind == "patches" else 2 * channels
        features = 2 * channels if self.windows else math.ceil(length * self.channels / tokens)
        self.linear = nn.Linear(features, width)

    def forward(self, view: ModalityView) -> torch.Tensor:
        if self.windows:
            pieces = grid_steps(view, self.tokens).values
        else:
            flat = grid_steps(view).values[..., : self.channels].flatten(1)
            padding = self.tokens * self.linear.in_features - flat.shape[1]
            pieces = functional.pad(flat, (0, padding)).unflatten(1, (self.tokens, -1))
        tokens: torch.Tensor = self.linear(pieces)
        return tokens


class Block(nn.Module):
    """Attention over all tokens, then a feed-forward part (or a mixture of experts): x [b, M,
    tokens, width] -> as x, and a loss.

    released: x1 = y + drop(y) with y the attention's output; else x1 = x + drop(y).
    """

    def __init__(self, params: FlexMoEParams, released: bool, sparse: bool):
        super().__init__()
        p = params
        self.released = released
        self.norms = nn.ModuleList([nn.LayerNorm(p.width), nn.LayerNorm(p.width)])
        self.attention = SelfAttention(p.width, p.heads, p.dropout)
        self.mixture = MixedExperts(p.width, p.experts, p.top_k, p.s_router == "forced") if sparse else None
        self.dense = None if sparse else _dense(p.width, p.dropout)
        self.dropout = nn.Dropout(p.dropout)

    def forward(self, x: torch.Tensor, records: Records) -> tuple[torch.Tensor, torch.Tensor]:
        read = self.attention(self.norms[0](x).flatten(1, 2)).view(x.shape)
        x = (read if self.released else x) + self.dropout(read)
        normed = self.norms[1](x)
        if self.mixture is not None:
            outputs, loss = self.mixture(normed, records)
        else:
            assert self.dense is not None
            outputs, loss = self.dense(normed), normed.new_zeros(())
        return x + self.dropout(outputs), loss


class SelfAttention(nn.Module):
    """Multi-head attention of all tokens to all: x [b, n, width] -> as x. Queries, keys and
    values without bias.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.share = heads, dropout
        self.packed, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.packed(x).chunk(3, dim=2)
        )
        read = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.share if self.training else 0.0
        )
        mixed: torch.Tensor = self.dropout(self.out(read.transpose(1, 2).flatten(2)))
        return mixed


def _dense(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width))
