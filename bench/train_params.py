"""Parameters of the training loop (`bench.training`), light enough to be imported where a plugin declares itself."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = [
    "ALWAYS_IN_LABEL",
    "IN_LABEL",
    "AboveZero",
    "NotNegative",
    "Positive",
    "Share",
    "TorchFuserParams",
    "TrainParams",
]

Positive = Annotated[int, msgspec.Meta(ge=1)]
AboveZero = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]

IN_LABEL = msgspec.Meta(extra={"in_label": True})
ALWAYS_IN_LABEL = msgspec.Meta(extra={"in_label": "always"})
"""The harness shows such a parameter in the label of a result wherever it was written, a suite file included; or always."""


class TrainParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every torch method can set of its training. A method extends it with its own fields and defaults.

    Raises ValueError for values that exclude each other.

    epochs:             passes over the training records, at most.
    steps:              where set, a fixed budget: so many optimiser steps, whatever `epochs` and `patience` say.
    batch_size:         records per step; the last batch of an epoch holds what is left.
    learning_rate:      of the optimiser; constant, falling along half a cosine to 0 at the last step, or x 0.1 after 75 % and
                        again after 90 % of the steps (`schedule`: milestones).
    momentum:           of sgd.
    weight_decay:       L2 penalty (adam, sgd) or decoupled decay (adamw).
    clip:               largest global norm of the gradient; 0 = no clipping.
    patience:           epochs without a better validation score before training stops; 0 = never. The best weights are
                        kept in either case.
    average:            decay of an exponential moving average of the weights over the steps (Polyak and Juditsky 1992), which
                        is then what is validated and what predicts; early steps weigh less: the decay of step t is at most
                        (1 + t) / (10 + t). 0 = the weights themselves.
    checkpoint_seconds: how often the state is written to the scratch folder, where there is one. Changes no number.
    """

    epochs: Positive = 20
    steps: Positive | None = None
    batch_size: Positive = 64
    learning_rate: AboveZero = 1e-3
    schedule: Literal["constant", "cosine", "milestones"] = "constant"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: Share = 0.0
    weight_decay: NotNegative = 0.0
    clip: NotNegative = 1.0
    patience: Annotated[int, msgspec.Meta(ge=0)] = 5
    average: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    checkpoint_seconds: NotNegative = 30.0

    def __post_init__(self) -> None:
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f"momentum={self.momentum:g} is given, and optimizer={self.optimizer} has none; give optimizer=sgd"
            )


class TorchFuserParams(TrainParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every `TorchFuser` can set: the training loop, and the loss.

    regression_loss: of a regression: squared, or absolute as is usual for sentiment. No effect on other tasks.
    balance: classes weigh in inverse proportion to their frequency in the training part. Metrics that rank (AUROC,
             average precision) change little; the outputs are then no calibrated probabilities.
    """

    regression_loss: Literal["squared", "absolute"] = "squared"
    balance: bool = False
