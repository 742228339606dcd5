"""Products across modalities: all of them, as an outer product, or a low-rank form of what a
linear map makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

NARROWEST = 4
"""The least width to which the rule of the cap shrinks; for less, low-rank takes over."""


@dataclass(frozen=True)
class Plan:
    """How the modalities are joined. widths: of each, before the 1. products: their number where
    all are formed.
    """

    widths: tuple[int, ...]
    low_rank: bool

    @property
    def products(self) -> int:
        return math.prod(width + 1 for width in self.widths)


def plan(widths: Sequence[int], cap: int, low_rank: bool) -> Plan:
    """The rule of the cap. The widths stay as they are where the products are at most `cap`. Else
    each is at most w, the largest with (w + 1)^M <= cap. Where w < `NARROWEST`: low-rank, with the
    widths as they are.
    """
    whole = Plan(tuple(widths), low_rank)
    if low_rank or whole.products <= cap:
        return whole
    side = round(cap ** (1 / len(widths)))
    side -= side ** len(widths) > cap
    if side - 1 < NARROWEST:
        return Plan(tuple(widths), True)
    return Plan(tuple(min(width, side - 1) for width in widths), False)


def outer(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """[b, w] of each modality -> their outer product, flat, [b, product of the w]: the first
    slowest, the last fastest.
    """
    joined = parts[0]
    for part in parts[1:]:
        joined = (joined[:, :, None] * part[:, None, :]).flatten(1)
    return joined


class Tensor(nn.Module):
    """A linear map of all products: forward(z_m [b, width_m] of each) -> [b, outputs].

    ones_last: the 1 stands behind each vector, as in outer-late, and not in front of it.
    """

    def __init__(self, widths: Sequence[int], outputs: int, dropout: float, ones_last: bool):
        super().__init__()
        self.ones_last = ones_last
        self.dropout = nn.Dropout(dropout)
        self.map = nn.Linear(math.prod(width + 1 for width in widths), outputs)

    def forward(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        outputs: torch.Tensor = self.map(self.dropout(self.products(parts)))
        return outputs

    def products(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """[b, P]."""
        return outer([extended(part, self.ones_last) for part in parts])


class LowRank(nn.Module):
    """LMF: h = sum_r w_r prod_m A_m^(r) [1; z_m] + b, the product element by element: forward as
    `Tensor`.

    It is a `Tensor` whose weights have rank `rank` at most. factors: for each modality [rank, width
    + 1, outputs]. Factors and weights are drawn Xavier-normal, b is 0 (Liu et al. 2018, equation 8
    and code). All of them are trained; published code leaves some out of the optimiser.
    """

    def __init__(self, widths: Sequence[int], outputs: int, rank: int, ones_last: bool):
        super().__init__()
        self.ones_last = ones_last
        self.factors = nn.ParameterList(nn.Parameter(torch.empty(rank, width + 1, outputs)) for width in widths)
        self.weights = nn.Parameter(torch.empty(1, rank))
        self.bias = nn.Parameter(torch.zeros(outputs))
        for factor in self.factors:
            for slab in factor:
                nn.init.xavier_normal_(slab)
        nn.init.xavier_normal_(self.weights)

    def forward(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        joined: torch.Tensor | None = None
        for part, factor in zip(parts, self.factors, strict=True):
            read = torch.einsum("bd,rdo->bro", extended(part, self.ones_last), factor)
            joined = read if joined is None else joined * read
        outputs: torch.Tensor = torch.einsum("r,bro->bo", self.weights[0], joined) + self.bias
        return outputs


def extended(part: torch.Tensor, ones_last: bool) -> torch.Tensor:
    """[b, w] -> [b, w + 1], with a 1 in front or behind."""
    one = part.new_ones(len(part), 1)
    return torch.cat([part, one] if ones_last else [one, part], dim=1)
