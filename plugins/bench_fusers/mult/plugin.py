"""Parameters of `mult`, what its presets choose, and its declaration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import IN_LABEL, AboveZero, Positive, Share, TorchFuserParams
from bench_fusers.front_params import Front, Mixup, require_front


class MultParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MulT. What is null is as the preset says (`MULT_PRESETS`); what is given wins over it.

    preset:            small (for a CPU), reference (what the public code computes), trace-mimic or trace-mosi (the sizes that
                       TRACE gives all its methods).
    front:             a modality is the bins of its completed grid (grid), or points of time made of its events and that grid
                       (utde), as in the clinical code; several events of a bin then all count. Not with causal, text_dropout,
                       masks=false or read=observed. points: most of them, a grid of fewer bins has as many as bins.
                       mixup: the gate between events and grid: one for a record (batch), a point (batch_seq) or a feature of
                       a point (batch_seq_feature).
    width:             of every cross-modal transformer, a multiple of `heads`.
    heads:             of every attention.
    layers:            of a cross-modal transformer. memory_layers: of the transformer that reads what a target was told.
    positions:         sinusoids of the time stamp, in bins (times), or of the place in the sequence (index), or a table
                       (learned).
    causal:            a step reads only what was not later: by time stamps, with positions=index by places as published.
    masks:             what was recorded stands beside the values.
    null_tokens:       one learned step stands for an absent modality; false, as published: rows of zeros, nothing masked.
    self_pairs:        a modality is also paired with itself.
    read:              all steps of the completed grid are read, or only those with something recorded (observed; of a filled
                       modality all).
    dropout:           of the layers. attention_dropout: of attention weights where the source is the modality of words, and
                       in memory transformers; other_attention_dropout: where the source is another one.
    embed_dropout:     of what enters a transformer. text_dropout: of the raw values of the modality of words.
    head_dropout:      of the head. statics: width of the embedding of the statics.
    """

    preset: Annotated[
        Literal["small", "reference", "trace-mimic", "trace-mosi"], msgspec.Meta(extra={"in_label": "always"})
    ] = "small"
    front: Annotated[Front, IN_LABEL] = "grid"
    points: Positive = 48
    mixup: Mixup = "batch"
    width: Positive | None = None
    heads: Positive | None = None
    layers: Positive | None = None
    memory_layers: Positive | None = None
    positions: Literal["times", "index", "learned"] | None = None
    causal: bool | None = None
    masks: bool | None = None
    null_tokens: bool | None = None
    self_pairs: bool = False
    read: Literal["all", "observed"] = "all"
    dropout: Share | None = None
    attention_dropout: Share | None = None
    other_attention_dropout: Share | None = None
    embed_dropout: Share | None = None
    text_dropout: Share | None = None
    head_dropout: Share | None = None
    statics: Positive = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 2e-3
    epochs: Positive = 15

    def __post_init__(self) -> None:
        choice = mult_choice(self)
        contradictions = {
            "causal=true": choice.causal,
            f"text_dropout={choice.text_dropout:g}": choice.text_dropout > 0,
            "masks=false": not choice.masks,
            "read=observed": self.read == "observed",
        }
        require_front("mult", self.front, contradictions)


class MultChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a preset of `mult` decides."""

    width: int
    heads: int
    layers: int
    memory_layers: int
    positions: Literal["times", "index", "learned"]
    causal: bool
    masks: bool
    null_tokens: bool
    dropout: float
    attention_dropout: float
    other_attention_dropout: float
    embed_dropout: float
    text_dropout: float
    head_dropout: float


_TRACE = MultChoice(
    width=128, heads=8, layers=3, memory_layers=3, positions="learned", causal=False, masks=True, null_tokens=True, dropout=0.1,
    attention_dropout=0.1, other_attention_dropout=0.1, embed_dropout=0.1, text_dropout=0.0, head_dropout=0.1,
)  # fmt: skip

MULT_PRESETS = Presets("preset", {
    "small": MultChoice(
        width=16, heads=2, layers=1, memory_layers=1, positions="times", causal=False, masks=True, null_tokens=True, dropout=0.1,
        attention_dropout=0.0, other_attention_dropout=0.0, embed_dropout=0.0, text_dropout=0.0, head_dropout=0.1,
    ),
    "reference": MultChoice(
        width=30, heads=5, layers=5, memory_layers=5, positions="index", causal=True, masks=False, null_tokens=False, dropout=0.1,
        attention_dropout=0.1, other_attention_dropout=0.0, embed_dropout=0.25, text_dropout=0.25, head_dropout=0.0,
    ),
    "trace-mimic": _TRACE,
    "trace-mosi": msgspec.structs.replace(_TRACE, width=32, positions="times"),
})  # fmt: skip


def mult_choice(params: MultParams) -> MultChoice:
    """The preset's choices, with what was given over them; memory transformers follow `layers`, 3 at least, as published."""
    return MULT_PRESETS.over(params, memory_layers=None if params.layers is None else max(params.layers, 3))


def register(registry: Registry) -> None:
    """Declare mult."""
    registry.fuser(
        "mult",
        "bench_fusers.mult.fuser:Mult",
        params=MultParams,
        presets=MULT_PRESETS,
        summary="a cross-modal transformer for every ordered pair of modalities, a memory transformer for each target",
        paper="Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, 2019",
        tags={"torch", "uses_events"},
        randomness="seeded",
        notes={"channels a linear map leaves": "count"},
        seconds=30.0,
        space={"learning_rate": (5e-4, 1e-3, 2e-3), "width": (32,), "dropout": (0.3,)},
        test_params={"width": 8, "heads": 2, "epochs": 25, "batch_size": 32, "learning_rate": 3e-3},
    )
