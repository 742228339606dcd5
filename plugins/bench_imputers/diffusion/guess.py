"""Simple completions as tensors: where sampling starts, what a residual process is relative to,
how far off that is.
"""

from __future__ import annotations

import torch


def carried(values: torch.Tensor, observed: torch.Tensor, fill: torch.Tensor) -> torch.Tensor:
    """The last observed value along time, else `fill` [channels]. values, observed: [b,
    channels, length].
    """
    place = _before(observed)
    return torch.where(place >= 0, values.gather(2, place.clamp(min=0)), fill[:, None])


def interpolated(values: torch.Tensor, observed: torch.Tensor, fill: torch.Tensor) -> torch.Tensor:
    """The line between the observed values before and after, the nearest beyond the ends, else
    `fill` [channels].

    Distances are counted in bins, as in the imputer `linear`.
    """
    length = values.shape[2]
    left = _before(observed)
    right = length - 1 - _before(observed.flip(2)).flip(2)
    has_left, has_right = left >= 0, right < length
    left_value = values.gather(2, left.clamp(min=0))
    right_value = values.gather(2, right.clamp(max=length - 1))
    here = torch.arange(length, device=values.device)
    share = (here - left) / (right - left).clamp(min=1)
    line = left_value + (right_value - left_value) * share
    line = torch.where(has_left, torch.where(has_right, line, left_value), right_value)
    return torch.where(has_left | has_right, line, fill[:, None])


def nearness(observed: torch.Tensor) -> torch.Tensor:
    """1 / (1 + bins to the nearest observed one of the channel), 0 where there is none: float32,
    shape of `observed`.
    """
    length = observed.shape[2]
    here = torch.arange(length, device=observed.device)
    left, right = _before(observed), length - 1 - _before(observed.flip(2)).flip(2)
    before = torch.where(left >= 0, here - left, torch.inf)
    after = torch.where(right < length, right - here, torch.inf)
    return 1 / (1 + torch.minimum(before, after))


def _before(observed: torch.Tensor) -> torch.Tensor:
    """The last observed bin at or before each bin, -1 where there is none: int64, shape of
    `observed`.
    """
    here = torch.arange(observed.shape[2], device=observed.device)
    return torch.where(observed > 0, here, -1).cummax(dim=2).values
