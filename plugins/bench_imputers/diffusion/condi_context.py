"""The context of CondI: what is observed, through a mixture of experts, and what modalities say to
each other.

Axes: `b` records, `m` modalities of the grid, `width` of an encoding, D. All is computed from the
      conditioning entries
alone: in training a hidden target has no part in it (the released code lets it). An absent modality
is known by its mask, and its encoding is 0, never an encoder's answer to zeros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from bench_imputers.diffusion.condi_encoders import InceptionEncoder, SmallEncoder, first_of
from bench_imputers.diffusion.condi_params import CondiChoice, CondiParams
from bench_imputers.diffusion.denoiser import Given
from bench_imputers.diffusion.layers import ExpertMixture

TABLE_SPREAD = 0.02
"""Standard deviation of the table's starting values."""

TABLE = "condition.table"
"""How the name of the table ends, in any module that holds a `ConditionTable` as its condition."""

OWN_READER = re.compile(r"(?:^|\.)(before|first)\.(\d+)\.")
"""In the name of a weight: a pre-extractor, or a first convolution, and which of them."""


@dataclass(frozen=True)
class Observed:
    """The conditioning part of b records by modality.

    - values, visible: per modality [b, its channels, length].
    - steps: [b, m, length], 1 where any channel is visible.
    - share: [b, m], visible share of a modality's cells.
    - present: [b, m], 1 where it has a visible entry.
    """

    values: list[torch.Tensor]
    visible: list[torch.Tensor]
    steps: torch.Tensor
    share: torch.Tensor
    present: torch.Tensor


def observed(inputs: Given, sizes: list[int]) -> Observed:
    """A `Given` by modality; sizes: their numbers of channels, as they are stacked."""
    return by_modality(
        list((inputs.values * inputs.conditioning).split(sizes, dim=1)), list(inputs.conditioning.split(sizes, dim=1))
    )


def by_modality(values: list[torch.Tensor], visible: list[torch.Tensor]) -> Observed:
    """The same of modalities that are not stacked; values: 0 where not visible."""
    steps = torch.stack([each.amax(dim=1) for each in visible], dim=1)
    share = torch.stack([each.mean(dim=(1, 2)) for each in visible], dim=1)
    return Observed(values, visible, steps, share, steps.amax(dim=2))


class CondiContext(nn.Module):
    """[b, context width + m x D] for a `Given`, or [b, channels, ·] where each channel has the
    condition of its own modality.

    First the context of observed values, where there is one, then the condition. With the condition
    `others`, a modality has 2 D: its condition, and its own encoding.
    """

    def __init__(self, parts: Mapping[str, int], params: CondiParams, choice: CondiChoice):
        super().__init__()
        self.sizes = list(parts.values())
        self.own = choice.cond_layout == "own"
        self.context = ObservedContext(self.sizes, params, choice.experts) if choice.experts else None
        self.condition: nn.Module | None = None
        if choice.condition == "table":
            self.condition = ConditionTable(len(parts), params.condition_width)
        elif choice.condition == "others":
            self.condition = OtherModalities(self.sizes, params.condition_width)
        owner = [place for place, size in enumerate(self.sizes) for _ in range(size)]
        self.register_buffer("owner", torch.tensor(owner), persistent=False)
        self.owner: torch.Tensor

    def forward(self, inputs: Given) -> torch.Tensor:
        seen = observed(inputs, self.sizes)
        conditions = [] if self.context is None else [self.context(seen)]
        if self.condition is None:
            return torch.cat(conditions, dim=-1)
        return self.laid_out(conditions, self.condition(seen))

    def laid_out(self, contexts: list[torch.Tensor], vectors: torch.Tensor) -> torch.Tensor:
        """Contexts [b, ·] of the record, and the vectors [b, m, ·] of its modalities, as `forward`
        returns them.
        """
        if self.own:
            contexts = [each[:, None].expand(-1, len(self.owner), -1) for each in contexts]
            return torch.cat([*contexts, vectors[:, self.owner]], dim=-1)
        return torch.cat([*contexts, vectors.flatten(1)], dim=-1)


