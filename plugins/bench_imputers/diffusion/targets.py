"""What a training visit hides: self-supervised target masks, drawn at each visit under torch's
seeded generator.

A mask takes the observed entries, float32 [b, channels, length] of 0 and 1, and returns those that
the network may look at; observed minus these are the targets.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

Masking = Callable[[torch.Tensor], torch.Tensor]


def by_ratio(observed: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
    """Hide `ratio` [b] of each record's observed entries, uniformly chosen; their number is
    rounded half to even.
    """
    flat = observed.flatten(1)
    hidden = torch.round(ratio * flat.sum(dim=1))
    keys = torch.where(flat > 0, torch.rand_like(flat), -1.0)
    rank = keys.argsort(dim=1, descending=True).argsort(dim=1)
    return (flat * (rank >= hidden[:, None])).reshape(observed.shape)


def random(observed: torch.Tensor) -> torch.Tensor:
    """A share of each record's entries that is itself uniform in (0, 1)."""
    return by_ratio(observed, torch.rand(len(observed), device=observed.device))


def historical(observed: torch.Tensor) -> torch.Tensor:
    """What the record before in the batch has not observed; the first takes the last.

    A batch of one record takes `random`, where the reference would hide nothing.
    """
    return observed * observed.roll(1, dims=0) if len(observed) > 1 else random(observed)


def mix(observed: torch.Tensor) -> torch.Tensor:
    """`random` or `historical`, by a fair coin for each record."""
    coin = torch.rand(len(observed), 1, 1, device=observed.device) < 0.5
    return torch.where(coin, random(observed), historical(observed))


def points(observed: torch.Tensor, ratio: float) -> torch.Tensor:
    """Hide `ratio` of the bins (rounded, at least one), drawn for each channel by itself: RM of
    SSSD.

    Of the bins and not of the observed entries: where everything was observed, exactly the
    reference. There a batch shares one mask; here every record has its own, since records differ in
    what was observed.
    """
    rank = torch.rand_like(observed).argsort(dim=2).argsort(dim=2)
    return observed * (rank >= _bins(observed, ratio))


def segments(observed: torch.Tensor, ratio: float, together: bool) -> torch.Tensor:
    """Hide one segment of each channel (MNR of SSSD), or the same one of all channels (`together`,
    black-out: BM).

    Segments are consecutive, each `ratio` of the bins long (rounded, at least one); the last may be
    shorter.
    """
    records, channels, length = observed.shape
    bins = _bins(observed, ratio)
    lots = (records, 1 if together else channels, 1)
    drawn = torch.randint(math.ceil(length / bins), lots, device=observed.device)
    return observed * (torch.arange(length, device=observed.device) // bins != drawn)


def _bins(observed: torch.Tensor, ratio: float) -> int:
    return max(round(ratio * observed.shape[2]), 1)


def masking(name: str, ratio: float) -> Masking:
    """The mask of that name; `ratio` says nothing to "random", "historical" and "mix"."""
    named: dict[str, Masking] = {
        "random": random,
        "historical": historical,
        "mix": mix,
        "ratio": lambda observed: by_ratio(observed, torch.full_like(observed[:, 0, 0], ratio)),
        "points": lambda observed: points(observed, ratio),
        "segments": lambda observed: segments(observed, ratio, together=False),
        "blackout": lambda observed: segments(observed, ratio, together=True),
    }
    return named[name]
