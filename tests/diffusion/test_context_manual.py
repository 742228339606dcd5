"""The manual's numbers of weights of `trace` are those of the networks."""

from __future__ import annotations

import re

import torch

from bench_imputers.diffusion.denoiser import Shape
from bench_imputers.diffusion.trace import Trace
from bench_imputers.diffusion.trace_params import TRACE_PRESETS, TraceParams
from support.pages import page

CLINICAL = Shape(30, 48, {"vitals": 30}, {"notes": 768, "cxr": 1024, "ecg": 256}, tuple(map(float, range(48))))


def test_the_numbers_of_weights_in_the_manual_are_those_of_the_networks() -> None:
    manual = page("reference/imputers/trace.md")
    weights = dict(re.findall(r"^\| `(trace-\w+)` \| ([\d,]+);", manual, re.MULTILINE))
    assert weights.keys() == {*TRACE_PRESETS}
    for preset, said in weights.items():
        with torch.device("meta"):
            network = Trace(TraceParams(preset=preset)).build(CLINICAL)  # type: ignore[arg-type]
        assert said == f"{sum(weight.numel() for weight in network.parameters()):,}"
