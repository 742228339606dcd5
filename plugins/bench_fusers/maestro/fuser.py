"""MAESTRO: symbols, sparse attention within each modality, sparse attention and a mixture of
experts over all of them.

Mohapatra et al., NeurIPS 2025 (arXiv 2509.25278). Mode `paper` follows the description, `released`
the public code; where the two, or we, differ:

- A missing modality is masked out of attention, budgets and the mean (paper), or keeps tokens that
  are read (released, as there). Presence is each record's own; the code drops modalities for a
  whole batch at once.
- The budget of a modality depends on which are present. The code turns it into a whole number,
  through which no gradient goes: a fixed random function, and so it is in `released`. In `paper`
  the whole number is kept and the gradient is that of a soft count, with a small penalty on the
  mean budget.
- Experts are weighed by the gate's softmax over all experts, also where one is chosen: the softmax
  over the chosen one is 1 and would give the gate no gradient. `released` takes the bare logit. No
  load balance, as in both.
- Position codes are sines, then cosines, of frequencies 10000^(-k / (d/2 - 1)); the code
  interleaves them, with 10000^(-2k / d). Both modes have ours.
- Where a missing modality is masked (paper), the vectors of its symbol 0 are read by nothing and
  keep their first values.
- The heads' losses are those of the task; published runs use cross-entropy and Adam at 1e-3.
  Statics join before the head.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import nn

from bench.cohort import Task
from bench.components import Context
from bench.errors import UsageError
from bench.sums import Sums
from bench.torch_fuser import Batch, Inputs
from bench_fusers.encoders.time import sinusoid
from bench_fusers.expert_fuser import ExpertFuser
from bench_fusers.maestro.attention import Budget, Dense, SparseLayer
from bench_fusers.maestro.plugin import MAESTRO_MODES, MaestroChoice, MaestroParams
from bench_fusers.maestro.tokens import Tokens
from bench_fusers.sparse_moe import Experts

QUIET = 0.1
"""The share of the steps before the first modality is dropped: 10 of 100 epochs, as published."""


class Maestro(ExpertFuser[MaestroParams]):
    """See the module. The representation of a record is the mean over its readable tokens, and
    the statics.
    """

    steps: int | None = None
    """optimiser steps of the training, for the growth of `modality_dropout`; None = it is there
    from the first
    """

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`. UsageError for a budget of seconds: how many steps there will be is
        not known then.
        """
        if self.params.seconds and self.params.modality_dropout:
            raise UsageError(
                "fuser maestro: modality_dropout grows with the share of the steps that are done, so that seconds are no "
                "budget for it; give fuser.maestro.steps=N or fuser.maestro.modality_dropout=0"
            )
        records = int(sums.totals["records"])
        self.steps = self.params.steps or self.params.epochs * math.ceil(records / self.params.batch_size)
        super().begin(sums, context)

    def usages(self) -> list[torch.Tensor]:
        """See `ExpertFuser.usages`."""
        assert isinstance(self.module, Network)
        mixtures = (cast(Mixture, layer.feed_forward) for layer in cast("Iterable[SparseLayer]", self.module.fusion))
        return [mixture.usage for mixture in mixtures]

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        """UsageError where the heads do not divide the width, or more experts are chosen than
        there are.
        """
        p = self.params
        if p.width % p.heads:
            raise UsageError(
                f"fuser maestro: width={p.width} is no multiple of heads={p.heads}; choose for example fuser.maestro.heads=1"
            )
        if p.top_k > p.experts:
            raise UsageError(
                f"fuser maestro: top_k={p.top_k} of experts={p.experts} cannot be chosen; "
                f"fuser.maestro.top_k may be 1 to {p.experts}"
            )
        return Network(inputs, task.outputs, p, self.steps)


