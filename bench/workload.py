"""How much a component is asked to do, and what that takes: the arithmetic of `seconds=` in a
declaration. Light.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from bench.train_params import TrainParams

__all__ = ["Effort", "Workload", "effort", "training_seconds"]

TRAIN, VALID = 0.7, 0.15
"""Shares of the records in the training and the validation part; that few other splits differ by
much is good enough here.
"""

FORWARD = 1 / 3
"""What a prediction takes of a visit in training, whose way back through the network takes twice
as long as its way there.
"""

ASKED_AGAIN = 500
"""Records that the audits of a cell let a fuser predict once more, about."""


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What a job is about, as far as it is known before anything was run.

    - records: of the whole cohort, of all parts.
    - draws: of an imputer that can draw.
    - channels: modality -> how many it has; of the modalities of the cell.
    - labels: of the task, or classes that it separates, where each is a problem of its own; else 1.
    """

    records: int
    channels: dict[str, int]
    draws: int = 1
    labels: int = 1

    @property
    def width(self) -> int:
        """Channels of all modalities."""
        return sum(self.channels.values())

    @property
    def train(self) -> int:
        """Records of the training part; at least 1."""
        return max(1, round(TRAIN * self.records))

    @property
    def valid(self) -> int:
        """Records of the validation part."""
        return round(VALID * self.records)


class Effort(NamedTuple):
    """What a training comes to, at most: optimiser steps, visits of records in them, and passes
    after which it validates.
    """

    steps: int
    visits: float
    passes: int


def effort(items: int, *, epochs: int, batch_size: int, steps: int | None = None) -> Effort:
    """What `bench.training` does with so many training items. Patience may end it earlier, which is
    not known beforehand.
    """
    per_epoch = math.ceil(max(items, 1) / batch_size)
    steps = steps or epochs * per_epoch
    return Effort(steps, steps * max(items, 1) / per_epoch, math.ceil(steps / per_epoch))


def training_seconds(params: TrainParams, work: Workload, *, step: float, visit: float) -> float:
    """Seconds of one core for a `TorchFuser`: all steps, a validation after each pass, and every
    prediction of a cell.

    A budget of `seconds` takes the place of the steps and their validation.

    step: seconds of an optimiser step, however small its batch. visit: what each record of a batch
    adds, there and back. A method whose parameters say how large its network is multiplies both as
    its network grows.
    """
    whole = effort(work.train, epochs=params.epochs, batch_size=params.batch_size, steps=params.steps)
    if params.seconds:
        whole = Effort(0, 0.0, 0)
    predicted = whole.passes * work.valid + (work.records - work.train) + min(ASKED_AGAIN, work.records)
    calls = whole.passes * math.ceil(work.valid / params.batch_size) + math.ceil(work.records / params.batch_size)
    taken = step * (whole.steps + FORWARD * calls) + visit * (whole.visits + FORWARD * predicted)
    return taken + (params.seconds or 0.0)
