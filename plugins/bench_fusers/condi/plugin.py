"""`condi` and `condi-head`, declared; their code is imported when one is built."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import (
    ALWAYS_IN_LABEL,
    IN_LABEL,
    AboveZero,
    NotNegative,
    Positive,
    TorchFuserParams,
)
from bench.workload import Workload, effort, training_seconds

Whole = Annotated[int, msgspec.Meta(ge=0)]


class CondiHeadParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Phase B of CondI. Raises ValueError for values that exclude each other."""

    profile: Annotated[
        Literal["paper", "released"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(description="The equations of the paper, or what the released code computes."),
    ] = "paper"
    phase_b_input: Annotated[
        Literal["observed", "imputed"],
        IN_LABEL,
        msgspec.Meta(
            description="What the encoders read while they are trained: what is observed, as published, or the completed "
            "series, which they read when they predict."
        ),
    ] = "observed"
    no_imputation: Annotated[
        bool, IN_LABEL, msgspec.Meta(description="The ablation: what is observed is read in prediction too.")
    ] = False
    no_condi: Annotated[
        bool, IN_LABEL, msgspec.Meta(description="The ablation: the conditional embedding is 0, and nothing learns it.")
    ] = False
    contrast: Annotated[
        NotNegative | None,
        msgspec.Meta(description="Weight of the contrastive loss; none in a regression. Null: as the profile."),
    ] = None
    width: Annotated[Positive, msgspec.Meta(description="Width of every embedding, D.")] = 128
    filters: Annotated[
        Annotated[int, msgspec.Meta(ge=2)], msgspec.Meta(description="Width of the encoders' convolutions.")
    ] = 32
    main_width: Annotated[
        Positive, msgspec.Meta(description="Width of the encoding of the completed series, in `released`.")
    ] = 250
    hidden: Annotated[
        Annotated[int, msgspec.Meta(ge=2)],
        msgspec.Meta(description="Width of the classifier's first hidden layer; the second is half as wide."),
    ] = 512
    statics: Annotated[
        Whole, msgspec.Meta(description="Width of an embedding of the statics; 0 = they are not read, as published.")
    ] = 0
    epochs: Positive = 210
    batch_size: Positive = 32
    learning_rate: AboveZero = 1e-2
    optimizer: Literal["adam", "adamw", "sgd"] = "sgd"
    clip: NotNegative = 0.0
    patience: Whole = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.no_imputation and self.phase_b_input == "imputed":
            raise ValueError(
                "no_imputation=true reads what is observed alone, and phase_b_input=imputed asks for more; leave one of them out"
            )


class CondiHeadChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile decides beside the network."""

    contrast: float


CONDI_HEAD_PROFILES = Presets(
    "profile", {"paper": CondiHeadChoice(contrast=0.0), "released": CondiHeadChoice(contrast=0.2)}
)


class CondiFuserParams(CondiHeadParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both phases of CondI. The budget of the loop is that of each phase."""

    phase_a_steps: Annotated[
        Positive | None,
        IN_LABEL,
        msgspec.Meta(
            description="Optimiser steps of the imputer in each training (of a client: in each round); null: as many passes "
            "as the classifier. The released code takes 1."
        ),
    ] = None
    diffusion_rate: Annotated[AboveZero, msgspec.Meta(description="Learning rate of the imputer (adamw).")] = 1e-3
    diffusion_decay: Annotated[NotNegative, msgspec.Meta(description="Weight decay of the imputer.")] = 1e-6
    diffusion_clip: Annotated[
        NotNegative, msgspec.Meta(description="Largest norm of the imputer's gradient; 0 = no clipping.")
    ] = 1.0
    samples: Annotated[
        Positive,
        IN_LABEL,
        msgspec.Meta(description="Draws of a record that are completed and then pooled to one series."),
    ] = 1
    pool: Annotated[Literal["mean", "median"], msgspec.Meta(description="How several draws become one series.")] = (
        "median"
    )
    widest: Annotated[
        Positive,
        msgspec.Meta(
            description="Most channels of a modality that is generated; of a wider one what is observed is read."
        ),
    ] = 48
    channels: Annotated[Positive, msgspec.Meta(description="Width of the denoiser; a multiple of `heads`.")] = 64
    heads: Annotated[Positive, msgspec.Meta(description="Attention heads of the denoiser.")] = 8
    layers: Annotated[Positive, msgspec.Meta(description="Residual layers of the denoiser.")] = 4
    feedforward: Annotated[
        Positive, msgspec.Meta(description="Width inside each transformer layer of the denoiser.")
    ] = 64
    step_width: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the diffusion step; even.")] = (
        128
    )
    time_width: Annotated[Positive, msgspec.Meta(description="Width of the embedding of time; even.")] = 128
    feature_width: Annotated[Positive, msgspec.Meta(description="Width of the embedding of a channel.")] = 64
    context_width: Annotated[Positive, msgspec.Meta(description="Width of the context of observed values.")] = 128
    expert_width: Annotated[
        Positive, msgspec.Meta(description="Width of the hidden layers of an expert and of their gate.")
    ] = 256
    cond_layout: Annotated[
        Literal["all", "own"] | None,
        msgspec.Meta(
            description="A channel is given the conditions of all modalities, or of its own; null: as the profile."
        ),
    ] = None
    diffusion_steps: Annotated[
        Annotated[int, msgspec.Meta(ge=2)], msgspec.Meta(description="Steps of the diffusion process, T.")
    ] = 50
    solver_steps: Annotated[
        Whole, IN_LABEL, msgspec.Meta(description="Network calls per draw, equally spaced over the steps; 0 = all.")
    ] = 0
    bound: Annotated[
        NotNegative,
        IN_LABEL,
        msgspec.Meta(
            description="While sampling, the clean value that the network implies is cut off at so many standard "
            "deviations; 0 = never, as published."
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % self.heads:
            raise ValueError(f"channels={self.channels} is no multiple of heads={self.heads}; give one that is")
        for name in ("step_width", "time_width"):
            if getattr(self, name) % 2:
                raise ValueError(
                    f"{name}={getattr(self, name)} is odd; it holds pairs of sine and cosine, so give an even one"
                )
        if self.solver_steps > self.diffusion_steps:
            raise ValueError(
                f"solver_steps={self.solver_steps} is more than diffusion_steps={self.diffusion_steps}, of which they are "
                "a part; give fewer solver_steps, 0 for all"
            )


def head_seconds(params: CondiHeadParams, work: Workload) -> float:
    """Of the encoders, which cost most."""
    series = len(work.channels) * (3 if params.profile == "released" else 1)
    return training_seconds(params, work, step=2e-2, visit=5e-3 * series * (params.filters / 32) ** 2)


def condi_seconds(params: CondiFuserParams, work: Workload) -> float:
    """Phase B, the training of the denoiser, and the draws: of what is predicted, and of the test
    part, whose completion is scored.
    """
    width = sum(channels for channels in work.channels.values() if channels <= params.widest)
    size = params.channels * params.layers
    whole = effort(work.train, epochs=params.epochs, batch_size=params.batch_size, steps=params.steps)
    steps = min(params.phase_a_steps or whole.steps, whole.steps)
    visits = whole.visits * steps / max(whole.steps, 1)
    phase_a = 6e-3 * steps + 1.4 * width * (2e-5 + 1.1e-5 * size) * visits
    test = max(work.records - work.train - work.valid, 0)
    drawn = 0 if params.no_imputation else params.samples * work.records + work.draws * test
    calls = (params.solver_steps or params.diffusion_steps) * drawn
    return head_seconds(params, work) + phase_a + 1.4 * width * (5e-5 + 2e-6 * size) * calls


TESTED = {
    "width": 16,
    "filters": 4,
    "main_width": 16,
    "hidden": 64,
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.05,
}
"""Parameters for the conformance kit: what it promises depends on no size."""


def register(registry: Registry) -> None:
    """Declare both."""
    registry.fuser(
        "condi-head",
        "bench_fusers.condi.head:CondiHead",
        params=CondiHeadParams,
        presets=CONDI_HEAD_PROFILES,
        summary="phase B of CondI: Inception encoders and embeddings of modalities, on any imputer's series",
        paper="Zheng, Kan, Wang, Chen and Wang, CondI, CVPR 2026 workshop FedVision",
        tags={"torch", "learner"},
        without_noise=("buffer",),
        randomness="seeded",
        seconds=head_seconds,
        space={"learning_rate": (3e-3, 1e-2, 3e-2), "phase_b_input": ("observed", "imputed")},
        test_params=TESTED,
    )
    registry.fuser(
        "condi",
        "bench_fusers.condi.fuser:Condi",
        params=CondiFuserParams,
        presets=CONDI_HEAD_PROFILES,
        summary="both phases of CondI: it generates what is missing by itself, and reads observed values alone",
        paper="Zheng, Kan, Wang, Chen and Wang, CondI, CVPR 2026 workshop FedVision",
        tags={"torch", "nan_aware", "own_imputer", "draws", "learner"},
        without_noise=("buffer",),
        randomness="seeded",
        seconds=condi_seconds,
        space={"learning_rate": (3e-3, 1e-2, 3e-2), "diffusion_rate": (3e-4, 1e-3, 2e-3)},
        test_params=TESTED
        | {
            "channels": 8,
            "heads": 2,
            "layers": 1,
            "feedforward": 8,
            "step_width": 8,
            "time_width": 8,
            "feature_width": 4,
            "context_width": 8,
            "expert_width": 8,
            "diffusion_steps": 8,
            "bound": 4.0,
        },
    )
