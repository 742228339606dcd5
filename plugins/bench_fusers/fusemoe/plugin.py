"""FuseMoE, declared: its parameters and what its presets choose. The method is
`bench_fusers.fusemoe.fuser`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, NotNegative, Positive, Share, TorchFuserParams
from bench.workload import Workload, training_seconds
from bench_fusers.front_params import Mixup

RouterType = Literal["joint", "permod", "disjoint"]
Token = Literal["record", "step"]
Combine = Literal["linear", "log_mixture"]
Missing = Literal["zero", "learned"]
Balance = Literal["cv2", "entropy", "none"]
Pool = Literal["last", "mean"]


class FuseMoEParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """FuseMoE. What is null is as the preset says (`FUSEMOE_PRESETS`); what is given wins over
    it.
    """

    preset: Annotated[
        Literal["small", "paper", "released"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(
            description="Narrow experts that route each point of time (small); the size of TRACE's Table 6 for MIMIC-IV "
            "(paper); or that size with the structure of the released code (released)."
        ),
    ] = "small"
    router: Annotated[
        RouterType,
        IN_LABEL,
        msgspec.Meta(
            description="One router for all modalities together (joint), or one for each, over experts they share "
            "(permod) or of their own (disjoint)."
        ),
    ] = "joint"
    gating: Annotated[
        Literal["softmax", "laplace", "gaussian"],
        IN_LABEL,
        msgspec.Meta(
            description="How a router scores experts: inner product (softmax), minus distance (laplace) or minus squared "
            "distance (gaussian)."
        ),
    ] = "laplace"
    token: Annotated[
        Token | None,
        IN_LABEL,
        msgspec.Meta(
            description="What is sent to experts: all points of a record at once (record), or each point by itself "
            "(step). Null: as the preset."
        ),
    ] = None
    combine: Annotated[
        Combine | None,
        IN_LABEL,
        msgspec.Meta(
            description="The weighted sum of the experts (linear), or the logarithm of a sum of softmaxes (log_mixture). "
            "Null: as the preset."
        ),
    ] = None
    experts: Annotated[
        Positive | None, IN_LABEL, msgspec.Meta(description="How many experts there are; null: as the preset.")
    ] = None
    top_k: Annotated[
        Positive | None,
        msgspec.Meta(
            description="Experts that a token is sent to; null: 2 for the router disjoint, else as the preset."
        ),
    ] = None
    expert_width: Annotated[
        Positive | None, msgspec.Meta(description="Width of the hidden layer of an expert; null: as the preset.")
    ] = None
    missing: Annotated[
        Missing | None,
        IN_LABEL,
        msgspec.Meta(
            description="A modality that is absent is a sequence of zeros (zero), or of one learned vector (learned). "
            "Null: as the preset."
        ),
    ] = None
    expert_balance: Annotated[
        Balance | None,
        msgspec.Meta(
            description="Loss that evens out the use of experts: variation of importance and load (cv2), Eq. 8 of TRACE "
            "(entropy; 0 for the router joint), or none. Null: as the preset."
        ),
    ] = None
    expert_balance_weight: Annotated[NotNegative, msgspec.Meta(description="Weight of that loss.")] = 0.01
    noise: Annotated[bool, msgspec.Meta(description="Noise on the routers while training.")] = True
    pool: Annotated[
        Pool | None,
        msgspec.Meta(description="The head reads the last point of each modality, or their mean. Null: as the preset."),
    ] = None
    mixup: Mixup = "batch"
    irregular: Annotated[
        Literal["events", "dense"],
        IN_LABEL,
        msgspec.Meta(
            description="What the branch of the events reads: the events as recorded with their own mask (events), or "
            "every step of the completed grid with its mask as further channels (dense)."
        ),
    ] = "events"
    width: Annotated[
        Positive | None, msgspec.Meta(description="Width of a modality at a point; null: as the preset.")
    ] = None
    heads: Annotated[Positive | None, msgspec.Meta(description="Heads of the attention; null: as the preset.")] = None
    time_width: Annotated[
        Annotated[int, msgspec.Meta(ge=2)] | None,
        msgspec.Meta(description="Width of the embedding of time; null: as the preset."),
    ] = None
    points: Annotated[
        Positive | None, msgspec.Meta(description="Points of time that every modality is read at; null: as the preset.")
    ] = None
    layers: Annotated[Positive | None, msgspec.Meta(description="Layers of fusion; null: as the preset.")] = None
    dropout: Annotated[Share, msgspec.Meta(description="Dropout everywhere.")] = 0.1
    statics: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the statics.")] = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 1e-3
    epochs: Positive = 15


class FuseMoEChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a preset of `fusemoe` decides."""

    token: Token
    combine: Combine
    experts: int
    top_k: int
    expert_width: int
    missing: Missing
    expert_balance: Balance
    pool: Pool
    width: int
    heads: int
    time_width: int
    points: int
    layers: int


