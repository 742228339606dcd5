"""Layers that several diffusion imputers use."""

from __future__ import annotations

from torch import nn


def two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Linear, SiLU, Linear."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))
