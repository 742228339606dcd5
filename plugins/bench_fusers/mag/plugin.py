"""Parameters of `mag` and `mag_late`, and their declarations."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.registry import Registry
from bench.train_params import IN_LABEL, AboveZero, NotNegative, Positive, Share, TorchFuserParams
from bench_fusers.front_params import Front, Mixup, require_front


class MagSizes(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both adaptation gates can set.

    anchor:  the modality that the others shift; null: `text` or `notes` where there is one, else the one with the most
             observed steps in the training part.
    gate:    false: the ablation; the other modalities are not read at all.
    width:   of the transformers, a multiple of `heads`. heads: of every attention. layers: of every transformer.
    read:    all steps of the completed grid are read, or only those with something recorded (observed; of a filled modality
             all).
    dropout: of the layers and the head. gate_dropout: of what leaves the gate. statics: width of the embedding of the statics.
    """

    anchor: Annotated[str | None, msgspec.Meta(extra={"in_label": True})] = None
    gate: Annotated[bool, msgspec.Meta(extra={"in_label": True})] = True
    width: Positive = 32
    heads: Positive = 4
    layers: Positive = 2
    read: Literal["all", "observed"] = "all"
    dropout: Share = 0.1
    gate_dropout: Share = 0.1
    statics: Positive = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 1e-3
    epochs: Positive = 15


class MagParams(MagSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MAG, the gate at every step of the anchor.

    backbone: what the shifted steps go through: a transformer encoder trained here. Not a pre-trained language model, so
              that the results are not those of MAG-BERT, and the label says so.
    beta:     the longest shift as a share of the length of the step's vector; not trained.
    max_lag:  with read=observed, how many hours an observation stays current; null: for ever.
    readout:  the mean over readable steps, or the last of them.
    """

    backbone: Annotated[Literal["encoder"], msgspec.Meta(extra={"in_label": "always"})] = "encoder"
    beta: AboveZero = 1.0
    max_lag: NotNegative | None = None
    readout: Literal["mean", "last"] = "mean"


class MagLateParams(MagSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MAG as clinical benchmarks have it: one gate, on what was read of each modality.

    front:  a modality is the bins of its completed grid (grid), or points of time made of its events and that grid (utde), as in
            the clinical code; several events of a bin then all count. Not with read=observed. points: most of them, a grid
            of fewer bins has as many as bins. mixup: the gate between events and grid: one for a record (batch), a point
            (batch_seq) or a feature of a point (batch_seq_feature).
    """

    front: Annotated[Front, IN_LABEL] = "grid"
    points: Positive = 48
    mixup: Mixup = "batch"

    def __post_init__(self) -> None:
        require_front("mag_late", self.front, {"read=observed": self.read == "observed"})


def register(registry: Registry) -> None:
    """Declare mag and mag_late."""
    space = {"learning_rate": (5e-4, 1e-3, 2e-3), "dropout": (0.1, 0.3), "gate_dropout": (0.1, 0.5)}
    test_params = {"width": 16, "heads": 2, "layers": 1, "epochs": 20, "batch_size": 32, "learning_rate": 3e-3}
    registry.fuser(
        "mag",
        "bench_fusers.mag.fuser:Mag",
        params=MagParams,
        summary="every step of one modality is shifted by what the others say at that time, then read by a transformer",
        paper="Rahman et al., Integrating Multimodal Information in Large Pretrained Transformers, 2020",
        tags={"torch"},
        randomness="seeded",
        notes={"anchor": "modality"},
        seconds=10.0,
        space=space,
        test_params=test_params,
    )
    registry.fuser(
        "mag_late",
        "bench_fusers.mag.late:MagLate",
        params=MagLateParams,
        summary="a transformer per modality; the others shift what was read of one, by at most its own length",
        paper="Rahman et al., 2020, as a late gate: Zhang et al., Improving Medical Predictions by Irregular EHR, 2023",
        tags={"torch", "uses_events"},
        randomness="seeded",
        notes={"anchor": "modality"},
        seconds=20.0,
        space=space,
        test_params=test_params,
    )
