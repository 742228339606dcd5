"""Small networks of TRACE and what they are told."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.denoiser import Given, Pooled, Shape
from bench_imputers.diffusion.trace import Trace
from bench_imputers.diffusion.trace_params import TraceParams

AROUND = {"notes": 5, "images": 7, "waves": 3}
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
    "hidden_width": 10,
}
EXPERTS = {"expert_width": 9}
WITH_CONTEXT = [
    {"preset": "trace-moe"},
    {"experts": 1},
    {"preset": "trace-code"},
    {"preset": "trace-pool"},
    {"variant": "fixed-weight"},
    {"preset": "trace-pool", "variant": "fixed-weight"},
    {"variant": "no-moe"},
]


def shape(channels: int = 3, length: int = 5, context: dict[str, int] | None = None) -> Shape:
    around = AROUND if context is None else context
    return Shape(channels, length, {"vitals": channels}, around, tuple(map(float, range(length))))


def small(**chosen: Any) -> TraceParams:
    """Small sizes, whatever the preset."""
    bare = chosen.get("preset") in ("trace-code", "trace-temporal")
    return TraceParams(**(SMALL | ({} if bare else EXPERTS) | chosen))


def network(context: dict[str, int] | None = None, **chosen: Any) -> CsdiDenoiser:
    """A small network whose head and null vector are not 0, so that its output says something."""
    made = Trace(small(**chosen)).build(shape(context=context))
    assert isinstance(made, CsdiDenoiser)
    nn.init.normal_(made.output.weight)
    if made.context is not None:
        nn.init.normal_(made.context.null)
    return made.eval()


def pooled(records: int, available: list[list[bool]] | None = None) -> dict[str, Pooled]:
    there = torch.tensor(available) if available is not None else torch.rand(records, len(AROUND)) < 0.6
    return {
        name: Pooled(torch.randn(records, size) * there[:, [i]], there[:, i])
        for i, (name, size) in enumerate(AROUND.items())
    }


def told(records: int = 4, context: dict[str, Pooled] | None = None) -> Given:
    visible = (torch.rand(records, 3, 5) < 0.5).float()
    return Given(torch.randn(records, 3, 5) * visible, visible, pooled(records) if context is None else context)


def answer(made: CsdiDenoiser, all_told: Given, state: torch.Tensor) -> torch.Tensor:
    said: torch.Tensor = made(state, torch.full((len(state),), 3), made.condition(all_told))
    return said


def count(module: nn.Module | None) -> int:
    return 0 if module is None else sum(weight.numel() for weight in module.parameters())
