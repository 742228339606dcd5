"""Flex-MoE's gate, its balance on complete records (G-Router) and its lesson on incomplete ones
(S-Router).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from bench_fusers.sparse_moe import LEAST_NOISE, Experts, Routing, cv2, top_k_routing


@dataclass(frozen=True)
class Records:
    """What the routers know of each record, all [b].

    - complete, incomplete: 1 or 0; a record with no modality at all is neither.
    - target: int64, the expert that an incomplete record is led to; -1 for all others, and for all
      where there are no targets.
    """

    complete: torch.Tensor
    incomplete: torch.Tensor
    target: torch.Tensor


class Gate(nn.Module):
    """Noisy top-k: x [n, width] -> the routing, and the logits [n, experts] it was made by (with
    noise while training).

    Logits x W; noise of standard deviation softplus(x V) + 0.01. Both start Kaiming-uniform with a
    = sqrt(5), as in fastmoe. Computed in float32 under any precision.
    """

    def __init__(self, width: int, experts: int, top_k: int):
        super().__init__()
        self.top_k = top_k
        self.weight, self.spread = nn.Parameter(torch.empty(width, experts)), nn.Parameter(torch.empty(width, experts))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        nn.init.kaiming_uniform_(self.spread, a=math.sqrt(5))

    def forward(self, x: torch.Tensor, forced: torch.Tensor | None = None) -> tuple[Routing, torch.Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            logits = x.float() @ self.weight
            if not self.training:
                return top_k_routing(logits, self.top_k, forced=forced), logits
            deviation = functional.softplus(x.float() @ self.spread) + LEAST_NOISE
            noisy = logits + torch.randn_like(logits) * deviation
            return top_k_routing(logits, self.top_k, noisy, deviation, forced), noisy


class MixedExperts(nn.Module):
    """E networks width -> 2 width -> width that all modalities share: x [b, M, tokens, width] -> as
    x, and the routers' loss.

    The loss is a scalar, summed over modalities; 0 outside training. usage: the share of each
    expert in the gates of the batch when it was last used, [experts].
    """

    def __init__(self, width: int, experts: int, top_k: int, forced: bool):
        super().__init__()
        self.forced = forced
        self.gate = Gate(width, experts, top_k)
        self.experts = Experts(experts, width, 2 * width, width)
        nn.init.zeros_(self.experts.bias_in)
        nn.init.zeros_(self.experts.bias_out)
        self.usage = torch.zeros(experts)

    def forward(self, x: torch.Tensor, records: Records) -> tuple[torch.Tensor, torch.Tensor]:
        each = math.prod(x.shape[1:3])
        forced = records.target.repeat_interleave(each) if self.forced else None
        flat = x.flatten(0, 2)
        routing, logits = self.gate(flat, forced)
        self.usage = routing.usage().detach()
        outputs = self.experts(flat, routing.chosen, routing.gates).view(x.shape)
        loss = router_loss(routing, logits, records, x.shape[1]) if self.training else logits.new_zeros(())
        return outputs, loss


def router_loss(routing: Routing, logits: torch.Tensor, records: Records, modalities: int) -> torch.Tensor:
    """The loss of tokens laid out as [b, modalities, tokens], summed over modalities (the code
    calls the gate for each).

    For the tokens of a modality it is the sum of:

    - CV^2 of importance and load over the complete records;
    - the same over the incomplete ones without expert 0, which belongs to the complete records;
    - the cross-entropy of the logits, noise included, with the target of the incomplete records.
      Their tokens out of the bank count too, as in the code.
    """
    b, experts = len(records.target), logits.shape[1]
    shape = (b, modalities, -1, experts)
    tokens = logits.numel() // (b * modalities * experts)
    # Sums over a modality's tokens of a record first: [b, modalities, experts].
    importance = routing.dense().view(shape).sum(dim=2)
    load = routing.load.view(shape).sum(dim=2)
    errors = functional.cross_entropy(
        logits, records.target.clamp(min=0).repeat_interleave(modalities * tokens), reduction="none"
    ).view(b, modalities, tokens)
    led = (records.target >= 0).float()
    total = led @ errors.mean(dim=2).sum(dim=1) / led.sum().clamp(min=1)
    for number in range(modalities):
        for weights in (importance[:, number], load[:, number]):
            total = total + cv2(records.complete @ weights) + cv2((records.incomplete @ weights)[1:])
    return total
