"""What trains: torch methods split so that a federation can train them too. Plugin authors need
none of it.

Central training is that of a single client: `summary` of the training records, `begin` from it,
training, selection on the validation part. In a federation every client sends its summary, begins
from their sum, and answers `local` with a `Reply`. What is learnt travels as named arrays, each in
a group that says how it is merged:

- `shared/`: by the rule of the federation.
- `mod/<m>/`, `pair/<i>/<m>/`: the same, among the clients that own these modalities. A client
  whose training records lack one of them throughout does not send the array.
- `buffer/`: what a module counts rather than learns (running statistics): the weighted mean.
  `buffer/<m>/` is the same among the clients that own a modality.
- `local/`: never sent; a client keeps it.
- `own/`: by the learner itself (`merge_own`); the shape may change between rounds. `own/<m>/` is
  the same among the clients that own a modality.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec
import numpy as np
import torch
from torch import nn

from bench import training
from bench.cohort import Cohort, Task
from bench.components import Component, Context
from bench.sums import Summed
from bench.train_params import TrainParams

__all__ = ["Arrays", "Learner", "Lesson", "Own", "Penalty", "Plan", "Reply"]

P = TypeVar("P", bound=TrainParams)

Arrays = Mapping[str, np.ndarray]

Own = Mapping[Any, np.ndarray | Arrays]
"""What a learner merges by itself: name -> array for all clients, number of a client -> its arrays,
or both.
"""

Penalty = Callable[[nn.Module], Callable[[], torch.Tensor]]
"""Called with a module before its training -> the scalar that is added to the loss of each of
its steps.
"""


@dataclass(frozen=True)
class Lesson:
    """What a module is trained on.

    - size, loss, validate, higher: as `bench.training.train` takes them.
    - name: tells the lessons of one module apart; their checkpoints, orders and noises differ.
    - part: a module that holds the weights and buffers which are trained, the same objects; None:
      all of the module. Meanwhile the rest has no gradient and is in evaluation mode.
    - params: optimiser and budget; None: those of the method.
    - steps: exactly so many optimiser steps, whatever the plan says; None: as the plan.
    """

    size: int
    loss: Callable[[np.ndarray], torch.Tensor]
    validate: Callable[[], float | None] | None = None
    higher: bool = False
    name: str = ""
    part: nn.Module | None = None
    params: TrainParams | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Plan:
    """One local training.

    - valid: selects the weights after every epoch, as the learner does centrally; None: the last
      weights stay.
    - steps: exactly so many optimiser steps; epochs: exactly so many passes. Neither: as the
      parameters say.
    - name: of this training: a client, say. Order, noise and the checkpoint file follow from it.
    - after: trainings of this name that came before: rounds. Order and noise go on where they
      ended.
    - rounds: how many trainings of this name there are in all. Centrally it is 1.
    - share: of the budget that is done, above 0 and at most 1.
    - penalty: added to the loss.
    - accepts: called with the parameters of each training before it; raises UsageError for one that
      cannot be merged.

    The optimiser starts from nothing in every local training.
    """

    valid: Cohort | None = None
    steps: int | None = None
    epochs: int | None = None
    name: str = ""
    after: int = 0
    rounds: int = 1
    share: float = 1.0
    penalty: Penalty | None = None
    accepts: Callable[[TrainParams], None] | None = None

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

    - arrays: what it learnt, without the group local/, without what it had nothing to train on,
      and without what belongs to a modality that none of its training records has.
    - n: array -> training items behind it; of several lessons, those of the last.
    - steps: array -> optimiser steps, over all lessons that trained it.
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
    - results: how the last training of each module went, by its name (and, after a dot, that of the
      lesson); without those that had nothing to train on.
    """

    learnt: bool = False
    results: Mapping[str, training.TrainResult] = {}
    _taught: Mapping[int, tuple[training.TrainResult, ...]] = {}

    @property
    @abstractmethod
    def modules(self) -> Mapping[str, nn.Module]:
        """The modules by name, once begun. The only one is called ""."""

    @abstractmethod
    def lesson(self, module: str, train: Cohort, valid: Cohort | None, context: Context) -> Lesson | None:
        """What a module is trained on, and selected by where there is a `valid`; None where
        `train` has nothing for it.
        """

    def lessons(self, module: str, train: Cohort, valid: Cohort | None, context: Context) -> Iterator[Lesson]:
        """The lessons of a module, one after the other: each is asked for when the one before is
        over. By default the one of `lesson`.
        """
        lesson = self.lesson(module, train, valid, context)
        if lesson is not None:
            yield lesson

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
        holder, _, own = weight.rpartition(".")
        buffers = self.modules[module].get_submodule(holder).named_buffers(recurse=False)
        return "buffer" if any(name == own for name, _ in buffers) else "shared"

    def pieces(self, module: str, weight: str, tensor: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Group -> the part of a weight that is in it, as a view; the parts make up the whole. By
        default one, in the group of `group`.
        """
        return {self.group(module, weight): tensor}

    def merge_own(self, round: int, replies: Mapping[int, Reply]) -> Own:
        """The arrays of the groups own/, merged.

        Name -> array, the same for all clients; or client -> arrays that it is sent in place of
        those of the same names; or both. What is the same for all also validates and predicts. An
        array that is not among them stays as it was.
        """
        return {}

    def groups(self) -> dict[str, str]:
        """Array -> group."""
        return {name: place.group for name, place in self._places().items()}

    def get(self) -> dict[str, np.ndarray]:
        """All that is learnt, as copies."""
        return {name: place.tensor.cpu().numpy().copy() for name, place in self._places().items()}

    @torch.no_grad()
    def set(self, arrays: Arrays) -> None:
        """Take what `get` gave, or a part of it. Whole numbers that a merge has averaged are
        rounded. A whole weight or buffer of the group own/ takes on the shape of its array.

        Raises KeyError for an array it has not, ValueError for another shape.
        """
        places = self._places()
        for name, array in arrays.items():
            place = places[name]
            tensor = place.tensor
            if array.shape != tuple(tensor.shape):
                if not place.grows:
                    raise ValueError(f"{name} has the shape {array.shape}, not {tuple(tensor.shape)}")
                tensor = _reshaped(self.modules[place.module], place.weight, array.shape)
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
        lacking = {name for name, series in train.modalities.items() if not np.any(series.available)}
        sent = {
            name: self._taught[place.key]
            for name, place in places.items()
            if place.group != "local" and place.key in self._taught and not lacking & _owners(place.group)
        }
        loss = sum(result.history[-1].loss * result.size for result in self.results.values())
        return Reply(
            arrays={name: arrays[name] for name in sent},
            n={name: results[-1].size for name, results in sent.items()},
            steps={name: sum(result.steps for result in results) for name, results in sent.items()},
            sums={"loss": np.array(loss), "count": np.array(float(sum(each.size for each in self.results.values())))},
            state={name: array for name, array in arrays.items() if places[name].group == "local"},
        )

    def learn(self, train: Cohort, valid: Cohort, context: Context, task: Task | None = None) -> None:
        """Central training: of a single client, with selection on `valid` as the parameters say."""
        self.begin(self.summary(train, task), context)
        self._train(train, Plan(valid=valid), context)

    def _train(self, train: Cohort, plan: Plan, context: Context) -> None:
        self.learnt, self._taught = False, {}
        results: dict[str, training.TrainResult] = {}
        taught: dict[int, tuple[training.TrainResult, ...]] = {}
        for name, module in self.modules.items():
            penalty = None if plan.penalty is None else plan.penalty(module)
            for lesson in self.lessons(name, train, plan.valid, context):
                part = module if lesson.part is None else lesson.part
                params = self._budgeted(lesson, plan)
                if plan.accepts:
                    plan.accepts(params)
                with _alone(module, part):
                    result = training.train(
                        part,
                        lesson.size,
                        lesson.loss if penalty is None else _penalised(lesson.loss, penalty),
                        params,
                        context,
                        validate=lesson.validate,
                        higher=lesson.higher,
                        name=".".join(filter(None, (plan.name, name, lesson.name))) or "training",
                        after=plan.after,
                        share=plan.share,
                        renew=self._renewal(name, lesson, penalty, train, context),
                    )
                results[".".join(filter(None, (name, lesson.name)))] = result
                for tensor in part.state_dict(keep_vars=True).values():
                    taught[id(tensor)] = (*taught.get(id(tensor), ()), result)
        self.learnt, self.results, self._taught = True, results, taught

    def _renewal(
        self,
        module: str,
        lesson: Lesson,
        penalty: Callable[[], torch.Tensor] | None,
        train: Cohort,
        context: Context,
    ) -> Callable[[int], tuple[int, Callable[[np.ndarray], torch.Tensor]]] | None:
        """Epoch -> size and loss of a lesson on the records as that epoch shows them; None where
        all show the same. Where nothing of them can be learnt from, the lesson stays as it was.
        """
        redrawn = context.redrawn
        if redrawn is None:
            return None
        silent = replace(context, redrawn=None, notes=None, report=lambda _: None)

        def renewed(epoch: int) -> tuple[int, Callable[[np.ndarray], torch.Tensor]]:
            again = self.lessons(module, redrawn(epoch, train), None, silent)
            now = next((each for each in again if each.name == lesson.name and each.size), lesson)
            return now.size, now.loss if penalty is None else _penalised(now.loss, penalty)

        return renewed

    def _budgeted(self, lesson: Lesson, plan: Plan) -> TrainParams:
        params = plan.applied(lesson.params or self.params)
        return msgspec.structs.replace(params, steps=lesson.steps, seconds=None) if lesson.steps else params

    def _places(self) -> dict[str, _Place]:
        """Array -> where it lies. A weight that stands in a module twice is one array, of its first
        name.
        """
        places, seen = {}, set()
        for module, built in self.modules.items():
            for weight, tensor in built.state_dict(keep_vars=True).items():
                if id(tensor) in seen:
                    continue
                seen.add(id(tensor))
                for group, piece in self.pieces(module, weight, tensor.detach()).items():
                    place = _Place(group, id(tensor), piece, module, weight, whole=piece.shape == tensor.shape)
                    places["/".join(filter(None, (group, module, weight)))] = place
        return places


@dataclass(frozen=True)
class _Place:
    """An array: its group, the weight that it is a part of, the part, and where the weight is."""

    group: str
    key: int
    tensor: torch.Tensor
    module: str
    weight: str
    whole: bool

    @property
    def grows(self) -> bool:
        """Whether its shape may change."""
        return self.whole and self.group.partition("/")[0] == "own"


def _owners(group: str) -> set[str]:
    """The modalities that a client must have to send a group."""
    kind, *modalities = group.split("/")
    return set(modalities) if kind in ("mod", "pair", "buffer", "own") else set()


def _reshaped(module: nn.Module, weight: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A new tensor of a shape in the place of a weight or buffer, whatever it holds."""
    holder, _, own = weight.rpartition(".")
    parent = module.get_submodule(holder)
    before = getattr(parent, own)
    tensor: torch.Tensor = before.detach().new_empty(shape)
    setattr(parent, own, nn.Parameter(tensor, before.requires_grad) if isinstance(before, nn.Parameter) else tensor)
    return tensor


@contextmanager
def _alone(module: nn.Module, part: nn.Module) -> Iterator[None]:
    """Meanwhile what of a module is not in a part of it has no gradient and is in evaluation
    mode.
    """
    if part is module:
        yield
        return
    own = {id(weight) for weight in part.parameters()}
    frozen = [weight for weight in module.parameters() if weight.requires_grad and id(weight) not in own]
    module.eval()
    for weight in frozen:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in frozen:
            weight.requires_grad_(True)


def _penalised(
    loss: Callable[[np.ndarray], torch.Tensor], penalty: Callable[[], torch.Tensor]
) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda items: loss(items) + penalty()
