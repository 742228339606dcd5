"""The imputers of this package, declared by name; nothing heavy is imported here."""

from __future__ import annotations

from bench.hooks import hookimpl
from bench.registry import Registry
from bench_imputers.diffusion.params import CsdiParams, CsdiQuickParams, SssdParams, expected_seconds, quick_seconds
from bench_imputers.diffusion.params_context import CondiParams, TraceParams
from bench_imputers.pypots_params import register as register_pypots

bench_contract = 1

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


@hookimpl
def bench_register(registry: Registry) -> None:
    for name, path, summary in (
        ("zero", "channels:Zero", "0 everywhere: the training mean before winsorising, on the standardised scale"),
        ("mean", "channels:Mean", "the channel's mean over visible training entries"),
        ("median", "channels:Median", "the channel's median over visible training entries"),
        ("locf", "temporal:Locf", "the record's last earlier value, else the training mean"),
        (
            "nearest",
            "temporal:Nearest",
            "the record's value nearest in time (the earlier of two), else the training mean",
        ),
        (
            "linear",
            "temporal:Linear",
            "a line between the record's values, nearest at the ends, else the training mean",
        ),
    ):
        registry.imputer(name, f"bench_imputers.{path}", summary=summary, seconds=0.1)
    registry.imputer(
        "none",
        "bench_imputers.controls:Unfilled",
        summary="control: no imputation, what is missing stays NaN",
        tags=("leaves_nan",),
        seconds=0.1,
    )
    registry.imputer(
        "mask_only",
        "bench_imputers.controls:MaskOnly",
        summary="control: no value at all, only what was observed and when",
        tags=("hides_values",),
        seconds=0.1,
    )
    registry.imputer(
        "csdi",
        "bench_imputers.diffusion.csdi:Csdi",
        params=CsdiParams,
        summary="a diffusion model over time and channels, one per modality, conditioned on its visible entries",
        paper="Tashiro et al., CSDI: Conditional Score-based Diffusion Models for Time Series Imputation, NeurIPS 2021",
        tags=("torch", "draws"),
        randomness="seeded",
        seconds=expected_seconds,
        test_params=SMALL,
    )
    registry.imputer(
        "csdi-quick",
        "bench_imputers.diffusion.csdi_quick:CsdiQuick",
        params=CsdiQuickParams,
        summary="a diffusion model for minutes on a CPU: the clean difference to linear interpolation, attention run once",
        tags=("torch", "draws"),
        randomness="seeded",
        seconds=quick_seconds,
        test_params=SMALL | {"steps": 20, "batch_size": 8, "solver_steps": 0},
    )
    registry.imputer(
        "sssd",
        "bench_imputers.diffusion.sssd:Sssd",
        params=SssdParams,
        summary="a diffusion model of structured state spaces (S4), one per modality, conditioned on its visible entries",
        paper="Lopez Alcaraz and Strodthoff, Diffusion-based Time Series Imputation and Forecasting with Structured State "
        "Space Models, TMLR 2022",
        tags=("torch", "draws"),
        randomness="seeded",
        seconds=expected_seconds,
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
        summary="CSDI, one per modality, conditioned on the record's other modalities by a mixture of experts",
        paper="TRACE, stage 1: cross-modal conditional diffusion imputation",
        tags=("torch", "draws"),
        randomness="seeded",
        seconds=expected_seconds,
        test_params=SMALL | {"context_width": 8, "hidden_width": 8, "expert_width": 8, "learning_rate": 1e-2},
        version="2",
    )
    registry.imputer(
        "condi",
        "bench_imputers.diffusion.condi:Condi",
        params=CondiParams,
        summary="CSDI, all modalities in one, conditioned on a mixture of experts and on what one modality says to another",
        paper="Zheng, Kan, Wang, Chen and Wang, CondI, CVPR 2026 workshop FedVision",
        tags=("torch", "draws"),
        randomness="seeded",
        seconds=expected_seconds,
        test_params=SMALL | {"context_width": 8, "condition_width": 8, "expert_width": 8},
        version="2",
    )
    register_pypots(registry)
