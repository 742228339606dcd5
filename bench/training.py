"""The training loop every torch method gets, fusers and imputers alike;
`docs/reference/training.md` describes it.

Nothing here draws from the global random state it finds. The order of an epoch, the noise of a step
(dropout, diffusion) and the noise of a validation are each seeded by themselves from the context.
So a checkpoint needs no random state, and a training that was interrupted anywhere ends, on the
CPU, with the same bits as one that was not.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from bench.checkpoint import Epoch, State, load, save
from bench.clock import Clock
from bench.components import Context, Interrupted
from bench.errors import BenchError
from bench.train_params import TrainParams

__all__ = ["BatchNorm1d", "TrainResult", "TrainingError", "autocast", "seeded", "train"]


class TrainingError(BenchError):
    """A training that cannot go on: the loss, the gradient or the validation score is not a
    finite number.
    """


@dataclass(frozen=True)
class TrainResult:
    """How a training went. The module itself holds the chosen weights.

    - size: training items.
    - steps: optimiser steps done, resumed ones included.
    - resumed_from: the step of the checkpoint, or 0.
    - best_step: the step the chosen weights come from.
    - best: their validation score, None where nothing was validated.
    """

    size: int
    steps: int
    best_step: int
    best: float | None
    history: tuple[Epoch, ...]
    resumed_from: int = 0


@contextlib.contextmanager
def seeded(context: Context, axis: str, *names: object) -> Iterator[None]:
    """Torch's random numbers inside the block follow `context.seed_for(axis, *names)`; outside,
    nothing has changed.
    """
    with torch.random.fork_rng(devices=_cuda_devices(context)):
        _seed(context, axis, *names)
        yield


def _seed(context: Context, axis: str, *names: object) -> None:
    """Seed the generators of the device with `context.seed_for(axis, *names)`.

    On the CPU its generator alone. `torch.manual_seed` would also leave word for the GPUs of every
    maker, each time with the stack of calls as text.
    """
    seed = context.seed_for(axis, *names)
    (torch.default_generator if context.device == "cpu" else torch).manual_seed(seed)


def autocast(context: Context) -> torch.autocast:
    """The precision of the run: bfloat16 where the context says "bf16" (weights stay float32),
    else float32.
    """
    return torch.autocast(context.device, dtype=torch.bfloat16, enabled=context.precision == "bf16")


def train(
    module: nn.Module,
    size: int,
    loss: Callable[[np.ndarray], torch.Tensor],
    params: TrainParams,
    context: Context,
    *,
    validate: Callable[[], float | None] | None = None,
    higher: bool = False,
    name: str = "training",
    after: int = 0,
    share: float = 1.0,
    renew: Callable[[int], tuple[int, Callable[[np.ndarray], torch.Tensor]]] | None = None,
) -> TrainResult:
    """Train `module` (already on `context.device`) in place; it comes back in eval mode with the
    best weights.

    - size: how many training items there are; at least 1.
    - loss: items (int64 [b], indices below `size`) -> mean loss over them, a scalar tensor; called
      in training mode, under the precision of the run.
    - validate: -> score of the module as it is; called in eval mode, without gradients, after every
      epoch and at the end. It gives None where the score is not defined for the module as it is:
      these weights are not selected. None in its place: nothing is selected, the last weights stay.
    - higher: larger scores are better.
    - name: of this training within the component, where it has several (each has its own checkpoint
      file).
    - after: trainings of this name and budget that came before, as in the rounds of a federation.
      Order and noise go on where they ended.
    - share: of the budget that is done, above 0 and at most 1.
    - renew: epoch, from 1 -> size and loss that take the place of the first ones in it. An epoch
      has as many items as the first: of fewer some are visited twice, of more some are left out.

    Deterministic, but for a budget of `seconds`: `context.seed_for("order", name, epoch)` shuffles,
    `("noise", name, step)` seeds each step. With a scratch folder the state is written every
    `checkpoint_seconds`, and a training found there goes on where it was. Raises TrainingError,
    naming the step, when a loss, a gradient or a score is not finite; Interrupted, after the
    checkpoint is written, when the run is being stopped.
    """
    if size < 1:
        raise TrainingError(f"{name}: there is no training record to learn from")
    loop = _Loop(module, size, loss, params, context, validate, higher, name, after, share, renew)
    with torch.random.fork_rng(devices=_cuda_devices(context)):
        return loop.run()


def _cuda_devices(context: Context) -> list[int]:
    return [torch.cuda.current_device()] if context.device == "cuda" else []


@dataclass
class _Loop:
    module: nn.Module
    size: int
    loss: Callable[[np.ndarray], torch.Tensor]
    params: TrainParams
    context: Context
    validate: Callable[[], float | None] | None
    higher: bool
    name: str
    after: int
    share: float
    renew: Callable[[int], tuple[int, Callable[[np.ndarray], torch.Tensor]]] | None

    def __post_init__(self) -> None:
        self.per_epoch = math.ceil(self.size / self.params.batch_size)
        whole = self.params.steps or self.params.epochs * self.per_epoch
        self.before = self.after * whole
        self.total = None if self.params.seconds else max(1, math.ceil(self.share * whole))
        self.clock: Clock | None = None
        self.epoch, self.items = 0, self.size
        self.weights = [p for p in self.module.parameters() if p.requires_grad]
        stored = self.module.state_dict().keys()
        buffers = [each for name, each in self.module.named_buffers() if name in stored and each.is_floating_point()]
        # Running statistics belong to the weights they were counted under.
        self.averaged: list[torch.Tensor] = [*self.weights, *buffers]
        self.optimizer = _optimizer(self.weights, self.params)
        self.state = State()
        self.scratch = self.context.scratch
        self.path = self.scratch / f"{self.name}.safetensors" if self.scratch else None

    def run(self) -> TrainResult:
        self._resume()
        resumed_from = self.state.step
        if self.params.seconds:
            if self.validate and not resumed_from:
                self._validate()  # what it loads when it is first used costs nothing of the budget
            self.clock = Clock(self.context.device, self.state.seconds)
        saved = time.monotonic()
        while not self._ended() and not self._patience_ended():
            if self.context.should_stop():
                self._save()
                raise Interrupted(f"{self.name}: stopped at {self._place(self.state.step)}")
            self._step()
            self._tick()
            if (self.before + self.state.step) % self.per_epoch == 0 or self._ended():
                self._end_epoch()
                self._tick()
            if time.monotonic() - saved >= self.params.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
        if self.state.best_weights:
            self.module.load_state_dict(self.state.best_weights)
        else:
            self._swap()
        self.module.eval()
        return self._result(resumed_from)

    def _ended(self) -> bool:
        """Whether the budget is used up."""
        done, budget = self._budget(self.state.step)
        return done >= budget

    def _budget(self, step: int) -> tuple[float, float]:
        """How much of the budget is used when `step` steps are done, and the budget: seconds, or
        else steps.
        """
        if self.total is None:
            return self.state.seconds, self.params.seconds or 0.0
        return step, self.total

    def _tick(self) -> None:
        if self.clock:
            self.state.seconds = self.clock.tick()

    def _place(self, step: int) -> str:
        """How far a training is, in words."""
        done, budget = self._budget(step)
        return f"step {step} of {self.total}" if self.total else f"step {step}, second {done:.3g} of {budget:g}"

    def _step(self) -> None:
        step = self.state.step
        epoch, place = divmod(self.before + step, self.per_epoch)
        if self.renew and epoch != self.epoch:
            self.items, self.loss = self.renew(epoch)
            self.epoch = epoch
        if place == 0 or self.state.order is None:
            order = self.context.rng("order", self.name, epoch).permutation(self.items)
            self.state.order = order if self.items == self.size else np.resize(order, self.size)
        batch = self.state.order[place * self.params.batch_size : (place + 1) * self.params.batch_size]
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.params, *self._budget(step))
        self.module.train()
        _seed(self.context, "noise", self.name, self.before + step)
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.context):
            loss = self.loss(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._not_finite("loss", value)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self.weights, self.params.clip or math.inf))
        if not math.isfinite(norm):
            raise self._not_finite("norm of the gradient", norm)
        self.optimizer.step()
        self.state.step += 1
        if self.params.average:
            self._average()
        self.state.loss_sum += value * len(batch)
        self.state.loss_items += len(batch)

    @torch.no_grad()
    def _average(self) -> None:
        """Let what the step left enter its moving average."""
        if not self.state.average:
            self.state.average = [weight.detach().clone() for weight in self.averaged]
        step = self.state.step
        decay = min(self.params.average, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self.state.average, self.averaged, step)

    @torch.no_grad()
    def _swap(self) -> None:
        """The module has the average, and the state what the last step left, or the other way
        round. None: nothing.
        """
        for weight, average in zip(self.averaged, self.state.average, strict=False):
            held = weight.clone()
            weight.copy_(average)
            average.copy_(held)

    def _end_epoch(self) -> None:
        self._swap()
        self._conclude_epoch()
        self._swap()

    def _conclude_epoch(self) -> None:
        state = self.state
        score = self._validate() if self.validate else None
        done = Epoch(state.step, state.loss_sum / state.loss_items, score)
        state.history.append(done)
        state.loss_sum, state.loss_items = 0.0, 0
        if score is not None and (state.best is None or (score > state.best if self.higher else score < state.best)):
            state.best, state.best_step = score, state.step
            state.best_weights = {key: tensor.detach().clone() for key, tensor in self.module.state_dict().items()}
        shown = "" if score is None else f", validation {score:.4f}"
        by_epochs = not (self.params.steps or self.params.seconds)
        progress = f"epoch {len(state.history)} of {self.params.epochs}" if by_epochs else self._place(state.step)
        self.context.report(f"{self.name}: {progress}: loss {done.loss:.4f}{shown}")

    def _validate(self) -> float | None:
        assert self.validate is not None
        self.module.eval()
        _seed(self.context, "noise", self.name, "validation")
        with torch.no_grad(), autocast(self.context):
            value = self.validate()
        score = None if value is None else float(value)
        if score is not None and not math.isfinite(score):
            raise self._not_finite("validation score", score)
        return score

    def _patience_ended(self) -> bool:
        budget = self.params.steps or self.params.seconds
        if budget or not self.params.patience or not self.state.best_weights:
            return False
        return self.state.step - self.state.best_step >= self.params.patience * self.per_epoch

    def _not_finite(self, what: str, value: float) -> TrainingError:
        return TrainingError(
            f"{self.name}: the {what} became {value} at {self._place(self.state.step + 1)}; lower learning_rate "
            f"(now {self.params.learning_rate:g}) or clip (now {self.params.clip:g}), or use precision=fp32"
        )

    def _result(self, resumed_from: int) -> TrainResult:
        state = self.state
        best_step = state.best_step if state.best is not None else state.step
        return TrainResult(self.size, state.step, best_step, state.best, tuple(state.history), resumed_from)

    def _identity(self) -> dict[str, Any]:
        """What must agree for a checkpoint to be the beginning of this very training."""
        params = msgspec.to_builtins(self.params)
        params.pop("checkpoint_seconds", None)
        shapes = {key: [str(value.dtype), *value.shape] for key, value in self.module.state_dict().items()}
        c = self.context
        return {
            "params": params,
            "shapes": shapes,
            "size": self.size,
            "after": self.after,
            "share": self.share,
            "seed": c.seed,
            "device": c.device,
            "precision": c.precision,
        }

    def _save(self) -> None:
        if self.path:
            save(self.path, self.state, self.module, self.optimizer, self._identity())
        if self.clock:
            self.clock.start()

    def _resume(self) -> None:
        if not self.path or not self.path.exists():
            return
        problem = load(self.path, self.state, self.module, self.optimizer, self._identity())
        if problem:
            self.context.report(f"{self.name}: checkpoint ignored, training starts again from step 0: {problem}")
        else:
            self.context.report(f"{self.name}: goes on at {self._place(self.state.step)}")


def _optimizer(weights: list[nn.Parameter], params: TrainParams) -> torch.optim.Optimizer:
    if params.optimizer == "sgd":
        return torch.optim.SGD(
            weights, lr=params.learning_rate, momentum=params.momentum, weight_decay=params.weight_decay
        )
    rule = torch.optim.AdamW if params.optimizer == "adamw" else torch.optim.Adam
    return rule(weights, lr=params.learning_rate, weight_decay=params.weight_decay)


class BatchNorm1d(nn.BatchNorm1d):
    """torch's, but that a batch of a single value per channel, which has no spread, is normalised
    as in evaluation.

    So the last batch of an epoch may hold a single record.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and x.numel() == x.shape[1]:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(x)


def learning_rate(params: TrainParams, done: float, budget: float) -> float:
    """The rate of the next step when so many steps of a budget are done, or seconds of one in
    seconds. A function of nothing else, so that resuming needs no more state.
    """
    if params.schedule == "constant":
        return params.learning_rate
    if params.schedule == "milestones":
        return params.learning_rate * 0.1 ** (int(done >= 0.75 * budget) + int(done >= 0.9 * budget))
    return params.learning_rate * 0.5 * (1 + math.cos(math.pi * done / budget))
