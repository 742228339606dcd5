"""Parameters of `trace`, and what its presets choose."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, NotNegative, Positive
from bench_imputers.diffusion.params import Betas, CsdiSizes, Rate, Whole


class TraceParams(CsdiSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TRACE, stage 1. What is null is as the preset says (`TRACE_PRESETS`); what is given wins over
    it.

    Raises ValueError for values that exclude each other.
    """

    preset: Annotated[
        Literal["trace-moe", "trace-small", "trace-code", "trace-pool", "trace-temporal"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(
            description="A reading of the method. Experts that read all modalities together (trace-moe; with experts=3 "
            "of both published sizes). The same, narrow (trace-small). What TRACE's own public code computes, "
            "a gate over modalities (trace-code). A gate over modalities, each through a pool of experts that "
            "they share, this project's earlier reading (trace-pool). Attention of every bin over the single "
            "events (trace-temporal)."
        ),
    ] = "trace-moe"
    variant: Annotated[
        Literal["full", "unconditional", "uni", "fixed-weight", "no-moe"],
        IN_LABEL,
        msgspec.Meta(
            description="The network (full) or an ablation of it. No mask and no context (unconditional). No context, "
            "which is CSDI (uni). Experts, and modalities where a gate weighs them, weigh the same "
            "(fixed-weight). One linear map of all modalities (no-moe)."
        ),
    ] = "full"
    experts: Annotated[
        Positive | None,
        msgspec.Meta(
            description="How many experts; null: as the preset. Only in presets that have experts; no effect in "
            "unconditional, uni and no-moe."
        ),
    ] = None
    expert_width: Annotated[
        Positive | None, msgspec.Meta(description="Width of the hidden layer of an expert; null: as the preset.")
    ] = None
    hidden_width: Annotated[
        Positive | None,
        msgspec.Meta(
            description="Width of the other hidden layers of the context: of the gate, and of the projections of "
            "modalities or events; null: as the preset."
        ),
    ] = None
    context_width: Annotated[
        Positive | None, msgspec.Meta(description="Width of the context; null: as the preset.")
    ] = None
    replace_observed: Annotated[
        bool,
        msgspec.Meta(
            description="In the variant unconditional: noise and paste observed values while sampling; false: they have "
            "no effect there."
        ),
    ] = True
    betas: Annotated[
        Betas | None, IN_LABEL, msgspec.Meta(description="How the noise variances grow; null: as the preset.")
    ] = None  # type: ignore[assignment]  # no preset without it
    beta_last: Annotated[
        Rate | None, IN_LABEL, msgspec.Meta(description="Noise variance of the last step; null: as the preset.")
    ] = None  # type: ignore[assignment]  # nor that
    feature_width: Positive = 64
    validate: bool = True
    epochs: Positive = 50
    batch_size: Positive = 16
    learning_rate: AboveZero = 1e-4
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    weight_decay: NotNegative = 1e-6
    patience: Whole = 0

    @property
    def noise(self) -> tuple[Betas, float]:
        choice = TRACE_PRESETS.over(self)
        return choice.betas, choice.beta_last

    def __post_init__(self) -> None:
        super().__post_init__()
        choice = TRACE_PRESETS.over(self)
        for name in ("experts", "expert_width"):
            if getattr(self, name) is not None and not getattr(TRACE_PRESETS[self.preset], name):
                raise ValueError(
                    f"{name}={getattr(self, name)} is given, and preset={self.preset} has no experts; leave it out, or give "
                    f"one of preset={', '.join(preset for preset, chosen in TRACE_PRESETS.items() if chosen.experts)}"
                )
        if choice.context == "events" and self.variant == "fixed-weight":
            raise ValueError(
                f"variant=fixed-weight is given, and preset={self.preset} has neither experts nor a gate over modalities; "
                "give another variant or preset"
            )
        if choice.context == "events" and choice.context_width % self.heads:
            raise ValueError(
                f"context_width={choice.context_width} is no multiple of heads={self.heads}; in preset={self.preset} so many "
                "heads attend over events, so give one that is"
            )


class TraceChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a preset of `trace` decides.

    - context: what the context is made of. `experts`: experts that read all modalities together.
      `modalities`: one vector per modality. `pool`: the same through a shared pool of experts.
      `events`: single events.
    - experts, expert_width: 0 where there are none.
    """

    context: Literal["experts", "modalities", "pool", "events"]
    experts: int
    expert_width: int
    hidden_width: int
    context_width: int
    betas: Betas
    beta_last: float


_MOE = TraceChoice(
    context="experts",
    experts=5,
    expert_width=256,
    hidden_width=256,
    context_width=128,
    betas="quadratic",
    beta_last=0.5,
)
_NO_EXPERTS = msgspec.structs.replace(_MOE, experts=0, expert_width=0)

TRACE_PRESETS = Presets(
    "preset",
    {
        "trace-moe": _MOE,
        "trace-small": msgspec.structs.replace(_MOE, expert_width=64, hidden_width=64, context_width=32),
        "trace-code": msgspec.structs.replace(_NO_EXPERTS, context="modalities", betas="linear", beta_last=0.02),
        "trace-pool": msgspec.structs.replace(_MOE, context="pool", expert_width=1232),
        "trace-temporal": msgspec.structs.replace(_NO_EXPERTS, context="events"),
    },
)
