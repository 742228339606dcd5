"""Standard normal numbers by counting: what a draw gets depends on its record and its place, on
nothing else.

A generator with a state would give a record other numbers when its batch mates change. Here every
number is a hash of (seed, record, draw, words, place in the grid). The hash is the splitmix64
generator (Steele, Lea and Flood 2014), whose state is a counter, keyed per record and draw. It uses
64-bit integer operations of torch, which are the same on every device. The upper and lower half of
each integer make the two uniform numbers of a Box-Muller pair.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch


def _signed(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


_STEP = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)
_HALF = (1 << 32) - 1


def _mixed(number: torch.Tensor) -> torch.Tensor:
    """The output function of splitmix64, element by element (int64; products wrap)."""
    number = (number ^ ((number >> 30) & ((1 << 34) - 1))) * _FIRST
    number = (number ^ ((number >> 27) & ((1 << 37) - 1))) * _SECOND
    return number ^ ((number >> 31) & ((1 << 33) - 1))


def record_key(record: str) -> int:
    """A signed 64-bit number for a record's id."""
    return int.from_bytes(hashlib.blake2b(record.encode(), digest_size=8).digest(), "little", signed=True)


class KeyedNoise:
    """Noise of some units, each a record and a draw of it."""

    def __init__(self, seed: int, records: Sequence[int], draws: Sequence[int], device: str | torch.device):
        """seed: any integer. records: keys of `record_key`, one per unit; draws: its index, one
        per unit.
        """
        start = torch.tensor([_signed(seed)], device=device)
        keys = torch.tensor([_signed(record) for record in records], dtype=torch.int64, device=device)
        self._keys = _mixed(_mixed(_mixed(start + _STEP) ^ keys) + _STEP) ^ torch.tensor(draws, device=device)
        self._places = torch.empty(0, dtype=torch.int64, device=device)

    def __call__(self, channels: int, length: int, *words: int) -> torch.Tensor:
        """float32 [units, channels, length], independent for every tuple of words (integers)."""
        keys = _mixed(self._keys + _STEP)
        for word in words:
            keys = _mixed((keys ^ _signed(word)) + _STEP)
        pairs = (channels * length + 1) // 2
        if len(self._places) < pairs:
            self._places = torch.arange(1, pairs + 1, device=keys.device) * _STEP
        bits = _mixed(keys[:, None] + self._places[:pairs])
        radius = ((((bits >> 32) & _HALF).float() + 0.5) * 2.0**-32).log_().mul_(-2).sqrt_()
        angle = (bits & _HALF).float() * (2 * math.pi * 2.0**-32)
        pair = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
        return pair[:, : channels * length].reshape(-1, channels, length)
