"""Flex-MoE, declared: its parameters and what its presets choose. The method is
`bench_fusers.flexmoe.fuser`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, NotNegative, Positive, Share, TorchFuserParams
from bench.workload import Workload, training_seconds

Residual = Literal["fixed", "released"]
Tokeniser = Literal["windows", "patches"]
Bank = Literal["full", "additive", "zeros"]
Target = Literal["index", "folded", "off"]


class FlexMoEParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Flex-MoE. What is null is as the preset says (`FLEXMOE_PRESETS`), or as the number of
    modalities; what is given wins.
    """

    preset: Annotated[
        Literal["fixed", "released"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(
            description="The residual around the attention corrected (fixed), or network and tokens as released."
        ),
    ] = "fixed"
    residual: Annotated[
        Residual | None,
        IN_LABEL,
        msgspec.Meta(
            description="The attention is added to the block's input (fixed), or to itself (released). Null: as the "
            "preset."
        ),
    ] = None
    tokeniser: Annotated[
        Tokeniser | None,
        IN_LABEL,
        msgspec.Meta(
            description="Tokens are means of equal windows and how much of each was observed (windows), or the flat "
            "values in pieces (patches). Null: as the preset."
        ),
    ] = None
    bank: Annotated[
        Bank | None,
        IN_LABEL,
        msgspec.Meta(
            description="Vectors for the tokens of a missing modality: for each combination observed (full), or a sum "
            "over the observed modalities (additive). Without vectors it is read as a series of zeros (zeros). "
            "Null: full up to 6 modalities, else additive."
        ),
    ] = None
    target: Annotated[
        Target | None,
        msgspec.Meta(
            description="The expert that incomplete records are led to: the number of their combination, which needs 2^M "
            "- 1 experts (index); that number folded into 1 to experts - 1 (folded); none (off). Null: index "
            "up to 4 modalities or where there are experts enough, else folded."
        ),
    ] = None
    s_router: Annotated[
        Literal["soft", "forced"],
        IN_LABEL,
        msgspec.Meta(
            description="The target is encouraged by the loss alone (soft), or is always among the chosen experts "
            "(forced)."
        ),
    ] = "soft"
    tokens: Annotated[
        Positive, msgspec.Meta(description="Tokens of each modality; no more than the longest series has bins.")
    ] = 16
    width: Annotated[Positive, msgspec.Meta(description="Width of a token; a multiple of `heads`.")] = 32
    heads: Annotated[Positive, msgspec.Meta(description="Heads of every attention.")] = 4
    blocks: Annotated[
        Positive, msgspec.Meta(description="Blocks with a mixture of experts, and as many without, in turn.")
    ] = 1
    experts: Annotated[int, msgspec.Meta(ge=2, description="Experts in a mixture, each twice as wide inside.")] = 16
    top_k: Annotated[Positive, msgspec.Meta(description="Experts of a token; fewer than there are.")] = 4
    router_weight: Annotated[NotNegative, msgspec.Meta(description="Weight of the routers' loss.")] = 0.01
    dropout: Annotated[
        Share, msgspec.Meta(description="Dropout of attention, feed-forward parts and their outputs.")
    ] = 0.2
    statics: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the statics.")] = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 1e-3
    epochs: Positive = 15


class FlexMoEChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a preset of `flexmoe` decides."""

    residual: Residual
    tokeniser: Tokeniser


FLEXMOE_PRESETS = Presets(
    "preset",
    {
        "fixed": FlexMoEChoice(residual="fixed", tokeniser="windows"),
        "released": FlexMoEChoice(residual="released", tokeniser="patches"),
    },
)


def flexmoe_seconds(params: FlexMoEParams, work: Workload) -> float:
    """Measured: tokens of all modalities in one block."""
    modalities = len(work.channels)
    grown = modalities * params.tokens / 16 * (params.width / 32) ** 1.2 * params.blocks
    return training_seconds(params, work, step=1.5e-2 * params.blocks, visit=2e-4 * grown)


def register(registry: Registry) -> None:
    """Declare flexmoe."""
    registry.fuser(
        "flexmoe",
        "bench_fusers.flexmoe.fuser:FlexMoE",
        params=FlexMoEParams,
        presets=FLEXMOE_PRESETS,
        summary="learned tokens for each missing modality and combination, one transformer block, experts by combination",
        paper="Yun et al., Flex-MoE, NeurIPS 2024",
        tags={"torch", "learner"},
        randomness="seeded",
        notes={"evenness of experts": "share", "experts unused": "count", "target": ("folded",)},
        seconds=flexmoe_seconds,
        space={"learning_rate": (5e-4, 2e-3), "dropout": (0.2, 0.5), "top_k": (2, 4)},
        test_params={
            "width": 16,
            "heads": 2,
            "tokens": 4,
            "experts": 4,
            "top_k": 2,
            "epochs": 15,
            "batch_size": 32,
            "learning_rate": 5e-3,
        },
    )
