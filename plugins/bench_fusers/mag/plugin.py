"""Parameters of `mag` and `mag_late`, and their declarations."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, NotNegative, Positive, Share, TorchFuserParams
from bench.workload import Workload, training_seconds
from bench_fusers.front_params import Front, Mixup, Points, require_front


class MagSizes(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both adaptation gates can set."""

    anchor: Annotated[
        str | None,
        IN_LABEL,
        msgspec.Meta(
            description="The modality that the others shift; null: `text` or `notes` where there is one, else the one "
            "with the most observed steps in the training part."
        ),
    ] = None
    gate: Annotated[
        bool,
        IN_LABEL,
        msgspec.Meta(description="false: the ablation; the other modalities are not read at all."),
    ] = True
    width: Annotated[Positive, msgspec.Meta(description="Width of the transformers; a multiple of `heads`.")] = 32
    heads: Annotated[Positive, msgspec.Meta(description="Heads of every attention.")] = 4
    layers: Annotated[Positive, msgspec.Meta(description="Layers of every transformer.")] = 2
    read: Annotated[
        Literal["all", "observed"],
        msgspec.Meta(
            description="Read all steps of the completed grid, or only those with something recorded (observed; of a "
            "modality that was filled, all)."
        ),
    ] = "all"
    dropout: Annotated[Share, msgspec.Meta(description="Dropout of the layers and the head.")] = 0.1
    gate_dropout: Annotated[Share, msgspec.Meta(description="Dropout of what leaves the gate.")] = 0.1
    statics: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the statics.")] = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 1e-3
    epochs: Positive = 15


class MagParams(MagSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MAG, the gate at every step of the anchor."""

    backbone: Annotated[
        Literal["encoder"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(
            description="What the shifted steps go through: a transformer encoder trained here. It is no pre-trained "
            "language model, so the results are not those of MAG-BERT, and the label says so."
        ),
    ] = "encoder"
    beta: Annotated[
        AboveZero,
        msgspec.Meta(description="The longest shift as a share of the length of the step's vector; not trained."),
    ] = 1.0
    max_lag: Annotated[
        NotNegative | None,
        msgspec.Meta(description="With read=observed, how many hours an observation stays current; null: forever."),
    ] = None
    readout: Annotated[
        Literal["mean", "last"], msgspec.Meta(description="The mean over readable steps, or the last of them.")
    ] = "mean"


class MagLateParams(MagSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MAG as clinical benchmarks have it: one gate, on what was read of each modality."""

    front: Annotated[
        Front,
        IN_LABEL,
        msgspec.Meta(
            description="A modality is the bins of its completed grid (grid), or points of time made of its events and "
            "that grid (utde), as in the clinical code. Then all events of a bin count. Not with "
            "read=observed."
        ),
    ] = "grid"
    points: Points = 48
    mixup: Mixup = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_front("mag_late", self.front, {"read=observed": self.read == "observed"})


def _grown(params: MagSizes) -> float:
    """How much more a transformer takes than one of the default size."""
    return float((params.width / 32 * params.layers / 2) ** 1.1)


def mag_seconds(params: MagParams, work: Workload) -> float:
    """Measured: one transformer, however many modalities there are."""
    return training_seconds(params, work, step=8e-3 * params.layers / 2, visit=7e-4 * _grown(params))


def mag_late_seconds(params: MagLateParams, work: Workload) -> float:
    """Measured: a transformer for every modality. Reading events as well takes twice as long."""
    transformers = len(work.channels) * (2 if params.front == "utde" else 1)
    step = 7e-3 * transformers * params.layers / 2
    return training_seconds(params, work, step=step, visit=4e-4 * transformers * _grown(params))


def register(registry: Registry) -> None:
    """Declare mag and mag_late."""
    space = {"learning_rate": (5e-4, 1e-3, 2e-3), "dropout": (0.1, 0.3), "gate_dropout": (0.1, 0.5)}
    test_params = {"width": 16, "heads": 2, "layers": 1, "epochs": 20, "batch_size": 32, "learning_rate": 3e-3}
    registry.fuser(
        "mag",
        "bench_fusers.mag.fuser:Mag",
        params=MagParams,
        summary="every step of one modality is shifted by the others at that time, then read by a transformer",
        paper="Rahman et al., Integrating Multimodal Information in Large Pretrained Transformers, 2020",
        tags={"torch", "learner"},
        randomness="seeded",
        notes={"anchor": "modality"},
        seconds=mag_seconds,
        space=space,
        test_params=test_params,
    )
    registry.fuser(
        "mag_late",
        "bench_fusers.mag.late:MagLate",
        params=MagLateParams,
        summary="a transformer per modality; the others shift what was read of one, by at most its own length",
        paper="Rahman et al., 2020, as a late gate: Zhang et al., Improving Medical Predictions by Irregular EHR, 2023",
        tags={"torch", "learner", "uses_events"},
        randomness="seeded",
        notes={"anchor": "modality"},
        seconds=mag_late_seconds,
        space=space,
        test_params=test_params,
    )
