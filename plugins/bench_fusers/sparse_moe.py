"""A sparse mixture of experts: routers, experts of which only the chosen are computed, and what
keeps them balanced.

Shazeer et al. 2017, "Outrageously Large Neural Networks" (noisy top-k, load balance); Han et al.
2024, "FuseMoE" (Laplace and Gaussian gates, routers over modalities). A token is a row [width]; n
tokens, E experts, k of them chosen per token.

    router = Router(width=64, experts=16, top_k=4, gating="laplace") experts = Experts(16, 64,
    hidden=128, width_out=64) routing = router(tokens)                                # tokens [n,
    64] out = experts(tokens, routing.chosen, routing.gates)    # [n, 64]; any weights [n, k] may
    stand for the gates penalty = cv2_balance(routing)

Tokens are sorted by expert, so that each expert is one matrix product over its own tokens; nothing
is computed for an expert that a token did not choose. Nothing in a token's result comes from
another token. Noise is drawn in training only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from bench.components import Context
from bench_fusers.grouped import collect, grouped_linear, grouping

Gating = Literal["softmax", "laplace", "gaussian"]
Combine = Literal["linear", "log_mixture"]

LEAST_NOISE = 0.01
"""Added to the learned standard deviation of the gate's noise."""

TINY = 1e-10


@dataclass(frozen=True)
class Routing:
    """Where each token goes.

    - chosen: int64 [n, k], different experts.
    - gates: [n, k], their weights; a row sums to 1.
    - logits: [n, E], free of noise; a constant may have been added to a row.
    - noisy, sd: [n, E], the logits with noise and its standard deviation; None without noise.
    """

    chosen: torch.Tensor
    gates: torch.Tensor
    logits: torch.Tensor
    noisy: torch.Tensor | None = None
    sd: torch.Tensor | None = None

    @property
    def load(self) -> torch.Tensor:
        """[n, E]: the chance that an expert would be among the chosen under fresh noise, which has
        a gradient.

        Without noise (evaluation, `noise=False`) and where k = E: 1 for the chosen, 0 for the
        others.
        """
        k = self.chosen.shape[1]
        if self.noisy is None or self.sd is None or k == self.logits.shape[1]:
            return torch.zeros_like(self.logits).scatter(1, self.chosen, 1.0)
        best = self.noisy.topk(k + 1, dim=1).values
        last_in, first_out = best[:, k - 1 : k], best[:, k:]
        # What an expert must exceed: the k-th best of the others.
        bar = torch.where(self.noisy >= last_in, first_out, last_in)
        chance: torch.Tensor = torch.special.ndtr((self.logits - bar) / self.sd)
        return chance

    def dense(self) -> torch.Tensor:
        """The gates [n, E], 0 where not chosen."""
        return torch.zeros_like(self.logits).scatter(1, self.chosen, self.gates.to(self.logits.dtype))

    def distribution(self, counted: torch.Tensor | None = None) -> torch.Tensor:
        """[E]: the mean of the softmax over all logits, the p-hat of TRACE's Eq. 8, over the
        tokens that are counted.
        """
        return _mean(self.logits.softmax(dim=1), counted)

    def usage(self, counted: torch.Tensor | None = None) -> torch.Tensor:
        """[E]: the share of each expert in all gates of the counted tokens."""
        return _mean(self.dense(), counted)


class Router(nn.Module):
    """Noisy top-k gates: the k best of h + noise, weighed by the softmax over these k.

    With w_e, v_e the vectors of expert e: h_e = x . w_e (softmax), -|x - w_e| (laplace) or -|x -
    w_e|^2 (gaussian). The last two are computed up to |x| and |x|^2. That constant of a token
    changes nothing in softmax, top-k or load, and without it the logits do not lose their digits.
    Noise has the standard deviation softplus(x . v_e) + 0.01. w and v are registered parameters and
    start at zero, as published. Computed in float32 under any precision.
    """

    def __init__(self, width: int, experts: int, top_k: int, gating: Gating = "softmax", noise: bool = True):
        super().__init__()
        if not 1 <= top_k <= experts:
            raise ValueError(f"top_k is {top_k}; with {experts} experts it may be 1 to {experts}")
        self.top_k, self.gating, self.noise = top_k, gating, noise
        self.weight = nn.Parameter(torch.zeros(experts, width))
        self.spread = nn.Parameter(torch.zeros(experts, width)) if noise else None

    def forward(self, x: torch.Tensor, forced: torch.Tensor | None = None) -> Routing:
        """x: [n, width]. forced: int64 [n], an expert that must be among the chosen of that
        token; -1 = none.
        """
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            logits = self.logits(x)
            if self.spread is None or not self.training:
                return top_k_routing(logits, self.top_k, forced=forced)
            sd = functional.softplus(functional.linear(x, self.spread)) + LEAST_NOISE
            return top_k_routing(logits, self.top_k, logits + torch.randn_like(logits) * sd, sd, forced)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """[n, E], free of noise."""
        product = functional.linear(x, self.weight)
        if self.gating == "softmax":
            return product
        nearer = 2 * product - self.weight.square().sum(dim=1)  # |x|^2 - |x - w|^2
        if self.gating == "gaussian":
            return nearer
        norm = x.square().sum(dim=1, keepdim=True)
        # |x| - |x - w| as a quotient: the difference of lengths near 100 would keep five digits.
        return nearer / (norm.clamp_min(TINY).sqrt() + (norm - nearer).clamp_min(TINY).sqrt())


