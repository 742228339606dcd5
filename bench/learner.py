"""What trains: torch methods split so that a federation can train them too. Plugin authors need
none of it.

Central training is that of a single client: `summary` of the training records, `begin` from it,
training, selection on the validation part. In a federation every client sends its summary, begins
from their sum, and answers `local` with a `Reply`. What is learnt travels as named arrays, each in
a group that says how it is merged:

- `shared/`: by the rule of the federation.
- `mod/<m>/`, `pair/<i>/<m>/`: the same, among the clients that own these modalities.
- `buffer/`: what a module counts rather than learns (running statistics): the weighted mean.
- `local/`: never sent; a client keeps it.
- `own/`: by the learner itself (`merge_own`); the shape may change between rounds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
import torch
from torch import nn

from bench import training
from bench.cohort import Cohort, Task
from bench.components import Component, Context
from bench.sums import Summed
from bench.train_params import TrainParams

__all__ = ["Arrays", "Learner", "Lesson", "Penalty", "Plan", "Reply"]

P = TypeVar("P", bound=TrainParams)

Arrays = Mapping[str, np.ndarray]

Penalty = Callable[[nn.Module], Callable[[], torch.Tensor]]
"""Called with a module before its training -> the scalar that is added to the loss of each of
its steps.
"""


@dataclass(frozen=True)
class Lesson:
    """What a module is trained on; the fields are as `bench.training.train` takes them."""

    size: int
    loss: Callable[[np.ndarray], torch.Tensor]
    validate: Callable[[], float | None] | None = None
    higher: bool = False


@dataclass(frozen=True)
class Plan:
    """One local training.

    valid:   selects the weights after every epoch, as the learner does centrally; None: the last
             weights stay.
    steps:   exactly so many optimiser steps; epochs: exactly so many passes. Neither: as the
             parameters say.
    name:    of this training: a client, say. Order, noise and the checkpoint file follow from it.
    after:   trainings of this name that came before: rounds. Order and noise go on where they
             ended.
    share:   of the budget that is done, above 0 and at most 1.
    penalty: added to the loss.

    The optimiser starts from nothing in every local training.
    """

    valid: Cohort | None = None
    steps: int | None = None
    epochs: int | None = None
    name: str = ""
    after: int = 0
    share: float = 1.0
    penalty: Penalty | None = None

    def applied(self, params: P) -> P:
        """The parameters of the method with the budget of this plan."""
        if self.steps:
            return msgspec.structs.replace(params, steps=self.steps, seconds=None)
        if self.epochs:
            return msgspec.structs.replace(params, epochs=self.epochs, steps=None, seconds=None, patience=0)
        return params


@dataclass(frozen=True)
class Reply:
    """What a client answers.

    - arrays: what it learnt, without the group local/ and without modules that it had nothing to
      train on.
    - n: array -> training items behind it.
    - steps: array -> optimiser steps.
    - sums: "loss", summed over the training items of the last epoch, and "count", their number.
    - state: the arrays of the group local/, which the client keeps for its next training.
    """

    arrays: Arrays
    n: Mapping[str, int]
    steps: Mapping[str, int]
    sums: Arrays
    state: Arrays


class Learner(Summed, Component[P]):
    """Base of the torch methods. `TorchFuser` is one, and so is every imputer that trains torch
    modules by it.

    - learnt: whether what the modules hold was learnt, so that they may predict.
    - results: module -> how its last training went; without those that had nothing to train on.
    """

    learnt: bool = False
    results: Mapping[str, training.TrainResult] = {}

    @property
    @abstractmethod
    def modules(self) -> Mapping[str, nn.Module]:
        """The modules by name, once begun. The only one is called ""."""

    @abstractmethod
    def lesson(self, module: str, train: Cohort, valid: Cohort | None, context: Context) -> Lesson | None:
        """What a module is trained on, and selected by where there is a `valid`; None where
        `train` has nothing for it.
        """

    def steps_taken(self) -> int | None:
        """See `bench.components.Imputer.steps_taken`."""
        return sum(result.steps for result in self.results.values()) if self.results else None

    @abstractmethod
    def validate(self, valid: Cohort, context: Context) -> Arrays:
        """ "loss", summed over what of `valid` can be scored, and "count", how much that is;
        float64.
        """

    def group(self, module: str, weight: str) -> str:
        """The group of a weight or buffer, named as in the module's `state_dict`. A method with
        other groups overrides this.
        """
        buffers = {name for name, _ in self.modules[module].named_buffers(remove_duplicate=False)}
        return "buffer" if weight in buffers else "shared"

    def merge_own(self, round: int, replies: Mapping[int, Reply]) -> Arrays | Mapping[int, Arrays]:
        """The arrays of the group own/, merged: the same for all clients, or client -> arrays."""
        return {}

    def groups(self) -> dict[str, str]:
        """Array -> group."""
        return {name: group for name, (group, _, _) in self._places().items()}

    def get(self) -> dict[str, np.ndarray]:
        """All that is learnt, as copies."""
        return {name: tensor.detach().cpu().numpy().copy() for name, (_, _, tensor) in self._places().items()}

    @torch.no_grad()
    def set(self, arrays: Arrays) -> None:
        """Take what `get` gave, or a part of it. Whole numbers that a merge has averaged are
        rounded.

        Raises KeyError for an array it has not, ValueError for another shape.
        """
        places = self._places()
        for name, array in arrays.items():
            tensor = places[name][2]
            if array.shape != tuple(tensor.shape):
                raise ValueError(f"{name} has the shape {array.shape}, not {tuple(tensor.shape)}")
            tensor.copy_(torch.from_numpy(np.array(array if tensor.is_floating_point() else np.rint(array))))
        self.learnt = True

    def local(self, train: Cohort, plan: Plan, context: Context, state: Arrays | None = None) -> Reply:
        """Train on the records of one client, from what was `set`, and from its `state` of the last
        time.

        Raises as `bench.training.train` does.
        """
        self.set(state or {})
        self._train(train, plan, context)
        arrays, places = self.get(), self._places()
        sent = {
            name: self.results[module]
            for name, (group, module, _) in places.items()
            if group != "local" and module in self.results
        }
        loss = sum(result.history[-1].loss * result.size for result in self.results.values())
        return Reply(
            arrays={name: arrays[name] for name in sent},
            n={name: result.size for name, result in sent.items()},
            steps={name: result.steps for name, result in sent.items()},
            sums={"loss": np.array(loss), "count": np.array(float(sum(each.size for each in self.results.values())))},
            state={name: array for name, array in arrays.items() if places[name][0] == "local"},
        )

    def learn(self, train: Cohort, valid: Cohort, context: Context, task: Task | None = None) -> None:
        """Central training: of a single client, with selection on `valid` as the parameters say."""
        self.begin(self.summary(train, task), context)
        self._train(train, Plan(valid=valid), context)

    def _train(self, train: Cohort, plan: Plan, context: Context) -> None:
        self.learnt, results = False, {}
        for name, module in self.modules.items():
            lesson = self.lesson(name, train, plan.valid, context)
            if lesson is None:
                continue
            results[name] = training.train(
                module,
                lesson.size,
                lesson.loss if plan.penalty is None else _penalised(lesson.loss, plan.penalty(module)),
                plan.applied(self.params),
                context,
                validate=lesson.validate,
                higher=lesson.higher,
                name=".".join(filter(None, (plan.name, name))) or "training",
                after=plan.after,
                share=plan.share,
            )
        self.learnt, self.results = True, results

    def _places(self) -> dict[str, tuple[str, str, torch.Tensor]]:
        """Array -> its group, its module, its tensor."""
        places = {}
        for module, built in self.modules.items():
            for weight, tensor in built.state_dict().items():
                group = self.group(module, weight)
                places["/".join(filter(None, (group, module, weight)))] = group, module, tensor
        return places


def _penalised(
    loss: Callable[[np.ndarray], torch.Tensor], penalty: Callable[[], torch.Tensor]
) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda items: loss(items) + penalty()
