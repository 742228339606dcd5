"""`[training]` of a suite: what all methods that are trained are given alike."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

import msgspec

from bench.train_params import StepParams, TrainParams, one_budget

BUDGETS = frozenset({"steps", "seconds"})
"""What ends a training in place of epochs and patience; only one of them is given."""


CLOCKED = "trained by the clock"
"""The entry of a record's provenance that names the kinds of its methods that were."""


def budget_in_words(steps: int | None, seconds: float | None) -> str:
    """What a training is given; empty where its epochs and patience decide."""
    if seconds:
        return f"{seconds:g} calibrated seconds (not repeatable bit by bit)"
    return f"{steps:,} optimiser steps" if steps else ""


class Shared:
    """A table of parameters that all methods of a kind are given which are trained and do not
    set them themselves.
    """

    __slots__ = ()
    takes = msgspec.Struct
    """What the parameters of a method extend that is given them."""

    steps: int | None
    seconds: float | None

    def __post_init__(self) -> None:
        one_budget(self.steps, self.seconds)

    def shared(self, own: Collection[str] = ()) -> dict[str, Any]:
        """The parameters that are set, without tables. own: what a method sets itself: with steps
        or seconds of its own it takes neither from here.
        """
        fields = msgspec.to_builtins(self)
        without = BUDGETS if BUDGETS.intersection(own) else ()
        return {
            name: value
            for name, value in fields.items()
            if value is not None and not isinstance(value, dict) and (name in own or name not in without)
        }


class ImputerTraining(Shared, msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same training for all imputers that are trained step by step and do not set it
    themselves.
    """

    takes = StepParams

    steps: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(
            description="Optimiser steps of each network, in place of epochs and patience. An imputer may train a network "
            "for each modality."
        ),
    ] = None
    seconds: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        msgspec.Meta(description="Calibrated seconds of each network (`bench.clock`), in place of steps."),
    ] = None

    def in_words(self) -> str:
        """As of `Training`, of each network."""
        return f"{words} of each network" if (words := budget_in_words(self.steps, self.seconds)) else ""


class Training(Shared, msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same training for all: parameters of the training loop (`bench.train_params`). They hold
    for every fuser that the harness trains and that does not set them itself. Those of imputers
    stand in a table of their own.
    """

    takes = TrainParams

    steps: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(description="Optimiser steps, in place of epochs and patience."),
    ] = None
    seconds: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        msgspec.Meta(description="Calibrated seconds (`bench.clock`), in place of steps."),
    ] = None
    epochs: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None, msgspec.Meta(description="Passes over the training records.")
    ] = None
    patience: Annotated[
        Annotated[int, msgspec.Meta(ge=0)] | None,
        msgspec.Meta(description="Epochs without a better validation score before training stops; 0 = never."),
    ] = None
    batch_size: Annotated[Annotated[int, msgspec.Meta(ge=1)] | None, msgspec.Meta(description="Records per step.")] = (
        None
    )
    learning_rate: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None, msgspec.Meta(description="Learning rate of the optimiser.")
    ] = None
    average: Annotated[
        Annotated[float, msgspec.Meta(ge=0, lt=1)] | None,
        msgspec.Meta(description="Decay of a moving average of the weights, which then predicts; 0 = none."),
    ] = None
    imputer: Annotated[ImputerTraining, msgspec.Meta(description="The same for every imputer that is trained.")] = (
        ImputerTraining()
    )

    def of(self, kind: str) -> Training | ImputerTraining | None:
        """What methods of a kind are given; None for kinds that are not trained."""
        each: dict[str, Training | ImputerTraining] = {"fuser": self, "imputer": self.imputer}
        return each.get(kind)

    def shared_by(self, kind: str) -> dict[str, Any]:
        """The parameters that are set for a kind."""
        training = self.of(kind)
        return training.shared() if training else {}

    def in_words(self) -> str:
        """In words, for the provenance of a record: empty where every method goes by its own
        parameters.
        """
        words = {
            "steps": budget_in_words(self.steps, None),
            "seconds": budget_in_words(None, self.seconds),
            "epochs": f"{self.epochs or 0:,} epochs",
            "patience": f"patience {self.patience}" if self.patience else "no early stop",
            "batch_size": f"batches of {self.batch_size or 0:,}",
            "learning_rate": f"learning rate {self.learning_rate or 0:g}",
            "average": f"weights averaged with decay {self.average:g}" if self.average else "weights not averaged",
        }
        shared = self.shared()
        without = {"epochs", "patience"} if BUDGETS & shared.keys() else set()  # it wins, whatever these say
        return ", ".join(words[key] for key in shared if key not in without)
