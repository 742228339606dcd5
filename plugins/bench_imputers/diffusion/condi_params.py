"""Parameters of `condi`, and what its profiles choose."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, NotNegative, Positive
from bench_imputers.diffusion.params import Betas, CsdiSizes, Rate, Whole


class CondiParams(CsdiSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CondI, phase A. What is null is as the profile says (`CONDI_PROFILES`); what is given wins
    over it.
    """

    profile: Annotated[
        Literal["paper", "released"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(description="The equations of the paper, or what the released code computes."),
    ] = "paper"
    condition: Annotated[
        Literal["table", "others", "none"] | None,
        msgspec.Meta(
            description="What a modality gets from the others. A trained table, read by which of them are observed "
            "(table); a network of the mean encoding of the others, beside the modality's own (others); "
            "nothing (none). Null: as the profile."
        ),
    ] = None
    cond_layout: Annotated[
        Literal["all", "own"] | None,
        msgspec.Meta(
            description="A channel is given the conditions of all modalities, or of its own; null: as the profile."
        ),
    ] = None
    experts: Annotated[
        Whole | None,
        msgspec.Meta(
            description="Experts of the context of observed values; 0 = no such context; null: as the profile."
        ),
    ] = None
    expert_width: Annotated[
        Positive, msgspec.Meta(description="Width of the hidden layers of an expert and of the gate.")
    ] = 256
    top_k: Annotated[Whole, msgspec.Meta(description="Experts that weigh at all in a record; 0 = every one.")] = 0
    joint: Annotated[
        bool | None,
        msgspec.Meta(
            description="Attention over channels; false: every channel is a series by itself, and one embedding serves "
            "all. Null: as the profile."
        ),
    ] = None
    context_width: Annotated[Positive, msgspec.Meta(description="Width of the context of observed values.")] = 128
    condition_width: Annotated[
        Positive, msgspec.Meta(description="Width of an encoding of a modality and of an entry of the table, D.")
    ] = 128
    betas: Annotated[
        Betas | None, IN_LABEL, msgspec.Meta(description="How the noise variances grow; null: as the profile.")
    ] = None  # type: ignore[assignment]  # no profile without it
    beta_last: Annotated[
        Rate | None, IN_LABEL, msgspec.Meta(description="Noise variance of the last step; null: as the profile.")
    ] = None  # type: ignore[assignment]  # nor that
    feature_width: Positive = 64
    epochs: Positive = 210
    batch_size: Positive = 32
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    weight_decay: NotNegative = 1e-6
    patience: Whole = 0

    @property
    def noise(self) -> tuple[Betas, float]:
        choice = CONDI_PROFILES.over(self)
        return choice.betas, choice.beta_last

    def __post_init__(self) -> None:
        super().__post_init__()
        experts = CONDI_PROFILES.over(self).experts
        if 0 < experts < self.top_k:
            raise ValueError(f"top_k={self.top_k} of experts={experts}; give a number up to {experts}, 0 for every one")


class CondiChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile of `condi` decides."""

    condition: Literal["table", "others", "none"]
    cond_layout: Literal["all", "own"]
    experts: int
    joint: bool
    betas: Betas
    beta_last: float


CONDI_PROFILES = Presets(
    "profile",
    {
        "paper": CondiChoice(
            condition="table", cond_layout="all", experts=3, joint=True, betas="quadratic", beta_last=0.5
        ),
        "released": CondiChoice(
            condition="others", cond_layout="own", experts=0, joint=False, betas="linear", beta_last=0.02
        ),
    },
)
