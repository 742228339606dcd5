"""FuseMoE: each modality at common points of time, then attention within and a sparse mixture of
experts across modalities.

Han et al. 2024, "FuseMoE: Mixture-of-Experts Transformers for Fleximodal Fusion", as TRACE uses it
(Section 3.3, Table 6). Where we decide otherwise than the published code:

- The code hands a tensor [points, records, width] to the experts as [records, points x width]
  without turning its axes. So a row mixes records and a prediction depends on batch mates. Here a
  row is a record; no parameter restores the other behaviour.
- The routers' noise is drawn in training alone; the code draws it at evaluation too, so that
  predictions are random.
- All gates are parameters; the code keeps those of two of its three routers in a list, where they
  are never trained.
- Every modality has the two branches of UTDE, events and completed grid. The code has them for the
  series alone; imputed values of other modalities would not reach the prediction.
- A modality is absent by its flag, never by its content; the type of a modality does not depend on
  batch mates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import nn

from bench.cohort import Task
from bench.errors import UsageError
from bench.torch_fuser import Batch, Inputs
from bench_fusers.encoders.time import PositionTable, Time2Vec
from bench_fusers.encoders.transformer import Attention, FeedForward, ResidualHead
from bench_fusers.encoders.utde import UTDE
from bench_fusers.expert_fuser import ExpertFuser
from bench_fusers.fusemoe.plugin import FuseMoEChoice, FuseMoEParams, fusemoe_choice
from bench_fusers.sparse_moe import ModalityMoE


class FuseMoE(ExpertFuser[FuseMoEParams]):
    """See the module. The representation is what the head reads: the pooled modalities, and the
    statics.
    """

    uses_events = True

    @property
    def reads_events(self) -> bool:
        """See `Fuser.reads_events`."""
        return self.params.irregular == "events"

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        """Raises UsageError for sizes that do not go together."""
        choice = fusemoe_choice(self.params)
        _check(choice, self.params, len(inputs.modalities))
        return Network(inputs, task.outputs, self.params, choice)

    def usages(self) -> list[torch.Tensor]:
        """See `ExpertFuser.usages`."""
        assert isinstance(self.module, Network)
        used = (layer.moe.used for layer in cast("Iterable[FusionLayer]", self.module.layers))
        return [shares for shares in used if shares is not None]


class Network(nn.Module):
    """The model. forward(batch) -> logits [b, outputs] and the weighted balance loss."""

    def __init__(self, inputs: Inputs, outputs: int, params: FuseMoEParams, choice: FuseMoEChoice):
        super().__init__()
        count, width, dropout = len(inputs.modalities), choice.width, params.dropout
        self.learned, self.pool, self.balance_weight = (
            choice.missing == "learned",
            choice.pool,
            params.expert_balance_weight,
        )
        time = Time2Vec(choice.time_width)
        self.encoders = nn.ModuleList(
            UTDE(
                channels,
                width,
                choice.points,
                length * inputs.bin_hours,
                params.mixup,
                heads=choice.heads,
                time_width=choice.time_width,
                dropout=dropout,
                time=time,
                irregular=params.irregular,
            )
            for length, channels in inputs.modalities.values()
        )
        self.types = nn.Parameter(torch.randn(count, width))
        # From zeros: training starts where `zero` is.
        self.missing = nn.Parameter(torch.zeros(count, width)) if self.learned else None
        self.places, self.dropout = PositionTable(choice.points, width), nn.Dropout(dropout)
        self.layers = nn.ModuleList(FusionLayer(count, params, choice) for _ in range(choice.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(count))
        self.statics = nn.Linear(2 * inputs.statics, params.statics) if inputs.statics else None
        self.head = ResidualHead(count * width + (params.statics if inputs.statics else 0), outputs, dropout)

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        h, penalty = self._read(batch)
        return self.head(h), self.balance_weight * penalty

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, width]: the pooled modalities and the statics."""
        return self._read(batch)[0]

    def encode(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Each modality at the points, [b, M, points, width], and which are present, [b, M]."""
        views = list(batch.modalities.values())
        present = torch.stack([view.present for view in views], dim=1)
        read = torch.stack([encoder(view) for encoder, view in zip(self.encoders, views, strict=True)], dim=1)
        read = read + self.types[:, None]
        absent = torch.zeros_like(self.types) if self.missing is None else self.missing
        return torch.where(present[..., None, None] > 0, read, absent[:, None].to(read.dtype)), present

    def _read(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        x, present = self.encode(batch)
        x = self.dropout(math.sqrt(x.shape[3]) * x + self.places(x.shape[2]))
        penalty = x.new_zeros(())
        for layer in self.layers:
            x, more = layer(x, present)
            penalty = penalty + more
        parts = []
        for norm, of_modality in zip(self.norms, x.unbind(1), strict=True):
            read = norm(of_modality)
            parts.append(read[:, -1] if self.pool == "last" else read.mean(dim=1))
        if self.statics is not None:
            known = torch.cat([batch.statics, batch.statics_observed], dim=1)
            parts.append(torch.relu(self.statics(known)))
        return torch.cat(parts, dim=1), penalty


class FusionLayer(nn.Module):
    """Attention of each modality to itself, the mixture of experts across them, a feed-forward
    part; each pre-norm, residual.

    Each modality has its own weights, except in the mixture. What the published layer declares
    without using it is left out.
    """

    def __init__(self, count: int, params: FuseMoEParams, choice: FuseMoEChoice):
        super().__init__()
        width, dropout = choice.width, params.dropout
        self.step = choice.token == "step"
        self.attention = nn.ModuleList(Attention(width, choice.heads, dropout) for _ in range(count))
        self.feed_forward = nn.ModuleList(FeedForward(width, dropout) for _ in range(count))
        self.norms = nn.ModuleList(nn.ModuleList(nn.LayerNorm(width) for _ in range(3)) for _ in range(count))
        self.moe = ModalityMoE(
            count,
            width if self.step else width * choice.points,
            choice.experts,
            choice.expert_width,
            choice.top_k,
            router=params.router,
            gating=params.gating,
            combine=choice.combine,
            balance=choice.expert_balance,
            dropout=dropout,
            noise=params.noise,
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x [b, M, points, width], present [b, M] -> the same, and the balance loss."""
        norms = [cast(nn.ModuleList, of_one) for of_one in self.norms]
        attended = []
        for number, of_modality in enumerate(x.unbind(1)):
            read = self.attention[number](norms[number][0](of_modality))
            attended.append(of_modality + self.dropout(read))
        normed = torch.stack([norms[number][1](each) for number, each in enumerate(attended)], dim=1)
        mixed, penalty = self.mix(normed, present)
        outputs = []
        for number, of_modality in enumerate((torch.stack(attended, dim=1) + self.dropout(mixed)).unbind(1)):
            outputs.append(of_modality + self.feed_forward[number](norms[number][2](of_modality)))
        return torch.stack(outputs, dim=1), penalty

    def mix(self, x: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The mixture of experts of x [b, M, points, width]."""
        if not self.step:
            mixed, penalty = self.moe(x.flatten(2), present)
            return mixed.view(x.shape), penalty
        count, points, width = x.shape[1:]
        tokens = x.transpose(1, 2).reshape(-1, count, width)
        mixed, penalty = self.moe(tokens, present.repeat_interleave(points, dim=0))
        return mixed.view(-1, points, count, width).transpose(1, 2), penalty


def _check(choice: FuseMoEChoice, params: FuseMoEParams, modalities: int) -> None:
    for name in ("width", "time_width"):
        value = getattr(choice, name)
        if value % choice.heads:
            raise UsageError(f"fuser fusemoe: {name}={value} is no multiple of heads={choice.heads}; give one that is")
    if choice.top_k > choice.experts:
        raise UsageError(
            f"fuser fusemoe: top_k={choice.top_k} of experts={choice.experts}; a token goes to at most all of them: "
            f"fuser.fusemoe.top_k={choice.experts}"
        )
    if params.router == "disjoint" and choice.experts < modalities:
        raise UsageError(
            f"fuser fusemoe: router=disjoint parts experts={choice.experts} among {modalities} modalities, one or more each: "
            f"fuser.fusemoe.experts={modalities} or more"
        )
    if choice.expert_balance == "entropy" and params.router == "joint":
        raise UsageError(
            "fuser fusemoe: expert_balance=entropy compares the routers of the modalities, and router=joint has one for all: it "
            "would be 0 whatever the weights; give fuser.fusemoe.router=permod or fuser.fusemoe.expert_balance=cv2"
        )