_PAPER = FuseMoEChoice(
    token="record",
    combine="linear",
    experts=16,
    top_k=4,
    expert_width=512,
    missing="zero",
    expert_balance="cv2",
    pool="last",
    width=128,
    heads=8,
    time_width=64,
    points=48,
    layers=3,
)

FUSEMOE_PRESETS = Presets(
    "preset",
    {
        "paper": _PAPER,
        "released": msgspec.structs.replace(_PAPER, combine="log_mixture", top_k=2, expert_balance="none"),
        "small": FuseMoEChoice(
            token="step",
            combine="linear",
            experts=16,
            top_k=4,
            expert_width=128,
            missing="learned",
            expert_balance="cv2",
            pool="mean",
            width=32,
            heads=4,
            time_width=32,
            points=16,
            layers=2,
        ),
    },
)


def fusemoe_choice(params: FuseMoEParams) -> FuseMoEChoice:
    """The preset's choices, with what was given over them."""
    return FUSEMOE_PRESETS.over(params, top_k=2 if params.router == "disjoint" else None)


PRODUCTS, MOVED = 2.5e10, 2e8
"""Multiplications that a core does in a second, and weights that the optimiser moves in one,
about.
"""


def fusemoe_seconds(params: FuseMoEParams, work: Workload) -> float:
    """Measured at the preset small; where a record is one token, the experts hold nearly all
    weights, and each step moves all.
    """
    choice, modalities = fusemoe_choice(params), len(work.channels)
    points = modalities * choice.points
    token = choice.width * (points if choice.token == "record" else 1)
    tokens = choice.layers * (1 if choice.token == "record" else points)
    weights = choice.layers * choice.experts * 2 * token * choice.expert_width
    products = 3 * tokens * choice.top_k * 2 * token * choice.expert_width
    grown = modalities * choice.width / 32 * choice.layers / 2 * choice.points / 16
    visit = 4.5e-4 * grown + products / PRODUCTS
    return training_seconds(params, work, step=1.5e-2 * modalities + weights / MOVED, visit=visit)


def register(registry: Registry) -> None:
    """Declare fusemoe."""
    registry.fuser(
        "fusemoe",
        "bench_fusers.fusemoe.fuser:FuseMoE",
        params=FuseMoEParams,
        presets=FUSEMOE_PRESETS,
        summary="events and grid of each modality at common points of time, fused by attention and a sparse mixture of experts",
        paper="Han et al., FuseMoE, NeurIPS 2024",
        tags={"torch", "learner", "uses_events"},
        randomness="seeded",
        notes={"evenness of experts": "share", "experts unused": "count"},
        seconds=fusemoe_seconds,
        space={"learning_rate": (5e-4, 1e-3, 2e-3), "dropout": (0.1, 0.3), "top_k": (2,)},
        test_params={
            "width": 16,
            "heads": 2,
            "time_width": 8,
            "points": 4,
            "layers": 1,
            "experts": 4,
            "top_k": 2,
            "expert_width": 16,
            "epochs": 12,
            "batch_size": 32,
            "learning_rate": 3e-3,
        },
    )
