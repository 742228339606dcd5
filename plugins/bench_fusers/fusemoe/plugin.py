"""FuseMoE, declared: its parameters and what its presets choose. The method is `bench_fusers.fusemoe.fuser`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, NotNegative, Positive, Share, TorchFuserParams
from bench_fusers.front_params import Mixup

RouterType = Literal["joint", "permod", "disjoint"]
Token = Literal["record", "step"]
Combine = Literal["linear", "log_mixture"]
Missing = Literal["zero", "learned"]
Balance = Literal["cv2", "entropy", "none"]
Pool = Literal["last", "mean"]


class FuseMoEParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """FuseMoE. What is null is as the preset says (`FUSEMOE_PRESETS`); what is given wins over it.

    preset:         of the size of TRACE's Table 6 for MIMIC-IV (paper); its structure as in the released code (released); or
                    narrow experts that route each point of time (small).
    router:         one for all modalities together (joint); one for each, over experts they share (permod) or of their own
                    (disjoint).
    gating:         of the routers: inner product (softmax), minus distance (laplace), minus squared distance (gaussian).
    token:          what is sent to experts: all points of a record at once (record), or each point by itself (step).
    combine:        the weighted sum of the experts (linear), or the logarithm of a sum of softmaxes (log_mixture).
    experts, top_k: how many there are, and how many a token is sent to; null top_k is 2 for the router disjoint.
    expert_width:   of the hidden layer of an expert.
    missing:        a modality that is absent is a sequence of zeros (zero), or of one learned vector (learned).
    expert_balance: of the experts' use: variation of importance and load (cv2), Eq. 8 of TRACE (entropy; not for the router
                    joint, where it is 0), or none. expert_balance_weight: of that loss.
    noise:          on the routers while training.
    pool:           the head reads the last point of each modality, or their mean.
    mixup:          the gate between events and completed grid: one for a record (batch), a point (batch_seq) or a feature of a
                    point (batch_seq_feature).
    irregular:      what the branch of the events reads: the events as recorded with their own mask (events), or every step of
                    the completed grid with its mask as further channels (dense).
    width, heads:   of a modality at a point, and of the attention. time_width: of the embedding of time.
    points:         of time that every modality is read at. layers: of fusion.
    dropout:        of everything. statics: width of the embedding of the statics.
    """

    preset: Annotated[Literal["small", "paper", "released"], ALWAYS_IN_LABEL] = "small"
    router: Annotated[RouterType, IN_LABEL] = "joint"
    gating: Annotated[Literal["softmax", "laplace", "gaussian"], IN_LABEL] = "laplace"
    token: Annotated[Token | None, IN_LABEL] = None
    combine: Annotated[Combine | None, IN_LABEL] = None
    experts: Annotated[Positive | None, IN_LABEL] = None
    top_k: Positive | None = None
    expert_width: Positive | None = None
    missing: Annotated[Missing | None, IN_LABEL] = None
    expert_balance: Balance | None = None
    expert_balance_weight: NotNegative = 0.01
    noise: bool = True
    pool: Pool | None = None
    mixup: Mixup = "batch"
    irregular: Annotated[Literal["events", "dense"], IN_LABEL] = "events"
    width: Positive | None = None
    heads: Positive | None = None
    time_width: Annotated[int, msgspec.Meta(ge=2)] | None = None
    points: Positive | None = None
    layers: Positive | None = None
    dropout: Share = 0.1
    statics: Positive = 8
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


def register(registry: Registry) -> None:
    """Declare fusemoe."""
    registry.fuser(
        "fusemoe",
        "bench_fusers.fusemoe.fuser:FuseMoE",
        params=FuseMoEParams,
        presets=FUSEMOE_PRESETS,
        summary="events and grid of each modality at common points of time, fused by attention and a sparse mixture of experts",
        paper="Han et al., FuseMoE, NeurIPS 2024",
        tags={"torch", "uses_events"},
        randomness="seeded",
        notes={"evenness of experts": "share", "experts unused": "count"},
        seconds=90.0,
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
