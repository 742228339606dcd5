"""Which modalities a record has, as a number, and the learned tokens that stand for those it
lacks (Flex-MoE).
"""

from __future__ import annotations

import math

import torch
from torch import nn

MOST = 60
"""Modalities beyond which the number of a combination no longer fits 64 bits."""


class Combinations(nn.Module):
    """present [b, M] (1 or 0) -> int64 [b], the number of the combination.

    All non-empty subsets by falling size, those of one size in the order of
    `itertools.combinations`: the full set is 0, the last modality alone 2^M - 2. A record with no
    modality gets 2^M - 1, which no subset has; the released code has -1 there, which reads the last
    row of its bank.
    """

    def __init__(self, modalities: int):
        super().__init__()
        m = modalities
        self.larger: torch.Tensor
        self.binomials: torch.Tensor
        larger = [sum(math.comb(m, size) for size in range(k + 1, m + 1)) for k in range(m + 1)]
        self.register_buffer("larger", torch.tensor(larger), persistent=False)
        table = [[math.comb(n, k) for k in range(m + 2)] for n in range(m + 1)]
        self.register_buffer("binomials", torch.tensor(table), persistent=False)

    def forward(self, present: torch.Tensor) -> torch.Tensor:
        here = (present > 0).long()
        m, size = here.shape[1], here.sum(dim=1)
        # Subsets of the same size that come later: for the i-th member e, those that agree so far
        # and go on behind e.
        left = size[:, None] - here.cumsum(dim=1) + 1
        behind = m - 1 - torch.arange(m, device=here.device)
        later = (here * self.binomials[behind[None], left.clamp(min=0)]).sum(dim=1)
        return self.larger[size] + self.binomials[m, size] - 1 - later


class FullBank(nn.Module):
    """A row of tokens for each combination and missing modality, N(0, 1): forward(combination [b])
    -> [b, M, tokens, width].

    As published, [2^M - 1, M, tokens, width]; the rows of modalities that are not missing are never
    read.
    """

    def __init__(self, modalities: int, tokens: int, width: int):
        super().__init__()
        self.rows = nn.Parameter(torch.randn(2**modalities - 1, modalities, tokens, width))

    def forward(self, combination: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        return self.rows[combination.clamp(max=len(self.rows) - 1)]


class AdditiveBank(nn.Module):
    """M (M + 1) rows in place of the full bank: of the missing modality m, its own b_m and a u of
    each that is observed, summed.

    b starts as N(0, 1), u at 0: at first a missing modality looks the same whatever else is there.
    """

    def __init__(self, modalities: int, tokens: int, width: int):
        super().__init__()
        self.own = nn.Parameter(torch.randn(modalities, tokens, width))
        self.others = nn.Parameter(torch.zeros(modalities, modalities, tokens, width))

    def forward(self, combination: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        return self.own + torch.einsum("bo,omtw->bmtw", present, self.others)
