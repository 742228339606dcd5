"""MAESTRO's sparse attention: only as many queries as the budget allows attend, the others output
the mean of the values.

Mohapatra et al. 2025 after Zhou et al. 2021 (Informer). All tokens come with a mask: an absent
modality is no key, no query and no part of a mean. The budget is a number of queries per record,
kept by masking.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

SHORTEST = 4
"""Sequences of fewer tokens are not made shorter."""


@dataclass(frozen=True)
class Budget:
    """How many queries of a record may attend.

    - factor: [b], f in (0, c), or c itself.
    - most: ceil(c), by which keys are drawn while training.
    - learnt: the factor gets a gradient, from soft counts of this temperature (in queries).
    """

    factor: torch.Tensor
    most: int
    temperature: float = 1.0
    learnt: bool = False

    def queries(self, readable: torch.Tensor) -> torch.Tensor:
        """max(1, min(ceil(f) ceil(ln n), n)), [b], for n readable tokens [b]; 1 where there is
        none.
        """
        readable = readable.clamp(min=1)
        return torch.minimum(self.factor.detach().ceil() * readable.log().ceil(), readable).clamp(min=1)

    def weights(self, rank: torch.Tensor, readable: torch.Tensor) -> torch.Tensor:
        """1 for the queries that attend, else 0; rank [b, heads, n] from 0, the best -> the same
        shape.

        A learnt budget gets the gradient of sigmoid((f ceil(ln n) - rank) / temperature), while
        what is computed stays the whole number of queries (straight-through).
        """
        allowed = self.queries(readable)[:, None, None]
        hard = (rank < allowed).float()
        if not self.learnt:
            return hard
        ideal = self.factor[:, None, None] * readable.clamp(min=1).log().ceil()[:, None, None]
        soft = torch.sigmoid((ideal - rank) / self.temperature)
        return hard + soft - soft.detach()


class SparseAttention(nn.Module):
    """forward(x [b, n, width], mask [b, n] (1 = readable), budget) -> [b, n, width].

    A query's score is the largest minus the mean of its unscaled inner products with keys. While
    training, these are as many keys as the budget has queries, drawn again for every place in the
    sequence. Otherwise they are all readable keys, so that nothing is random (the released code
    draws at evaluation too). The best queries of each head attend to all readable keys.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: torch.Tensor, mask: torch.Tensor, budget: Budget) -> torch.Tensor:
        query, key, value = (
            part(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        readable = mask.sum(dim=1)
        # The root of the width changes no rank, so that one product serves the scores and the
        # attention.
        products = query / math.sqrt(query.shape[-1]) @ key.transpose(2, 3)
        with torch.no_grad():
            rank = self._rank(products.float(), mask, budget)
        weights = budget.weights(rank, readable)[..., None].to(value.dtype)
        # The lowest number and not -inf: without any key the softmax stays finite, and the token is
        # masked anyway.
        scaled = torch.where(mask[:, None, None] > 0, products, torch.finfo(products.dtype).min)
        attended = scaled.softmax(dim=-1).to(value.dtype) @ value
        mean = (value * mask[:, None, :, None]).sum(dim=2, keepdim=True) / readable.clamp(min=1)[:, None, None, None]
        mixed = torch.lerp(mean.to(value.dtype).expand_as(attended), attended, weights)
        outputs: torch.Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return outputs

    def _rank(self, products: torch.Tensor, mask: torch.Tensor, budget: Budget) -> torch.Tensor:
        """The place of each query among those of its head, from 0, the best; those not readable
        last. [b, heads, n].
        """
        n = products.shape[-1]
        usable = mask[:, None, None] > 0
        if self.training:
            drawn = min(budget.most * math.ceil(math.log(n)), n) if n > 1 else 1
            places = torch.randint(n, (n, drawn), device=products.device)
            products = products.gather(3, places.expand(*products.shape[:3], drawn))
            within = torch.arange(drawn, device=products.device) < budget.queries(mask.sum(dim=1))[:, None]
            usable = (mask[:, places] > 0)[:, None] & within[:, None, None]
        count = usable.sum(dim=3)
        mean = torch.where(usable, products, 0.0).sum(dim=3) / count.clamp(min=1)
        best = torch.where(usable, products, -torch.inf).amax(dim=3)
        lowest = torch.finfo(products.dtype).min
        score = torch.where(count > 0, best - mean, lowest).masked_fill(mask[:, None] == 0, -torch.inf)
        order = score.argsort(dim=2, descending=True, stable=True)
        return order.argsort(dim=2, stable=True)


class SparseLayer(nn.Module):
    """LN(x + attention x), half as many tokens, LN(x + feed_forward x): x [b, n, width], mask [b,
    n] -> the same, ceil(n / 2).

    Half as many: a convolution plus the largest of three, stride 2. A token is readable where one
    of the three was; tokens that are not are 0 before and after. feed_forward(x, mask) -> as x.
    """

    def __init__(self, width: int, heads: int, feed_forward: nn.Module):
        super().__init__()
        self.attention, self.feed_forward = SparseAttention(width, heads), feed_forward
        self.convolution = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, x: torch.Tensor, mask: torch.Tensor, budget: Budget) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.norms[0](x + self.attention(x, mask, budget)) * mask[..., None]
        if x.shape[1] >= SHORTEST:
            x, mask = self._shorter(x, mask)
        x = self.norms[1](x + self.feed_forward(x, mask))
        return x * mask[..., None], mask

    def _shorter(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        channels_first = x.transpose(1, 2)
        hidden = channels_first.masked_fill(mask[:, None] == 0, torch.finfo(x.dtype).min)
        largest = functional.max_pool1d(hidden, 3, stride=2, padding=1)
        mask = functional.max_pool1d(mask[:, None], 3, stride=2, padding=1)[:, 0]
        largest = torch.where(mask[:, None] > 0, largest, 0.0)
        return (self.convolution(channels_first) + largest).transpose(1, 2), mask


class Dense(nn.Module):
    """drop(W2 drop(gelu(W1 x))), four times as wide inside; the mask is not needed."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.layers(x)
        return outputs