def top_k_routing(
    logits: torch.Tensor,
    k: int,
    noisy: torch.Tensor | None = None,
    sd: torch.Tensor | None = None,
    forced: torch.Tensor | None = None,
) -> Routing:
    """The routing by logits [n, E], or by `noisy` ones with the noise's standard deviation `sd`,
    both [n, E].

    forced: see `Router.forward`. Raises nothing; k must be 1 to E.
    """
    ranked = logits if noisy is None else noisy
    ranking = ranked
    if forced is not None:
        here = functional.one_hot(forced.clamp_min(0), logits.shape[1]).bool() & (forced >= 0)[:, None]
        ranking = ranked.masked_fill(here, math.inf)
    chosen = ranking.topk(k, dim=1).indices
    return Routing(chosen, ranked.gather(1, chosen).softmax(dim=1), logits, noisy, sd)


class Experts(nn.Module):
    """E networks Linear - activation - dropout - Linear of equal shape; a token is sent through
    those it chose.

    - combine: linear sums weight x expert. In log_mixture, as released, every expert ends in a
      softmax over its outputs, and the log of the weighted sum is taken. Zeros become the machine
      epsilon of float64 before the log.

    Starts like torch's Linear, each expert by itself.
    """

    def __init__(
        self,
        experts: int,
        width_in: int,
        hidden: int,
        width_out: int,
        dropout: float = 0.0,
        activation: Literal["gelu", "relu"] = "gelu",
        combine: Combine = "linear",
    ):
        super().__init__()
        self.experts, self.combine = experts, combine
        self.activation = functional.gelu if activation == "gelu" else functional.relu
        self.dropout = nn.Dropout(dropout)
        self.weight_in = nn.Parameter(torch.empty(experts, width_in, hidden))
        self.bias_in = nn.Parameter(torch.empty(experts, hidden))
        self.weight_out = nn.Parameter(torch.empty(experts, hidden, width_out))
        self.bias_out = nn.Parameter(torch.empty(experts, width_out))
        for weight, bias in ((self.weight_in, self.bias_in), (self.weight_out, self.bias_out)):
            bound = 1 / math.sqrt(weight.shape[1])
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)

    def forward(self, x: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """x [n, width_in], chosen int64 [n, k], weights [n, k] (gates, or whatever else) -> [n,
        width_out].
        """
        if not len(x):
            return x.new_zeros(0, self.weight_out.shape[2])
        groups = grouping(chosen, self.experts)
        hidden = grouped_linear(x, self.weight_in, self.bias_in, groups, spread=True)
        hidden = self.dropout(self.activation(hidden))
        out = grouped_linear(hidden, self.weight_out, self.bias_out, groups)
        if self.combine == "linear":
            return collect(out, weights.to(out.dtype), groups)
        with torch.autocast(x.device.type, enabled=False):
            mixed = collect(out.float().softmax(dim=1), weights.float(), groups)
            return torch.where(mixed == 0, torch.finfo(torch.float64).eps, mixed).log()


class ModalityMoE(nn.Module):
    """A sparse mixture over the modalities of a record, M of width F each; FuseMoE's three routers.

    - joint: one router and E experts read all modalities at once, M F -> M F.
    - permod: each modality has its own router and is sent through the E experts all share, F -> M
      F; the results of the modalities add up.
    - disjoint: as permod, but each modality has E // M experts of its own, and chooses min(top_k, E
      // M) of them.

    Every router is a registered module: the released code keeps the gates of the last two in a
    plain list, where they are never trained. A modality that is absent in a record is not counted
    there.

    - balance: cv2 = `cv2_balance` of each router, summed; none = no penalty. entropy = TRACE's Eq.
      8 over the modalities: 0 for joint and -ln M for disjoint whatever the weights, so only permod
      learns from it.
    - used: [E], the share of each expert in all gates of the last call at evaluation; None before
      one.
    """

    def __init__(
        self,
        modalities: int,
        width: int,
        experts: int,
        hidden: int,
        top_k: int,
        *,
        router: Literal["joint", "permod", "disjoint"] = "joint",
        gating: Gating = "softmax",
        combine: Combine = "linear",
        balance: Literal["cv2", "entropy", "none"] = "cv2",
        dropout: float = 0.0,
        noise: bool = True,
    ):
        super().__init__()
        if router == "disjoint":
            own = experts // modalities
            if own < 1:
                raise ValueError(f"experts is {experts}; disjoint needs one for each of the {modalities} modalities")
            experts, top_k = own * modalities, min(top_k, own)
        self.router, self.balance = router, balance
        own = experts // modalities if router == "disjoint" else experts
        read = modalities * width if router == "joint" else width
        count = 1 if router == "joint" else modalities
        self.used: torch.Tensor | None = None
        self.routers = nn.ModuleList(Router(read, own, top_k, gating, noise) for _ in range(count))
        self.experts = Experts(experts, read, hidden, modalities * width, dropout, combine=combine)

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x [n, M, F], present [n, M] (1 or 0) -> [n, M, F] and the penalty, a scalar, not yet
        weighted.
        """
        routings = self.route(x)
        read = [x.flatten(1)] if self.router == "joint" else list(x.unbind(1))
        chosen = [routing.chosen for routing in routings]
        if self.router == "disjoint":
            own = routings[0].logits.shape[1]
            chosen = [place + own * number for number, place in enumerate(chosen)]
        gates = torch.cat([routing.gates for routing in routings])
        out = self.experts(torch.cat(read), torch.cat(chosen), gates)
        if not self.training:
            share = torch.zeros(self.experts.experts, device=x.device)
            self.used = share.index_add(0, torch.cat(chosen).flatten(), gates.flatten()) / len(gates)
        return out.view(len(routings), *x.shape).sum(dim=0), self.penalty(routings, present)

    def route(self, x: torch.Tensor) -> list[Routing]:
        """The routings of x [n, M, F]: one (joint), or one per modality."""
        read = [x.flatten(1)] if self.router == "joint" else x.unbind(1)
        return [router(each) for router, each in zip(self.routers, read, strict=True)]

    def penalty(self, routings: Sequence[Routing], present: torch.Tensor) -> torch.Tensor:
        """The balance loss of these routings, a scalar."""
        if self.balance == "none":
            return present.new_zeros(())
        counted = [present.amax(dim=1)] if self.router == "joint" else list(present.unbind(1))
        if self.balance == "cv2":
            pairs = zip(routings, counted, strict=True)
            return torch.stack([cv2_balance(routing, tokens) for routing, tokens in pairs]).sum()
        means = [routing.distribution(tokens) for routing, tokens in zip(routings, counted, strict=True)]
        if self.router == "disjoint":
            means = list(torch.block_diag(*means))
        known = [mean for mean, tokens in zip(means, counted, strict=True) if tokens.any()]
        return entropy_balance(torch.stack(known)) if known else present.new_zeros(())


def cv2(values: torch.Tensor) -> torch.Tensor:
    """The squared coefficient of variation of values [E]: unbiased variance / (mean^2 + 1e-10);
    0 for E = 1.
    """
    if len(values) == 1:
        return values.new_zeros(())
    return values.var() / (values.mean().square() + TINY)


def cv2_balance(routing: Routing, counted: torch.Tensor | None = None) -> torch.Tensor:
    """CV^2 of the experts' importance (their gates) + CV^2 of their load; Shazeer et al., Eq. 6 to
    11.

    counted: [n], 1 for the tokens that count, 0 for others; None: all. 0 where none counts.
    """
    every = torch.ones(len(routing.logits), device=routing.logits.device) if counted is None else counted.float()
    return cv2(every @ routing.dense()) + cv2(every @ routing.load)


def entropy_balance(distributions: torch.Tensor) -> torch.Tensor:
    """TRACE's Eq. 8: mean_j H(p_j) - H(mean_j p_j) of distributions [M, E], one per modality.

    Minus the Jensen-Shannon divergence: 0 where all are equal, -ln min(E, M) where each modality
    has confident experts of its own.
    """
    return entropy(distributions).mean() - entropy(distributions.mean(dim=0))


def entropy(distributions: torch.Tensor) -> torch.Tensor:
    """[...]: the entropy, in nats, over the last axis."""
    nats: torch.Tensor = torch.special.entr(distributions).sum(dim=-1)
    return nats


def evenness(shares: torch.Tensor) -> float:
    """The entropy of shares [E], which sum to 1, over its maximum: 1 = all are alike (also for E
    = 1), 0 = one has all.
    """
    if len(shares) == 1:
        return 1.0
    # Shares add up to 1 but for rounding, which alone could lead out of the range.
    return min(max(0.0, float(entropy(shares)) / math.log(len(shares))), 1.0)


EXPERTS = {"evenness of experts": "share", "experts unused": "count"}
"""The notes of `note_experts`, as a fuser declares them; one value per layer."""


def note_experts(context: Context, layers: Iterable[torch.Tensor]) -> None:
    """Keep, of the shares [E] of each layer, the entropy over its maximum, and how many experts
    have no share where some have none.
    """
    shares = list(layers)
    if not shares:
        return
    even, unused = EXPERTS
    context.note(even, *map(evenness, shares))
    idle = [int((layer == 0).sum()) for layer in shares]
    if any(idle):
        context.note(unused, *idle)


def _mean(rows: torch.Tensor, counted: torch.Tensor | None) -> torch.Tensor:
    if counted is None:
        return rows.mean(dim=0)
    counted = counted.to(rows.dtype)
    return counted @ rows / counted.sum().clamp_min(1)
