"""Parameters of the training loop (`bench.training`), light enough to be imported where a plugin
declares itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = [
    "ALWAYS_IN_LABEL",
    "IN_LABEL",
    "AboveZero",
    "NotNegative",
    "Positive",
    "Seconds",
    "Share",
    "StepParams",
    "Steps",
    "TorchFuserParams",
    "TrainParams",
    "one_budget",
]

Positive = Annotated[int, msgspec.Meta(ge=1)]
AboveZero = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]

IN_LABEL = msgspec.Meta(extra={"in_label": True})
ALWAYS_IN_LABEL = msgspec.Meta(extra={"in_label": "always"})
"""The harness shows such a parameter in the label of a result if any file or command set it, a
suite file included; or always.
"""


def one_budget(steps: int | None, seconds: float | None) -> None:
    """Raise ValueError where both budgets are given."""
    if steps and seconds:
        raise ValueError(
            f"steps={steps} and seconds={seconds:g} exclude each other; give one of them, and null for the other"
        )


Steps = Annotated[
    Positive | None,
    msgspec.Meta(
        description="Where given, a fixed budget: exactly so many optimiser steps of each network, whatever `epochs` and "
        "`patience` say."
    ),
]
Seconds = Annotated[
    AboveZero | None,
    IN_LABEL,
    msgspec.Meta(
        description="In place of steps: training of each network ends after so many calibrated seconds (`bench.clock`), its "
        "validation included. No two trainings are then alike bit by bit."
    ),
]


class StepParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Marks the parameters of a method that is trained step by step, by whatever loop. `[training]`
    of a suite gives all of them the same budget, in place of their own epochs and patience.

    A struct that extends it has a field `steps: Steps = None`: the method takes exactly so many. If
    it can also end by the clock, it has a field `seconds: Seconds = None`, and calls `one_budget`
    when it is built.
    """


class TrainParams(StepParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every torch method can set of its training. A method extends it with its own fields and
    defaults.

    Raises ValueError for values that exclude each other.
    """

    epochs: Annotated[Positive, msgspec.Meta(description="Passes over the training records, at most.")] = 20
    steps: Steps = None
    seconds: Seconds = None
    batch_size: Annotated[
        Positive, msgspec.Meta(description="Records per step; the last batch of an epoch holds what is left.")
    ] = 64
    learning_rate: Annotated[AboveZero, msgspec.Meta(description="Learning rate of the optimiser.")] = 1e-3
    schedule: Annotated[
        Literal["constant", "cosine", "milestones"],
        msgspec.Meta(
            description="The learning rate stays as it is (constant) or falls along half a cosine to 0 at the last step "
            "(cosine). With milestones it falls to a tenth after 75 % and again after 90 % of the steps."
        ),
    ] = "constant"
    optimizer: Annotated[Literal["adam", "adamw", "sgd"], msgspec.Meta(description="The optimiser.")] = "adam"
    momentum: Annotated[Share, msgspec.Meta(description="Momentum of sgd; refused with another optimiser.")] = 0.0
    weight_decay: Annotated[
        NotNegative, msgspec.Meta(description="L2 penalty (adam, sgd) or decoupled decay (adamw).")
    ] = 0.0
    clip: Annotated[NotNegative, msgspec.Meta(description="Largest global norm of the gradient; 0 = no clipping.")] = (
        1.0
    )
    patience: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Epochs without a better validation score before training stops; 0 = never. The best weights are "
            "kept in either case.",
        ),
    ] = 5
    average: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            lt=1,
            description="Decay of an exponential moving average of weights and running statistics over the steps (Polyak and "
            "Juditsky 1992), which is then what is validated and what predicts. Early steps weigh less: the decay of "
            "step t is at most (1 + t) / (10 + t). 0 = the weights themselves.",
        ),
    ] = 0.0
    checkpoint_seconds: Annotated[
        NotNegative,
        msgspec.Meta(
            description="How often the state is written to the scratch folder, where there is one, in seconds. Changes no "
            "number."
        ),
    ] = 30.0

    def __post_init__(self) -> None:
        one_budget(self.steps, self.seconds)
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f"momentum={self.momentum:g} is given, and optimizer={self.optimizer} has none; give optimizer=sgd"
            )


class TorchFuserParams(TrainParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every `TorchFuser` can set: the training loop, and the loss."""

    regression_loss: Annotated[
        Literal["squared", "absolute"],
        msgspec.Meta(
            description="Loss of a regression: squared, or absolute as is usual for sentiment. No effect on other tasks."
        ),
    ] = "squared"
    balance: Annotated[
        bool,
        msgspec.Meta(
            description="Classes weigh in inverse proportion to their frequency in the training part. Metrics that rank "
            "(AUROC, average precision) change little; the outputs are then no calibrated probabilities."
        ),
    ] = False
