"""Parameters of `mists`, and what its presets choose."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, Positive, Share, TorchFuserParams
from bench.workload import Workload, training_seconds
from bench_fusers.front_params import Mixup


class MistsParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MISTS. What is null is as the preset says (`MISTS_PRESETS`); what is given wins over it."""

    preset: Annotated[
        Literal["small", "published"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(description="Sizes for minutes on one core (small), or those of the paper's code (published)."),
    ] = "small"
    width: Annotated[Positive | None, msgspec.Meta(description="Width of every stream; null: as the preset.")] = None
    heads: Annotated[Positive | None, msgspec.Meta(description="Heads of the attention; null: as the preset.")] = None
    layers: Annotated[
        Positive | None,
        msgspec.Meta(description="Layers of self-attention, cross-attention and feed-forward; null: as the preset."),
    ] = None
    time_width: Annotated[
        Annotated[int, msgspec.Meta(ge=2)] | None,
        msgspec.Meta(description="Width of the embedding of time; null: as the preset."),
    ] = None
    time_heads: Annotated[
        Positive | None, msgspec.Meta(description="Heads of the attention over events; null: as the preset.")
    ] = None
    points: Annotated[
        Positive | None,
        msgspec.Meta(
            description="Most reference points a modality is read at; a longer grid is averaged in groups. Null: as the "
            "preset."
        ),
    ] = None
    gate: Annotated[Mixup, IN_LABEL] = "batch"
    branches: Annotated[
        Literal["mixed", "irregular", "regular"],
        IN_LABEL,
        msgspec.Meta(
            description="A modality is both branches mixed, the events alone (irregular; imputed values then reach the "
            "prediction only with irregular=dense), or the completed grid alone (regular). The gate has no "
            "effect on either alone."
        ),
    ] = "mixed"
    irregular: Annotated[
        Literal["events", "dense"],
        IN_LABEL,
        msgspec.Meta(
            description="What the branch of the events reads: the events as recorded with their own mask (events), or "
            "every step of the completed grid with its mask as further channels (dense). With dense, imputed "
            "values reach the prediction by this branch too."
        ),
    ] = "events"
    attention_dropout: Annotated[
        Share | None,
        msgspec.Meta(description="Dropout of the weights of self- and cross-attention; null: as the preset."),
    ] = None
    dropout: Annotated[Share, msgspec.Meta(description="Dropout everywhere else.")] = 0.1
    statics: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the statics.")] = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 1e-3
    epochs: Positive = 15


class MistsChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a preset of `mists` decides."""

    width: int
    heads: int
    layers: int
    time_width: int
    time_heads: int
    points: int
    attention_dropout: float


MISTS_PRESETS = Presets(
    "preset",
    {
        "small": MistsChoice(
            width=32, heads=4, layers=1, time_width=32, time_heads=4, points=24, attention_dropout=0.0
        ),
        "published": MistsChoice(
            width=128, heads=8, layers=3, time_width=64, time_heads=8, points=48, attention_dropout=0.1
        ),
    },
)


def mists_seconds(params: MistsParams, work: Workload) -> float:
    """Measured: every modality has two branches and a transformer of its own."""
    choice, modalities = MISTS_PRESETS.over(params), len(work.channels)
    grown = modalities * (choice.width / 32 * choice.layers * choice.points / 24) ** 1.1
    return training_seconds(params, work, step=1e-2 * modalities * choice.layers, visit=2.5e-4 * grown)


def register(registry: Registry) -> None:
    """Declare mists."""
    registry.fuser(
        "mists",
        "bench_fusers.mists.fuser:Mists",
        params=MistsParams,
        presets=MISTS_PRESETS,
        summary="events and completed grid on reference points, mixed by a gate; self- and cross-attention in turn",
        paper="Zhang et al., Improving Medical Predictions by Irregular Multimodal EHR Modeling, ICML 2023",
        tags={"torch", "learner", "uses_events"},
        randomness="seeded",
        seconds=mists_seconds,
        space={
            "learning_rate": (5e-4, 1e-3, 2e-3),
            "dropout": (0.1, 0.3),
            "gate": ("batch", "batch_seq", "batch_seq_feature"),
        },
        test_params={
            "width": 16,
            "heads": 2,
            "time_width": 8,
            "time_heads": 2,
            "points": 12,
            "epochs": 8,
            "batch_size": 32,
        },
    )
