"""`trace_motivational`, declared. Light: nothing here makes data."""

from __future__ import annotations

from bench.cohort import Task
from bench.registry import Registry
from bench_datasets.trace_motivational.params import TRACE_SPLIT, TraceMotivationalParams


def register(registry: Registry) -> None:
    """Declare `trace_motivational`."""
    registry.dataset(
        "trace_motivational",
        "bench_datasets.trace_motivational.dataset:TraceMotivational",
        params=TraceMotivationalParams,
        tasks=(
            Task("forecast", "regression", ("mse", "mae"), outputs=300, summary="the next 10 steps of all 30 channels"),
        ),
        modalities=("series", "c_low", "c_high"),
        splits=(TRACE_SPLIT,),
        tags=("synthetic",),
        version="1",
        seconds=0.5,
        channels=lambda params: {"series": 30, "c_low": 16, "c_high": 16},
        generated_records=lambda params: params.train + params.valid + params.test,
        summary="generated: 30 mixed series of 50 steps, fully observed, and two conditions made from what generated them",
        paper="TRACE: cross-modal conditional diffusion imputation for multimodal time series, appendix A.3",
    )
