"""Matrix products of tokens grouped by expert, and the way there and back, for
`bench_fusers.sparse_moe`.

Pairs (token, expert chosen) are sorted by expert, so that an expert is one product over a run of
rows. Gradients are written by hand. Torch's own would add up a full-sized gradient of all experts
for each expert. They would also scatter where a gather is enough, since each pair is one row
exactly once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Groups:
    """The pairs of n tokens with k experts each, sorted by expert.

    - counts: pairs of each expert.
    - tokens: int64 [n k], the token of each sorted pair.
    - order: int64 [n k], its place in the unsorted [n, k], flattened.
    - place: int64 [n, k], where each pair went.
    """

    counts: list[int]
    tokens: torch.Tensor
    order: torch.Tensor
    place: torch.Tensor


def grouping(chosen: torch.Tensor, experts: int) -> Groups:
    """The groups of chosen [n, k], numbers below `experts`."""
    flat = chosen.reshape(-1)
    order = flat.argsort(stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    counts = torch.bincount(flat, minlength=experts).tolist()
    return Groups(counts, order // chosen.shape[1], order, place.view(chosen.shape))


def grouped_linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, groups: Groups, spread: bool = False
) -> torch.Tensor:
    """Each row times the matrix of its expert: [n k, in] -> [n k, out], sorted by expert.

    weight: [E, in, out], bias: [E, out]. spread: x is [n, in], a row per token; every pair reads
    its token's. Under autocast in its precision.
    """
    kind = x.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    if kind == "cuda" and native_fits(x, weight):
        return grouped_native(x, weight, bias, groups, spread)
    product: Callable[..., torch.Tensor] = _GroupedLinear.apply
    return product(x, weight, bias, groups, spread)


def native_fits(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether torch's own grouped product takes these: bfloat16, rows of multiples of 16 bytes."""
    known = hasattr(functional, "grouped_mm") and x.dtype == torch.bfloat16
    return known and not weight.shape[1] % 8 and not weight.shape[2] % 8


def grouped_native(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, groups: Groups, spread: bool = False
) -> torch.Tensor:
    """`grouped_linear` by torch's grouped product: one launch for all experts."""
    counts = torch.tensor(groups.counts, device=x.device)
    to_pairs: Callable[..., torch.Tensor] = _Spread.apply
    rows = to_pairs(x, groups) if spread else x
    products = functional.grouped_mm(rows, weight, offs=counts.cumsum(0).int())
    return products + bias.repeat_interleave(counts, dim=0, output_size=len(groups.order))


def collect(rows: torch.Tensor, weights: torch.Tensor, groups: Groups) -> torch.Tensor:
    """The sum over a token's experts of weight x row: rows [n k, out] as sorted, weights [n, k]
    -> [n, out].
    """
    summed: Callable[..., torch.Tensor] = _Collect.apply
    return summed(rows, weights, groups)


class _GroupedLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, groups: Groups, spread: bool
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.groups, ctx.spread = groups, spread
        out = x.new_empty(len(groups.order), weight.shape[2])
        for expert, start, stop in _runs(groups):
            rows = _rows(x, groups, spread, start, stop)
            torch.addmm(bias[expert], rows, weight[expert], out=out[start:stop])
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        groups, spread = ctx.groups, ctx.spread
        gradient = gradient.contiguous()
        of_x = x.new_empty(len(groups.order), x.shape[1]) if ctx.needs_input_grad[0] else None
        of_weight = torch.empty_like(weight)
        of_bias = weight.new_zeros(len(weight), weight.shape[2])
        for expert, count in enumerate(groups.counts):
            if not count:
                of_weight[expert].zero_()
        for expert, start, stop in _runs(groups):
            here = gradient[start:stop]
            torch.mm(_rows(x, groups, spread, start, stop).T, here, out=of_weight[expert])
            torch.sum(here, dim=0, out=of_bias[expert])
            if of_x is not None:
                torch.mm(here, weight[expert].T, out=of_x[start:stop])
        if spread and of_x is not None:
            of_x = functional.embedding_bag(groups.place, of_x, mode="sum")
        return of_x, of_weight, of_bias, None, None


class _Spread(torch.autograd.Function):
    """A row per pair from a row per token."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, groups: Groups) -> torch.Tensor:
        ctx.groups = groups
        return x.index_select(0, groups.tokens)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return functional.embedding_bag(ctx.groups.place, gradient.contiguous(), mode="sum"), None


class _Collect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, weights: torch.Tensor, groups: Groups) -> torch.Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.groups = groups
        return functional.embedding_bag(groups.place, rows, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weights = ctx.saved_tensors
        groups = ctx.groups
        spread = gradient.index_select(0, groups.tokens)
        of_weights = torch.linalg.vecdot(spread, rows)[groups.place]
        return spread.mul_(weights.reshape(-1)[groups.order, None]), of_weights, None


def _runs(groups: Groups) -> list[tuple[int, int, int]]:
    """(expert, first row, row behind its last) of every expert that was chosen at all."""
    runs, start = [], 0
    for expert, count in enumerate(groups.counts):
        if count:
            runs.append((expert, start, start + count))
        start += count
    return runs


def _rows(x: torch.Tensor, groups: Groups, spread: bool, start: int, stop: int) -> torch.Tensor:
    return x.index_select(0, groups.tokens[start:stop]) if spread else x[start:stop]
