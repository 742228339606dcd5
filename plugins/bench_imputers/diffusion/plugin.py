"""The diffusion imputers, declared; their code is imported when one is built."""

from __future__ import annotations

from bench.registry import Registry
from bench_imputers.diffusion.condi_params import CONDI_PROFILES, CondiParams
from bench_imputers.diffusion.csdi_quick_params import CsdiQuickParams
from bench_imputers.diffusion.params import CsdiParams
from bench_imputers.diffusion.seconds import condi_seconds, csdi_seconds, quick_seconds, sssd_seconds, trace_seconds
from bench_imputers.diffusion.sssd_params import SssdParams
from bench_imputers.diffusion.trace_params import TRACE_PRESETS, TraceParams

SMALL = {
    "channels": 8,
    "heads": 2,
    "layers": 1,
    "feedforward": 8,
    "step_width": 8,
    "time_width": 8,
    "feature_width": 4,
    "diffusion_steps": 8,
    "epochs": 2,
    "bound": 4.0,
}
"""A network for the conformance kit: what it promises depends on no size."""


def register(registry: Registry) -> None:
    """Declare them all."""
    registry.imputer(
        "csdi",
        "bench_imputers.diffusion.csdi:Csdi",
        params=CsdiParams,
        summary="a diffusion model over time and channels, one per modality, conditioned on its visible entries",
        paper="Tashiro et al., CSDI: Conditional Score-based Diffusion Models for Time Series Imputation, NeurIPS 2021",
        tags=("torch", "draws", "learner"),
        randomness="seeded",
        seconds=csdi_seconds,
        space={"learning_rate": (5e-4, 1e-3, 2e-3), "dropout": (0.0, 0.1), "mask": ("random", "mix")},
        test_params=SMALL,
    )
    registry.imputer(
        "csdi-quick",
        "bench_imputers.diffusion.csdi_quick:CsdiQuick",
        params=CsdiQuickParams,
        summary="a diffusion model for minutes on a CPU: the clean difference to linear interpolation, attention run once",
        tags=("torch", "draws", "learner"),
        randomness="seeded",
        seconds=quick_seconds,
        space={"learning_rate": (4e-3, 8e-3, 1.6e-2), "mask_ratio": (0.1, 0.3, 0.5), "loss": ("huber", "absolute")},
        test_params=SMALL | {"steps": 20, "batch_size": 8, "solver_steps": 0},
    )
    registry.imputer(
        "sssd",
        "bench_imputers.diffusion.sssd:Sssd",
        params=SssdParams,
        summary="a diffusion model of structured state spaces (S4), one per modality, conditioned on its visible entries",
        paper="Lopez Alcaraz and Strodthoff, Diffusion-based Time Series Imputation and Forecasting with Structured State "
        "Space Models, TMLR 2022",
        tags=("torch", "draws", "learner"),
        without_noise=("buffer",),
        randomness="seeded",
        seconds=sssd_seconds,
        space={"learning_rate": (2e-4, 5e-4, 1e-3), "mask": ("points", "random"), "observed": ("reference", "clean")},
        test_params={
            "blocks": 1,
            "width": 8,
            "states": 8,
            "diffusion_steps": 8,
            "steps": 8,
            "learning_rate": 1e-2,  # at the published rate so few steps would leave the network at its start, which is 0
            "bound": 4.0,
        },
    )
    registry.imputer(
        "trace",
        "bench_imputers.diffusion.trace:Trace",
        params=TraceParams,
        presets=TRACE_PRESETS,
        summary="CSDI, one per modality, conditioned on the record's other modalities by a mixture of experts",
        paper="TRACE, stage 1: cross-modal conditional diffusion imputation",
        tags=("torch", "draws", "learner"),
        randomness="seeded",
        seconds=trace_seconds,
        space={"learning_rate": (1e-4, 3e-4, 1e-3), "dropout": (0.0, 0.1), "mask": ("random", "mix")},
        test_params=SMALL | {"context_width": 8, "hidden_width": 8, "expert_width": 8, "learning_rate": 1e-2},
        version="2",
    )
    registry.imputer(
        "condi",
        "bench_imputers.diffusion.condi:Condi",
        params=CondiParams,
        presets=CONDI_PROFILES,
        summary="CSDI, all modalities in one, conditioned on a mixture of experts and on each other",
        paper="Zheng, Kan, Wang, Chen and Wang, CondI, CVPR 2026 workshop FedVision",
        tags=("torch", "draws", "learner"),
        without_noise=("buffer",),
        randomness="seeded",
        seconds=condi_seconds,
        space={"learning_rate": (3e-4, 1e-3, 2e-3), "dropout": (0.0, 0.1)},
        test_params=SMALL | {"context_width": 8, "condition_width": 8, "expert_width": 8},
        version="2",
    )
