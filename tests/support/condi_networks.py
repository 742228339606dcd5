"""Small networks of CondI and what they are told."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bench_imputers.diffusion.condi import Condi
from bench_imputers.diffusion.condi_context import (
    CondiContext,
)
from bench_imputers.diffusion.condi_params import CondiParams
from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.denoiser import Given, Shape

PARTS = {"flow": 1, "vitals": 3, "pressure": 1}
SMALL: dict[str, Any] = {
    "channels": 8,
    "heads": 2,
    "layers": 2,
    "feedforward": 8,
    "step_width": 8,
    "time_width": 8,
    "feature_width": 4,
    "diffusion_steps": 6,
    "context_width": 6,
    "condition_width": 7,
    "expert_width": 9,
}
PROFILES = [
    {},
    {"profile": "released"},
    {"cond_layout": "own"},
    {"top_k": 1},
    {"condition": "others"},
    {"experts": 0},
]


def shape(parts: dict[str, int], length: int = 5) -> Shape:
    return Shape(sum(parts.values()), length, parts, {}, tuple(map(float, range(length))))


def network(parts: dict[str, int] | None = None, **chosen: Any) -> CsdiDenoiser:
    """A small network whose head is not 0, so that its output says something."""
    made = Condi(CondiParams(**(SMALL | chosen))).build(shape(PARTS if parts is None else parts))
    assert isinstance(made, CsdiDenoiser)
    nn.init.normal_(made.output.weight)
    return made.eval()


def told(records: int = 3, channels: int = 5, length: int = 5, absent: slice | None = None) -> Given:
    """Values where visible; the channels `absent` are visible in no record."""
    visible = (torch.rand(records, channels, length) < 0.6).float()
    visible[:, :, 0] = 1
    if absent is not None:
        visible[:, absent] = 0
    return Given(torch.randn(records, channels, length) * visible, visible, {})


def answer(made: nn.Module, given_: Given, state: torch.Tensor) -> torch.Tensor:
    assert isinstance(made, CsdiDenoiser)
    return made(state, torch.full((len(state),), 3), made.condition(given_))


def context_of(made: CsdiDenoiser) -> CondiContext:
    assert isinstance(made.context, CondiContext)
    return made.context


def count(module: nn.Module | None) -> int:
    return 0 if module is None else sum(weight.numel() for weight in module.parameters())
