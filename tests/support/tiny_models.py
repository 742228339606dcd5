"""Small torch models with known answers, for the tests of `bench data embed`."""

from __future__ import annotations

import os
import time

import numpy as np
import torch
from torch import nn


class Average(nn.Module):
    """An image or a recording [b, c, ...] becomes the mean of each channel, [b, c]."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(2).mean(2)


class Scaled(nn.Module):
    """A feature map of two channels, the image and its negative, times one learnt weight; and
    that map as a submodule.
    """

    def __init__(self, start: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(start))
        self.inner = Average()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.cat([batch, -batch], 1) * self.weight


def average() -> nn.Module:
    return Average()


def corner() -> nn.Module:
    """Sees the upper left pixel alone."""
    model = Average()
    model.preprocess = lambda pixels: pixels[None, :1, :1].astype(np.float32)
    return model


def clumsy() -> nn.Module:
    """Its preprocessing fails."""
    model = Average()
    model.preprocess = lambda pixels: pixels["no such field"]
    return model


def cube() -> nn.Module:
    """Gives a form that is no embedding."""
    return nn.Unfold(1)


class Bright(Average):
    """Knows an answer for bright images alone: for others its numbers are not finite."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.where(super().forward(batch) > 0, 1.0, torch.nan)


def broken() -> nn.Module:
    raise RuntimeError("no weights here")


def text() -> str:
    return "not a module"


class Slow(Average):
    """Takes its time for each batch: as many seconds as the environment says in
    TINY_MODEL_SECONDS, else none.
    """

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        time.sleep(float(os.environ.get("TINY_MODEL_SECONDS", "0")))
        return super().forward(batch)
