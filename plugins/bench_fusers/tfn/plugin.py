"""Parameters of `tfn`, what its presets choose, and its declaration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, Positive, Share, TorchFuserParams
from bench.workload import Workload, training_seconds
from bench_fusers.front_params import Front, Mixup, Points, require_front

Encoder = Literal["recurrent", "mean"]
Variant = Literal["tfn", "outer-late"]


class TFNParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TFN. What is null is as the preset says (`TFN_PRESETS`); what is given wins over it."""

    preset: Annotated[
        Literal["small", "released", "mmsa", "mmsa-mosei", "mists"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(
            description="For a CPU and any modalities (small); published sizes for text, audio and vision (released, "
            "mmsa, mmsa-mosei); or the sizes of outer-late, for any modalities (mists)."
        ),
    ] = "small"
    variant: Annotated[
        Annotated[Variant, IN_LABEL] | None,
        msgspec.Meta(
            description="An LSTM or time means of each modality (tfn), or the last state of a transformer of each "
            "(outer-late). Null: as the preset."
        ),
    ] = None
    front: Annotated[
        Front,
        IN_LABEL,
        msgspec.Meta(
            description="The variant outer-late reads the bins of the completed grid (grid), or points of time made of "
            "the events and that grid (utde), as in the clinical code. Then all events of a bin count. Not "
            "with masks=false."
        ),
    ] = "grid"
    points: Points = 48
    mixup: Mixup = "batch"
    encoder: Annotated[
        Encoder | None,
        msgspec.Meta(
            description="How every modality of the variant tfn is read: its steps through an LSTM (recurrent), or their "
            "mean (mean). Null: as the preset."
        ),
    ] = None
    means: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Modalities of the variant tfn that are read as a mean, whatever `encoder` says."),
    ] = ()
    width: Annotated[
        Positive | None,
        msgspec.Meta(description="Width of what is read of each modality, before the 1 is added; null: as the preset."),
    ] = None
    recurrent: Annotated[Positive | None, msgspec.Meta(description="Width of the LSTM; null: as the preset.")] = None
    layers: Annotated[
        Positive | None, msgspec.Meta(description="Layers of a transformer of outer-late; null: as the preset.")
    ] = None
    heads: Annotated[
        Positive | None, msgspec.Meta(description="Heads of its attention; divides `width`. Null: as the preset.")
    ] = None
    fusion: Annotated[
        Literal["full", "low-rank"],
        IN_LABEL,
        msgspec.Meta(
            description="All products (full), or a sum of `rank` products of linear maps in their place (low-rank)."
        ),
    ] = "full"
    rank: Annotated[Positive, msgspec.Meta(description="Rank of low-rank, also where `cap` leaves no other way.")] = 8
    cap: Annotated[
        Annotated[int, msgspec.Meta(ge=2)] | None,
        msgspec.Meta(
            description="Most products; above, all widths shrink to fit, and below a width of 4 low-rank takes over. "
            "Null: as the preset."
        ),
    ] = None
    head: Annotated[
        Positive | None, msgspec.Meta(description="Width of the layers behind the products; null: as the preset.")
    ] = None
    masks: Annotated[
        bool | None,
        msgspec.Meta(
            description="Encoders read what was recorded too: the mask beside each step, the observed share beside each "
            "mean. Null: as the preset."
        ),
    ] = None
    norm: Annotated[
        Literal["feature", "layer"],
        msgspec.Meta(
            description="Scale and shift of the time means: learned for each feature (feature), or over the features "
            "(layer)."
        ),
    ] = "feature"
    dropout: Annotated[
        Share | None,
        msgspec.Meta(
            description="Dropout of what is read of each modality, and inside transformers; null: as the preset."
        ),
    ] = None
    head_dropout: Annotated[
        Share | None, msgspec.Meta(description="Dropout of the products (full); null: as the preset.")
    ] = None
    statics: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the statics.")] = 8
    squash: Annotated[
        bool,
        msgspec.Meta(
            description="Predictions of a regression of one value lie between -3 and 3, as published. No effect on other "
            "tasks."
        ),
    ] = False
    batch_size: Positive = 128
    epochs: Positive = 15

    def __post_init__(self) -> None:
        super().__post_init__()
        choice = tfn_choice(self)
        if self.front == "utde" and choice.variant != "outer-late":
            raise ValueError(
                f"front=utde is of the variant outer-late, and the preset {self.preset} has {choice.variant}; "
                "give fuser.tfn.preset=mists or fuser.tfn.front=grid"
            )
        require_front("tfn", self.front, {"masks=false": not choice.masks})


class TFNChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a preset of `tfn` decides. modalities: where it was published for some, name ->
    (encoder, width).
    """

    variant: Variant = "tfn"
    encoder: Encoder = "recurrent"
    width: int
    recurrent: int = 128
    layers: int = 3
    heads: int = 8
    cap: int = 150_000
    head: int
    masks: bool = False
    dropout: float
    head_dropout: float
    modalities: dict[str, tuple[Encoder, int]] = {}


def _published(
    text: int, audio: int, vision: int, head: int, dropout: float, head_dropout: float, cap: int = 150_000
) -> TFNChoice:
    modalities: dict[str, tuple[Encoder, int]] = {
        "text": ("recurrent", text),
        "audio": ("mean", audio),
        "vision": ("mean", vision),
    }
    return TFNChoice(width=text, cap=cap, head=head, dropout=dropout, head_dropout=head_dropout, modalities=modalities)


TFN_PRESETS = Presets(
    "preset",
    {
        "small": TFNChoice(
            width=32, recurrent=32, layers=1, heads=4, cap=20_000, head=32, masks=True, dropout=0.2, head_dropout=0.3
        ),
        "released": _published(64, 4, 16, head=32, dropout=0.3, head_dropout=0.3),
        "mmsa": _published(32, 32, 128, head=64, dropout=0.3, head_dropout=0.5),
        "mmsa-mosei": _published(128, 16, 128, head=16, dropout=0.4, head_dropout=0.4, cap=300_000),
        "mists": TFNChoice(variant="outer-late", width=128, head=128, masks=True, dropout=0.1, head_dropout=0.0),
    },
)


def tfn_choice(params: TFNParams) -> TFNChoice:
    """The preset's choices, with what was given over them. A given `encoder` or `width` is that
    of every modality.
    """
    published = TFN_PRESETS[params.preset].modalities
    modalities = {
        name: (params.encoder or encoder, params.width or width) for name, (encoder, width) in published.items()
    }
    return TFN_PRESETS.over(params, modalities=modalities)


def tfn_seconds(params: TFNParams, work: Workload) -> float:
    """Measured: a recurrent network for every modality, or a transformer, which takes twice as
    long on events as well.
    """
    choice, modalities = tfn_choice(params), len(work.channels)
    if choice.variant == "outer-late":
        transformers = modalities * (2 if params.front == "utde" else 1)
        grown = transformers * (choice.width / 32 * choice.layers / 2) ** 1.1
        return training_seconds(params, work, step=7e-3 * grown, visit=4e-4 * grown)
    return training_seconds(params, work, step=5e-3 * modalities, visit=1.2e-4 * modalities * choice.recurrent / 32)


def register(registry: Registry) -> None:
    """Declare tfn."""
    registry.fuser(
        "tfn",
        "bench_fusers.tfn.fuser:TFN",
        params=TFNParams,
        presets=TFN_PRESETS,
        summary="all products across modalities of what one encoder each reads (outer product), or a low-rank form of them",
        paper="Zadeh et al., Tensor Fusion Network, EMNLP 2017; Liu et al., Low-rank Multimodal Fusion, ACL 2018",
        tags={"torch", "learner", "uses_events"},
        randomness="seeded",
        notes={"products": "count", "form": ("full", "low-rank"), "terms": "count", "widths": "count"},
        seconds=tfn_seconds,
        space={
            "learning_rate": (5e-4, 1e-3, 2e-3),
            "dropout": (0.1, 0.3),
            "fusion": ("full", "low-rank"),
            "encoder": ("mean",),
        },
        test_params={"width": 8, "recurrent": 16, "head": 16, "epochs": 30, "batch_size": 32, "learning_rate": 3e-3},
    )
