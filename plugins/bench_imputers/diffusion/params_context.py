"""Parameters of the diffusion imputers that add a context to the network of CSDI, and what their presets choose."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec

from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, NotNegative, Positive
from bench_imputers.diffusion.params import CsdiParams, CsdiSizes, Rate, Whole

T = TypeVar("T", bound=msgspec.Struct)

Betas = Literal["quadratic", "linear"]


class TraceParams(CsdiSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TRACE, stage 1. What is null is as the preset says (`TRACE_PRESETS`); what is given wins over it.

    preset:           trace (a pool of experts, of the published size), trace-small (narrow experts), or trace-code (what the
                      public code computes: no pool, its gate, its betas).
    variant:          the network or an ablation of it: unconditional (no mask, no context), uni (no context: CSDI),
                      fixed-weight (experts and modalities weigh the same), no-moe (one linear map of all modalities).
    experts:          in the pool all modalities share, 0 = no pool. No effect in unconditional, uni and no-moe.
    expert_width:     of the hidden layer of an expert.
    gate:             how modalities are weighed: by an inner product with a vector of each modality, over the available ones
                      (inner), or by a network that reads all of them and what is missing (mlp). No effect in fixed-weight
                      either.
    context_width:    of the context.
    hidden_width:     of the hidden layer of the projections and of the gate mlp.
    replace_observed: noise and paste observed values while sampling in unconditional; false = they have no effect there.
    """

    preset: Annotated[Literal["trace", "trace-code", "trace-small"], ALWAYS_IN_LABEL] = "trace"
    variant: Annotated[Literal["full", "unconditional", "uni", "fixed-weight", "no-moe"], IN_LABEL] = "full"
    experts: Whole | None = None
    expert_width: Positive | None = None
    gate: Literal["inner", "mlp"] | None = None
    context_width: Positive = 128
    hidden_width: Positive = 256
    replace_observed: bool = True
    betas: Betas | None = None  # type: ignore[assignment]  # no preset without it
    beta_last: Rate | None = None  # type: ignore[assignment]
    feature_width: Positive = 64
    validate: bool = True
    epochs: Positive = 50
    batch_size: Positive = 16
    learning_rate: AboveZero = 1e-4
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: NotNegative = 1e-6
    patience: Whole = 0

    @property
    def last_beta(self) -> float:
        return trace_choice(self).beta_last


class TraceChoice(msgspec.Struct, frozen=True):
    """What a preset of `trace` decides."""

    experts: int
    expert_width: int
    gate: Literal["inner", "mlp"]
    betas: Betas
    beta_last: float


TRACE_PRESETS = {
    "trace": TraceChoice(5, 1232, "inner", "quadratic", 0.5),
    "trace-code": TraceChoice(0, 1232, "mlp", "linear", 0.02),
    "trace-small": TraceChoice(5, 256, "inner", "quadratic", 0.5),
}


class CondiParams(CsdiSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CondI, phase A. What is null is as the profile says (`CONDI_PROFILES`); what is given wins over it.

    profile:       the equations of the paper, or what the released code computes.
    condition:     what the modalities say to each other: a trained table, read by which of them are observed (table); a
                   network of the mean encoding of the others, beside the modality's own (others); nothing (none).
    cond_layout:   a channel is given the conditions of all modalities, or of its own.
    experts:       of the context of observed values, 0 = no such context.
    expert_width:  of the hidden layers of an expert and of the gate.
    top_k:         experts that weigh at all in a record; 0 = every one.
    joint:         attention over channels; false = every channel is a series by itself, and one embedding serves all.
    context_width: of the context of observed values.
    condition_width: of an encoding of a modality and of an entry of the table, D.
    """

    profile: Annotated[Literal["paper", "released"], ALWAYS_IN_LABEL] = "paper"
    condition: Literal["table", "others", "none"] | None = None
    cond_layout: Literal["all", "own"] | None = None
    experts: Whole | None = None
    expert_width: Positive = 256
    top_k: Whole = 0
    joint: bool | None = None
    context_width: Positive = 128
    condition_width: Positive = 128
    betas: Betas | None = None  # type: ignore[assignment]  # no profile without it
    beta_last: Rate | None = None  # type: ignore[assignment]
    feature_width: Positive = 64
    epochs: Positive = 210
    batch_size: Positive = 32
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: NotNegative = 1e-6
    patience: Whole = 0

    @property
    def last_beta(self) -> float:
        return condi_choice(self).beta_last

    def __post_init__(self) -> None:
        super().__post_init__()
        experts = condi_choice(self).experts
        if 0 < experts < self.top_k:
            raise ValueError(f"top_k={self.top_k} of experts={experts}; give a number up to {experts}, 0 for every one")


class CondiChoice(msgspec.Struct, frozen=True):
    """What a profile of `condi` decides."""

    condition: Literal["table", "others", "none"]
    cond_layout: Literal["all", "own"]
    experts: int
    joint: bool
    betas: Betas
    beta_last: float


CONDI_PROFILES = {
    "paper": CondiChoice("table", "all", 3, True, "quadratic", 0.5),
    "released": CondiChoice("others", "own", 0, False, "linear", 0.02),
}


def trace_choice(params: TraceParams) -> TraceChoice:
    """The preset's choices, with what was given over them."""
    return _over(TRACE_PRESETS[params.preset], params)


def condi_choice(params: CondiParams) -> CondiChoice:
    """The profile's choices, with what was given over them."""
    return _over(CONDI_PROFILES[params.profile], params)


def csdi_sizes(params: CsdiSizes, unconditional: bool = False) -> CsdiParams:
    """The parameters of the network of CSDI at these sizes."""
    names = (*CsdiSizes.__annotations__, "diffusion_steps")
    return CsdiParams(unconditional=unconditional, **{name: getattr(params, name) for name in names})


def _over(choice: T, params: CsdiSizes) -> T:
    given = {name: getattr(params, name) for name in choice.__struct_fields__}
    return msgspec.structs.replace(choice, **{name: value for name, value in given.items() if value is not None})
