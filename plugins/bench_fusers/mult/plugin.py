"""Parameters of `mult`, what its presets choose, and its declaration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, Positive, Share, TorchFuserParams
from bench.workload import Workload, training_seconds
from bench_fusers.front_params import Front, Mixup, Points, require_front


class MultParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MulT. What is null is as the preset says (`MULT_PRESETS`); what is given wins over it."""

    preset: Annotated[
        Literal["small", "reference", "trace-mimic", "trace-mosi"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(
            description="For a CPU (small); what the public code computes (reference); or the sizes that TRACE gives all "
            "its methods (trace-mimic, trace-mosi)."
        ),
    ] = "small"
    front: Annotated[
        Front,
        IN_LABEL,
        msgspec.Meta(
            description="A modality is the bins of its completed grid (grid), or points of time made of its events and "
            "that grid (utde), as in the clinical code. Then all events of a bin count. Not with "
            "causal, text_dropout, masks=false or read=observed."
        ),
    ] = "grid"
    points: Points = 48
    mixup: Mixup = "batch"
    width: Annotated[
        Positive | None,
        msgspec.Meta(description="Width of every cross-modal transformer; a multiple of `heads`. Null: as the preset."),
    ] = None
    heads: Annotated[Positive | None, msgspec.Meta(description="Heads of every attention; null: as the preset.")] = None
    layers: Annotated[
        Positive | None, msgspec.Meta(description="Layers of a cross-modal transformer; null: as the preset.")
    ] = None
    memory_layers: Annotated[
        Positive | None,
        msgspec.Meta(
            description="Layers of the memory transformer of a target; null: as many as `layers` where that is given, 3 at "
            "least, else as the preset."
        ),
    ] = None
    positions: Annotated[
        Literal["times", "index", "learned"] | None,
        msgspec.Meta(
            description="Sinusoids of the time stamp, in bins (times), or of the place in the sequence (index), or a "
            "table (learned). Null: as the preset."
        ),
    ] = None
    causal: Annotated[
        bool | None,
        msgspec.Meta(
            description="A step reads only what was not later: by time stamps; with positions=index by places, as "
            "published. Null: as the preset."
        ),
    ] = None
    masks: Annotated[
        bool | None, msgspec.Meta(description="What was recorded stands beside the values. Null: as the preset.")
    ] = None
    null_tokens: Annotated[
        bool | None,
        msgspec.Meta(
            description="One learned step stands for an absent modality; false, as published: rows of zeros that take "
            "part in every attention. Null: as the preset."
        ),
    ] = None
    self_pairs: Annotated[
        bool, msgspec.Meta(description="A modality is also its own source. One modality alone always is.")
    ] = False
    read: Annotated[
        Literal["all", "observed"],
        msgspec.Meta(
            description="Read all steps of the completed grid, or only those with something recorded (observed; of a "
            "modality that was filled, all)."
        ),
    ] = "all"
    dropout: Annotated[Share | None, msgspec.Meta(description="Dropout of the layers; null: as the preset.")] = None
    attention_dropout: Annotated[
        Share | None,
        msgspec.Meta(
            description="Dropout of attention weights where the source is the modality of words, `text` or `notes`, and "
            "in memory transformers; null: as the preset."
        ),
    ] = None
    other_attention_dropout: Annotated[
        Share | None,
        msgspec.Meta(
            description="Dropout of attention weights where the source is another modality; null: as the preset."
        ),
    ] = None
    embed_dropout: Annotated[
        Share | None, msgspec.Meta(description="Dropout of what enters a transformer; null: as the preset.")
    ] = None
    text_dropout: Annotated[
        Share | None,
        msgspec.Meta(description="Dropout of the raw values of the modality of words; null: as the preset."),
    ] = None
    head_dropout: Annotated[Share | None, msgspec.Meta(description="Dropout of the head; null: as the preset.")] = None
    statics: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the statics.")] = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 2e-3
    epochs: Positive = 15

    def __post_init__(self) -> None:
        super().__post_init__()
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
    """The preset's choices, with what was given over them; memory transformers follow `layers`,
    3 at least, as published.
    """
    return MULT_PRESETS.over(params, memory_layers=None if params.layers is None else max(params.layers, 3))


def mult_seconds(params: MultParams, work: Workload) -> float:
    """Measured: a transformer for every pair of modalities. Reading events as well takes about
    twice as long.
    """
    choice, pairs = mult_choice(params), len(work.channels) ** 2
    grown = pairs * (choice.width / 16 * choice.layers) ** 1.25 * (2 if params.front == "utde" else 1)
    return training_seconds(params, work, step=3e-3 * pairs * choice.layers, visit=1e-4 * grown)


def register(registry: Registry) -> None:
    """Declare mult."""
    registry.fuser(
        "mult",
        "bench_fusers.mult.fuser:Mult",
        params=MultParams,
        presets=MULT_PRESETS,
        summary="a cross-modal transformer for every ordered pair of modalities, a memory transformer for each target",
        paper="Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, 2019",
        tags={"torch", "learner", "uses_events"},
        randomness="seeded",
        notes={"channels a linear map leaves": "count"},
        seconds=mult_seconds,
        space={"learning_rate": (5e-4, 1e-3, 2e-3), "width": (32,), "dropout": (0.3,)},
        test_params={"width": 8, "heads": 2, "epochs": 25, "batch_size": 32, "learning_rate": 3e-3},
    )