def context_width(parts: Mapping[str, int], params: CondiParams, choice: CondiChoice) -> int:
    """The width of what `CondiContext` returns; 0 where the network is that of CSDI."""
    each = {"table": 1, "others": 2, "none": 0}[choice.condition] * params.condition_width
    return params.context_width * bool(choice.experts) + each * (1 if choice.cond_layout == "own" else len(parts))


class ConditionTable(nn.Module):
    """[b, m, D]: W[m, m] where modality m is present, else the mean of W[i, m] over the present i,
    else 0 (equation 4).

    Where every modality has an entry it is the same for all records.
    """

    def __init__(self, modalities: int, width: int):
        super().__init__()
        self.table = nn.Parameter(TABLE_SPREAD * torch.randn(modalities, modalities, width))

    def forward(self, seen: Observed) -> torch.Tensor:
        return self.routed(seen.present)

    def routed(self, present: torch.Tensor) -> torch.Tensor:
        """The same for [b, m], 1 where a modality is present."""
        own = self.table.diagonal().T
        others = torch.einsum("bi,imd->bmd", present, self.table) / present.sum(dim=1).clamp(min=1)[:, None, None]
        return torch.where(present[..., None] > 0, own, others)


class OtherModalities(nn.Module):
    """[b, m, 2 D]: a network of the mean encoding of the other present modalities, and the
    modality's own encoding.

    The mean of none is 0. Two differences from the released code:

    - Its encoder is trained with labels in phase B. Without that phase the loss of the diffusion
      trains it.
    - An absent modality's own encoding is 0, where the code takes the encoder's answer to zeros.
    """

    def __init__(self, sizes: list[int], width: int):
        super().__init__()
        self.encoder = InceptionEncoder(sizes, width)
        self.net = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, seen: Observed) -> torch.Tensor:
        encoded = self.encoder(seen.values, seen.visible, seen.steps) * seen.present[..., None]
        return torch.cat([self.of_others(encoded, seen.present), encoded], dim=-1)

    def of_others(self, encoded: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """[b, m, D]: the network of the mean over the others that are present.

        encoded: [b, m, D], 0 where absent. present: [b, m].
        """
        present = present[..., None]
        count = present.sum(dim=1, keepdim=True) - present
        mean = (encoded.sum(dim=1, keepdim=True) - encoded) / count.clamp(min=1)
        outputs: torch.Tensor = self.net(mean)
        return outputs


class ObservedContext(nn.Module):
    """[b, context width]: experts read the encodings of the modalities, each times its visible
    share, and the missing shares.

    Every expert weighs, or the `top_k` whose logits are largest in that record.
    """

    def __init__(self, sizes: list[int], params: CondiParams, experts: int):
        super().__init__()
        inputs = len(sizes) * (params.condition_width + 1)
        self.encoder = SmallEncoder(sizes, params.condition_width)
        self.mixture = ExpertMixture(
            inputs, params.expert_width, params.expert_width, params.context_width, experts, params.top_k
        )

    def forward(self, seen: Observed) -> torch.Tensor:
        encoded = self.encoder(seen.values, seen.steps) * seen.share[..., None]
        mixed: torch.Tensor = self.mixture(torch.cat([encoded.flatten(1), 1 - seen.share], dim=1))
        return mixed


def pairs(parts: Sequence[str], table: torch.Tensor) -> dict[str, torch.Tensor]:
    """Group -> the entry [D] of the table [m, m, D] in it: W[i, m] is in `pair/<i>/<m>`, of those
    that have both.
    """
    return {f"pair/{source}/{to}": table[i, m] for i, source in enumerate(parts) for m, to in enumerate(parts)}


def own_group(parts: Mapping[str, int], weight: str) -> str:
    """`mod/<m>` of a weight that one modality alone has; "" of any other."""
    match = OWN_READER.search(weight)
    if match is None:
        return ""
    place = int(match[2])
    if match[1] == "before":
        return f"mod/{list(parts)[place]}"
    owners = [name for name, which in zip(parts, first_of(list(parts.values())), strict=True) if which == place]
    return f"mod/{owners[0]}" if parts[owners[0]] > 1 else ""
