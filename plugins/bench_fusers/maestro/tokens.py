"""The completed grid of a modality as tokens of MAESTRO: symbols, or values, of words of
consecutive bins.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from bench.torch_fuser import ModalityView
from bench_fusers.encoders.steps import grid_steps
from bench_fusers.maestro.plugin import Scale
from bench_fusers.maestro.plugin import Tokens as Kind

CONSTANT = 1e-6
"""A window whose standard deviation is smaller, in those of the training part, does not vary."""


class Tokens(nn.Module):
    """forward(view, present [b]) -> [b, words, width]. Where present is 0 the tokens are the same
    for every record.

    Every step of the completed grid counts, so that imputed values are read. The observed share of
    a word enters as further channels. The specification averages over observed entries only, which
    would read no imputed value. The grid is already standardised over the training part.
    scale=window standardises it once more over the record's own window; what does not vary in it
    becomes 0, the middle.

    - symbols: a vector for each symbol of each channel, 0 = missing, summed over channels and
      divided by the root of their number, and a linear map of the observed shares. Each channel has
      a table of its own. In the specification all channels of a modality share one, which could not
      tell a high pulse from a high temperature. The vectors start in the order of the symbols, as
      the numbers of the released code are (`ordered_symbols`).
    - linear: a linear map of the means and the observed shares.
    - numbers: a linear map of the symbols as plain numbers, without the shares: the released code.
    """

    def __init__(self, channels: int, width: int, kind: Kind, scale: Scale, alphabet: int, word: int):
        super().__init__()
        self.kind, self.scale, self.word, self.channels = kind, scale, word, channels
        self.breaks: torch.Tensor
        shares = torch.arange(1, alphabet, dtype=torch.float64) / alphabet
        self.register_buffer("breaks", torch.special.ndtri(shares).float(), persistent=False)
        if kind == "symbols":
            self.table = nn.Parameter(ordered_symbols(channels, alphabet, width))
            self.shares = nn.Linear(channels, width, bias=False)
            first = torch.arange(channels) * (alphabet + 1)
            self.first: torch.Tensor
            self.register_buffer("first", first, persistent=False)
        else:
            self.linear = nn.Linear(channels if kind == "numbers" else 2 * channels, width)

    def forward(self, view: ModalityView, present: torch.Tensor) -> torch.Tensor:
        values, observed = grid_steps(view).values.split(self.channels, dim=2)
        if self.scale == "window":
            values = standardised(values)
        values, shares = words(values, self.word), words(observed, self.word)
        here = present[:, None, None]
        if self.kind == "linear":
            outputs: torch.Tensor = self.linear(torch.cat([values, shares], dim=2) * here)
            return outputs
        symbols = torch.where(here > 0, symbolised(values, self.breaks), 0)
        if self.kind == "numbers":
            numbers: torch.Tensor = self.linear(symbols.float())
            return numbers
        flat = (symbols + self.first).flatten(0, 1)
        summed = functional.embedding_bag(flat, self.table, mode="sum").unflatten(0, symbols.shape[:2])
        tokens: torch.Tensor = summed / math.sqrt(self.channels) + self.shares(shares * here)
        return tokens


def ordered_symbols(channels: int, alphabet: int, width: int) -> torch.Tensor:
    """[channels (alphabet + 1), width]: symbol s of a channel is its standardised number times a
    direction drawn from N(0, 1).

    The vectors of the symbol 0 are drawn from N(0, 1).
    """
    numbers = torch.arange(1, alphabet + 1) - (alphabet + 1) / 2
    numbers = numbers / numbers.square().mean().sqrt()
    directions, missing = torch.randn(2, channels, 1, width)
    return torch.cat([missing, numbers[:, None] * directions], dim=1).flatten(0, 1)


def symbolised(values: torch.Tensor, breaks: torch.Tensor) -> torch.Tensor:
    """1 + how many of the break points are below each value: int64, as values. Between 1 and the
    size of the alphabet.
    """
    return 1 + torch.bucketize(values.contiguous(), breaks)


def words(steps: torch.Tensor, word: int) -> torch.Tensor:
    """The mean of every `word` consecutive steps, the last word of what is left: [b, n, c] ->
    [b, ceil(n / word), c].
    """
    if word == 1:
        return steps
    return functional.avg_pool1d(steps.transpose(1, 2), word, ceil_mode=True).transpose(1, 2)


def standardised(values: torch.Tensor) -> torch.Tensor:
    """Each channel of each record minus its mean, over its standard deviation, over the window;
    0 where it does not vary.
    """
    center = values.mean(dim=1, keepdim=True)
    spread = values.std(dim=1, keepdim=True, unbiased=False)
    return torch.where(spread > CONSTANT, (values - center) / spread.clamp(min=CONSTANT), 0.0)
