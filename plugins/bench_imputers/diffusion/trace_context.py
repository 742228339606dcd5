"""The context of TRACE: the other modalities of a record, pooled over time, as one vector, or event
by event for every bin.

Specification trace.md, section 3. Axes: `b` records, `m` other modalities, `n` events of one,
`width` of the context. Whether a modality is available is an input of its own; what its values hold
where it is not has no effect. Where none is available, or the cell has none, the context is a
trained vector that starts at 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from bench_imputers.diffusion.denoiser import Given, Shape
from bench_imputers.diffusion.layers import ExpertMixture, time_embedding, two_layers
from bench_imputers.diffusion.trace_params import TraceChoice

PENALTY = 1e4
"""What a missing modality loses on the scale of the logits of the gate mlp."""

TIME_WIDTH = 128
"""Of the embeddings of times, as that of CSDI."""


class PooledContext(nn.Module):
    """[b, width] for a `Given`. Subclasses write how available modalities become one vector;
    with none there is none.
    """

    def __init__(self, sizes: Mapping[str, int], width: int):
        super().__init__()
        self.sizes = dict(sizes)
        self.null = nn.Parameter(torch.zeros(width))

    def forward(self, inputs: Given) -> torch.Tensor:
        if not self.sizes:
            return self.null.expand(len(inputs.values), -1)
        pooled = [inputs.context[name] for name in self.sizes]
        available = torch.stack([each.available for each in pooled], dim=1)
        values = [torch.where(each.available[:, None], each.values, 0) for each in pooled]
        return torch.where(available.any(dim=1, keepdim=True), self.mixed(values, available), self.null)

    def mixed(self, values: list[torch.Tensor], available: torch.Tensor) -> torch.Tensor:
        """[b, width]. values: [b, channels] per modality, 0 where it is not available.
        available: bool [b, m].
        """
        raise NotImplementedError


class ExpertContext(PooledContext):
    """Experts that all read the same input, the vectors of all modalities and the flags of what
    is missing.
    """

    def __init__(self, sizes: Mapping[str, int], choice: TraceChoice, equal: bool):
        super().__init__(sizes, choice.context_width)
        self.mixture = ExpertMixture(
            sum(sizes.values()) + len(sizes),
            choice.hidden_width,
            choice.expert_width,
            choice.context_width,
            choice.experts,
            equal=equal,
        )

    def mixed(self, values: list[torch.Tensor], available: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = self.mixture(flagged(values, available))
        return mixed


class ModalityContext(PooledContext):
    """A projection of each modality, where the preset says so a pool of experts that all share, and
    weights of modalities.

    Of a modality's vector u, with a pool: e = u + Σ_k ρ_k E_k(u), ρ = softmax(W u); the context is
    Σ π e. `equal`: ρ and π are equal shares, and neither is learnt.
    """

    def __init__(self, sizes: Mapping[str, int], choice: TraceChoice, equal: bool):
        width, hidden = choice.context_width, choice.hidden_width
        super().__init__(sizes, width)
        self.projections = nn.ModuleList(two_layers(size, hidden, width) for size in sizes.values())
        self.pool = Pool(width, choice.experts, choice.expert_width, equal) if choice.context == "pool" else None
        self.gate: nn.Module
        if equal:
            self.gate = EqualGate()
        elif choice.context == "pool":
            self.gate = InnerGate(len(sizes), width)
        else:
            self.gate = MlpGate(len(sizes), width, hidden)

    def mixed(self, values: list[torch.Tensor], available: torch.Tensor) -> torch.Tensor:
        projected = [project(each) for project, each in zip(self.projections, values, strict=True)]
        vectors = torch.stack(projected, dim=1)
        if self.pool is not None:
            vectors = self.pool(vectors)
        mixed: torch.Tensor = (self.gate(vectors, available)[..., None] * vectors).sum(dim=1)
        return mixed


class Pool(nn.Module):
    """[..., width] to the same: the vector, and what the experts say of it. Every expert has a
    say.
    """

    def __init__(self, width: int, experts: int, hidden: int, equal: bool):
        super().__init__()
        self.experts = nn.ModuleList(two_layers(width, hidden, width) for _ in range(experts))
        self.router = None if equal else nn.Linear(width, experts, bias=False)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        outputs = torch.stack([expert(vectors) for expert in self.experts], dim=-1)
        if self.router is None:
            return vectors + outputs.mean(dim=-1)
        pooled: torch.Tensor = vectors + (outputs * self.router(vectors).softmax(dim=-1)[..., None, :]).sum(dim=-1)
        return pooled


class InnerGate(nn.Module):
    """Weights [b, m]: the softmax, over the available modalities alone, of inner products with a
    vector of each.
    """

    def __init__(self, modalities: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(modalities, width).uniform_(-(width**-0.5), width**-0.5))

    def forward(self, vectors: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
        logits = (vectors * self.weight).sum(dim=-1)
        return logits.masked_fill(~available, torch.finfo(logits.dtype).min).softmax(dim=-1)


class MlpGate(nn.Module):
    """Weights [b, m] of the public code: a network of all vectors and of the flags of what is
    missing.
    """

    def __init__(self, modalities: int, width: int, hidden: int):
        super().__init__()
        self.net = two_layers(modalities * (width + 1), hidden, modalities)

    def forward(self, vectors: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
        missing = (~available).to(vectors.dtype)
        logits: torch.Tensor = self.net(torch.cat([vectors.flatten(1), missing], dim=1))
        return (logits - PENALTY * missing).softmax(dim=-1)


class EqualGate(nn.Module):
    """Weights [b, m]: the same for every available modality, 0 for the others."""

    def forward(self, vectors: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
        weights = available.to(vectors.dtype)
        return weights / weights.sum(dim=1, keepdim=True).clamp(min=1)


class Concatenated(PooledContext):
    """The ablation without experts and gate: one linear map of all vectors and of the flags of
    what is missing.
    """

    def __init__(self, sizes: Mapping[str, int], width: int):
        super().__init__(sizes, width)
        self.map = nn.Linear(sum(sizes.values()) + len(sizes), width)

    def mixed(self, values: list[torch.Tensor], available: torch.Tensor) -> torch.Tensor:
        mapped: torch.Tensor = self.map(flagged(values, available))
        return mapped


class EventContext(nn.Module):
    """[b, length, 1, width] for a `Given`: every bin attends over the single events of the other
    modalities.

    Our own reading, of no published code: pooling over the window loses when a note was written. An
    event is a token: a projection of its values (a modality's own), a linear map of the embedding
    of its time, and a vector of its modality. A bin asks with a linear map of the embedding of its
    own time, and gets what multi-head attention over all events of the record makes of it. Without
    any event it gets the null vector, which starts at 0.
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

    def forward(self, inputs: Given) -> torch.Tensor:
        events = [inputs.events[name] for name in self.sizes]
        tokens = [
            project(torch.where(each.visible[..., None], each.values, 0))
            + self.when(time_embedding(torch.where(each.visible, each.times, 0), TIME_WIDTH))
            + kind
            for project, each, kind in zip(self.projections, events, self.modality, strict=True)
        ]
        visible = torch.cat([each.visible for each in events], dim=1)
        any_event = visible.any(dim=1)
        # A softmax over nothing is NaN: a record without events attends over what is not visible,
        # and that is not used.
        hidden = ~visible & any_event[:, None]
        queries = self.ask(self.times).expand(len(visible), -1, -1)
        keys = torch.cat(tokens, dim=1)
        attended, _ = self.attention(queries, keys, keys, key_padding_mask=hidden, need_weights=False)
        return torch.where(any_event[:, None, None], attended, self.null)[:, :, None]


def flagged(values: list[torch.Tensor], available: torch.Tensor) -> torch.Tensor:
    """[b, all channels + m]: the vectors of all modalities, and for each of them 1 where it is
    missing.
    """
    return torch.cat([*values, (~available).to(values[0].dtype)], dim=1)


def context_of(shape: Shape, variant: str, choice: TraceChoice, heads: int) -> nn.Module:
    """The context of a variant that has one."""
    sizes, equal = shape.context, variant == "fixed-weight"
    if not sizes:
        return PooledContext(sizes, choice.context_width)
    if variant == "no-moe":
        return Concatenated(sizes, choice.context_width)
    if choice.context == "events":
        return EventContext(sizes, shape.times, choice, heads)
    return ExpertContext(sizes, choice, equal) if choice.context == "experts" else ModalityContext(sizes, choice, equal)
