"""The contrastive loss of which several fusers take their own: anchors near some candidates, far
from the others (Khosla et al. 2020, equation 2).
"""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["contrasted", "within_records"]


def contrasted(similar: torch.Tensor, others: torch.Tensor, near: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of each anchor [..., a], and how many candidates it is near to.

    An anchor's loss is the log of the sum of the exponentials of its similarities, minus the mean
    of those to candidates it shall be near to. It is 0 where there are none.

    similar: [..., a, c], similarities over a temperature. others: the same shape, true where a
    candidate takes part. near: true where it shall be near, a part of `others`.
    """
    count = near.sum(dim=-1)
    spread = similar.masked_fill(~others, torch.finfo(similar.dtype).min).logsumexp(dim=-1)
    each = torch.where(count > 0, spread - (similar * near).sum(dim=-1) / count.clamp(min=1), 0.0)
    return each, count


def within_records(z: torch.Tensor, present: torch.Tensor, temperature: float) -> torch.Tensor:
    """Modalities of one record shall be near each other, those of other records far; a scalar.

    An anchor is a modality that a record has, its candidates are all others of all records. The
    result is the mean over anchors whose record has another modality; 0 where there are none.

    z: [b, m, D], whose cosines count. present: [b, m], 1 or 0; what is absent takes no part.
    """
    records, modalities = present.shape
    unit = functional.normalize(z.float(), dim=-1).flatten(0, 1)
    here = present.flatten() > 0
    owner = torch.arange(records, device=z.device).repeat_interleave(modalities)
    others = here[:, None] & here[None] & ~torch.eye(len(here), dtype=torch.bool, device=z.device)
    near = others & (owner[:, None] == owner[None])
    each, count = contrasted(unit @ unit.T / temperature, others, near)
    return each.sum() / (count > 0).sum().clamp(min=1)