class Network(nn.Module):
    """forward(batch) -> logits [b, outputs]; with them, while training with learnt budgets,
    their penalty.
    """

    def __init__(self, inputs: Inputs, outputs: int, params: MaestroParams, steps: int | None = None):
        super().__init__()
        p, choice = params, MAESTRO_MODES.over(params)
        self.params, self.choice, self.steps = p, choice, steps
        self.done: torch.Tensor
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))
        sizes = list(inputs.modalities.values())
        self.tokens = nn.ModuleList(
            Tokens(channels, p.width, choice.tokens, choice.scale, p.alphabet, p.word) for _, channels in sizes
        )
        self.encoders = nn.ModuleList(
            nn.ModuleList(SparseLayer(p.width, p.heads, Dense(p.width, p.dropout)) for _ in range(p.layers))
            for _ in sizes
        )
        # As long as the longest modality before it is made shorter, as published; the rows behind
        # are never read.
        longest = max(math.ceil(length / p.word) for length, _ in sizes)
        self.places = nn.Parameter(torch.randn(longest, p.width) * 0.02)
        self.modalities = nn.Embedding(len(sizes), p.width)
        self.fusion = nn.ModuleList(
            SparseLayer(p.width, p.heads, Mixture(p.width, p.experts, p.top_k, choice)) for _ in range(p.fusion_layers)
        )
        self.gate = BudgetGate(len(sizes), p.factor, choice.learnt_budgets)
        self.statics = nn.Linear(2 * inputs.statics, p.statics) if inputs.statics else None
        width = p.width + (p.statics if inputs.statics else 0)
        self.head = nn.Sequential(
            nn.Linear(width, p.width), nn.ReLU(), nn.Dropout(p.dropout), nn.Linear(p.width, outputs)
        )

    def forward(self, batch: Batch) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        read, factors = self.read(batch)
        logits: torch.Tensor = self.head(read)
        if self.training and self.choice.learnt_budgets:
            return logits, self.params.budget_penalty * factors.mean()
        return logits

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, width]: the mean over readable tokens (0 where there is none), and the statics."""
        return self.read(batch)[0]

    def read(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What `embed` gives, and the budget factors [b, M]."""
        present = torch.stack([view.present for view in batch.modalities.values()], dim=1)
        if self.training:
            present = dropped(present, self._rate())
            self.done += 1
        factors = self.gate(present)
        encoded = [self._encoded(batch, number, present, factors) for number in range(len(self.encoders))]
        x, mask = (torch.cat(parts, dim=1) for parts in zip(*encoded, strict=True))
        whole = self._budget(torch.full_like(mask[:, 0], self.params.factor), learnt=False)
        for layer in self.fusion:
            x, mask = layer(x, mask, whole)
        pooled = (x * mask[..., None]).sum(dim=1) / mask.sum(dim=1).clamp(min=1)[:, None]
        if self.statics is not None:
            known = torch.cat([batch.statics, batch.statics_observed], dim=1)
            pooled = torch.cat([pooled, torch.relu(self.statics(known))], dim=1)
        return pooled, factors

    def _encoded(
        self, batch: Batch, number: int, present: torch.Tensor, factors: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        view, here = list(batch.modalities.values())[number], present[:, number]
        x = self.tokens[number](view, here)
        x = x + sinusoid(torch.arange(x.shape[1], device=x.device), x.shape[2])
        mask = (here if self.choice.absent == "masked" else torch.ones_like(here))[:, None].expand(-1, x.shape[1])
        x = x * mask[..., None]
        for layer in cast(nn.ModuleList, self.encoders[number]):
            x, mask = layer(x, mask, self._budget(factors[:, number], self.choice.learnt_budgets))
        x = x + self.places[: x.shape[1]] + self.modalities.weight[number]
        return x * mask[..., None], mask

    def _budget(self, factor: torch.Tensor, learnt: bool) -> Budget:
        return Budget(factor, math.ceil(self.params.factor), self.params.temperature, learnt)

    def _rate(self) -> torch.Tensor:
        """The share of modalities to drop at this step."""
        if self.steps is None:
            return torch.full_like(self.done, self.params.modality_dropout, dtype=torch.float32)
        share = self.done / max(self.steps, 1)
        return self.params.modality_dropout * ((share - QUIET) / (1 - QUIET)).clamp(0, 1)


class BudgetGate(nn.Module):
    """present [b, M] -> factors [b, M]: c sigmoid(W2 relu(W1 present + b1) + b2) where present,
    else 0.001 (a budget of 1).
    """

    def __init__(self, modalities: int, factor: float, learnt: bool):
        super().__init__()
        self.factor = factor
        self.layers = nn.Sequential(nn.Linear(modalities, modalities), nn.ReLU(), nn.Linear(modalities, modalities))
        self.requires_grad_(learnt)

    def forward(self, present: torch.Tensor) -> torch.Tensor:
        with torch.autocast(present.device.type, enabled=False):
            factors = self.factor * torch.sigmoid(self.layers(present.float()))
        return torch.where(present > 0, factors, 0.001)


class Mixture(nn.Module):
    """The mixture of experts of a fusion layer: forward(x [b, n, width], mask [b, n]) -> as x, 0
    where not readable.

    usage: the share of the readable tokens that each expert got when it was last used, [experts].
    """

    def __init__(self, width: int, experts: int, top_k: int, choice: MaestroChoice):
        super().__init__()
        self.top_k, self.raw = top_k, choice.raw_gate
        self.gate = nn.Linear(width, experts)
        self.experts = Experts(experts, width, width, width, activation="relu")
        self.usage = torch.zeros(experts)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        readable = mask > 0
        tokens = x[readable]
        with torch.autocast(x.device.type, enabled=False):
            # In float32 under any precision: rounding should not decide who is chosen.
            logits = self.gate(tokens.float())
        chosen = logits.topk(self.top_k, dim=1).indices
        self.usage = torch.bincount(chosen.flatten(), minlength=logits.shape[1]) / max(chosen.numel(), 1)
        weights = (logits if self.raw else logits.softmax(dim=1)).gather(1, chosen)
        outputs = self.experts(tokens, chosen, weights)
        return torch.zeros_like(x).masked_scatter(readable[..., None], outputs.to(x.dtype))


def dropped(present: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """present [b, M] with each modality of each record dropped with probability `rate`, but
    never a record's last one.
    """
    draw = torch.rand_like(present).masked_fill(present == 0, -1.0)
    last = torch.zeros_like(present).scatter(1, draw.argmax(dim=1, keepdim=True), 1.0)
    return present * torch.maximum((draw >= rate).float(), last)
