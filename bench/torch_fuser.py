"""`TorchFuser`: a method writes `build(inputs, task) -> nn.Module`; batches, loss, training,
prediction are done here.

`docs/how-to/write-a-torch-fuser.md` shows a whole fuser in twenty lines.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench import training
from bench.cohort import Cohort, Series, Task
from bench.components import Context, Fuser, NotFitted
from bench.errors import PluginError
from bench.learner import Learner, Lesson
from bench.selection import mean_loss, require_complete, selection
from bench.sums import Moments, Sums
from bench.train_params import TorchFuserParams

__all__ = ["Batch", "EventView", "Inputs", "ModalityView", "TorchFuser"]

P = TypeVar("P", bound=TorchFuserParams)

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Inputs:
    """What a module will be given. Known before training, the same for every batch.

    - modalities: name -> (length, channels) of its grid, in the order of the cohort.
    - statics: how many.
    - events: the batch holds the padded events (`uses_events`).
    - draws: how many draws the batch holds; 0 = none (`uses_draws`).
    """

    modalities: Mapping[str, tuple[int, int]]
    statics: int
    bin_hours: float
    events: bool = False
    draws: int = 0


@dataclass(frozen=True)
class EventView:
    """The time-stamped rows of a batch, padded to its longest record. Results must not depend on
    the padding.

    - times: [b, rows], hours; 0 in the padding.
    - values: [b, rows, channels]; 0 where not observed.
    - observed: [b, rows, channels]; 1 or 0.
    """

    times: torch.Tensor
    values: torch.Tensor
    observed: torch.Tensor


@dataclass(frozen=True)
class ModalityView:
    """One modality of a batch. All tensors float32 on the device of the run.

    - values: [b, length, channels], the completed grid (NaN only for a fuser that says
      `nan_aware`); without meaning where the modality is not `present`.
    - observed: [b, length, channels], 1 where a value was recorded and is visible, else 0.
    - times: [length], hours, left edge of each bin.
    - available, filled: [b], the flags of `bench.cohort.Series`, 1 or 0.
    - events: with `uses_events`, where the parameters ask for them (`Fuser.reads_events`).
    - draws: [draws, b, length, channels] with `uses_draws`.
    """

    values: torch.Tensor
    observed: torch.Tensor
    times: torch.Tensor
    available: torch.Tensor
    filled: torch.Tensor
    events: EventView | None = None
    draws: torch.Tensor | None = None

    @property
    def present(self) -> torch.Tensor:
        """[b], 1 where there is something to read: the modality is available or an imputer
        filled it.
        """
        return torch.maximum(self.available, self.filled)


@dataclass(frozen=True)
class Batch:
    """Some records as tensors.

    statics: [b, statics], standardised on the training part, 0 where unknown. statics_observed: the
             same shape, 1 or 0.
    """

    modalities: dict[str, ModalityView]
    statics: torch.Tensor
    statics_observed: torch.Tensor


class TorchFuser(Learner[P], Fuser[P]):
    """Base of fusers made of one torch module, trained by the harness's loop (`bench.training`).

    A subclass writes `build` alone; its module's `forward(batch: Batch)` returns logits [b,
    task.outputs] (regression: values, on the standardised scale). It may also return a pair of them
    and a penalty, a scalar that is added to the mean loss while training. A penalty, such as the
    load balance of experts, may look at the whole batch. The module must treat every record by
    itself in evaluation, where batch normalisation uses running statistics. Class attributes say
    what else the batch should hold and whether the grid may contain NaN.

    task, target: what is predicted, and mean and standard deviation of a regression's target in
                  training (else 0 and 1).
    """

    uses_events: bool = False
    uses_draws: bool = False
    nan_aware: bool = False
    module: nn.Module | None = None
    task: Task
    target: tuple[np.ndarray, np.ndarray]

    @abstractmethod
    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        """The module, untrained. Called under the seed of the axis `init`, so torch's own
        initialisation is fine.
        """

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        """Train on `train`; keep the weights with the best primary metric on `valid`.

        Where `valid` lacks a class its loss decides, and where it is empty the last weights stay
        (`bench.selection`). Raises UsageError for a grid with NaN (unless `nan_aware`),
        TrainingError, Interrupted.
        """
        self.learn(train, valid, context, task)

    def summary(self, cohort: Cohort, task: Task | None = None) -> Sums:
        """See `Learner.summary`: moments of statics and of a regression's target, else counts of
        classes.
        """
        assert task is not None
        self._check(cohort)
        truth = np.asarray(cohort.targets[task.name], np.float32)
        totals, moments = {"records": np.array(float(len(cohort)))}, {"statics": Moments.of(cohort.statics)}
        if task.kind == "regression":
            moments["target"] = Moments.of(truth)
        else:
            totals["classes"] = _class_counts(task, truth)
        return Sums(self._inputs(cohort), task, totals, moments)

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`."""
        assert sums.task is not None
        self.learnt, self.task = False, sums.task
        self._statics = sums.moments["statics"].scaler()
        self.target, self._weight = (np.zeros((), np.float32), np.ones((), np.float32)), None
        if self.task.kind == "regression":
            self.target = sums.moments["target"].scaler()
        elif self.params.balance:
            self._weight = _class_weights(self.task, sums.totals)
        with training.seeded(context, "init"):
            self.module = self.build(sums.form, self.task).to(context.device)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """See `Learner.modules`."""
        assert self.module is not None
        return {"": self.module}

    def lesson(self, module: str, train: Cohort, valid: Cohort | None, context: Context) -> Lesson:
        """See `Learner.lesson`."""
        loss = self._loss(context.device)
        truth = np.asarray(train.targets[self.task.name], np.float32)
        targets = _tensor((truth - self.target[0]) / self.target[1], context.device)
        lesson = Lesson(len(train), lambda items: self._penalised(train, items, context, loss, targets))
        if valid is None:
            return lesson
        self._check(valid)
        chosen = selection(self.task, np.asarray(valid.targets[self.task.name], np.float32))
        if chosen is None:
            return lesson
        return replace(lesson, validate=lambda: chosen.measure(self._outputs(valid, context)), higher=chosen.higher)

    def validate(self, valid: Cohort, context: Context) -> dict[str, np.ndarray]:
        """See `Learner.validate`: the loss of `bench.selection.mean_loss`."""
        truth = np.asarray(valid.targets[self.task.name], np.float32)
        loss = mean_loss(self.task, truth, self.predict(valid, context)) * len(valid) if len(valid) else 0.0
        return {"loss": np.array(loss), "count": np.array(float(len(valid)))}

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        """float32 [n, outputs]; see `Fuser.predict`. In chunks of `batch_size` records."""
        self._prepare("predict", cohort, context)
        return self._outputs(cohort, context)

    def embed(self, cohort: Cohort, context: Context) -> np.ndarray | None:
        """float32 [n, width]: what the module's own `embed(batch) -> [b, width]` gives; None where
        it has none.

        Raises NotFitted before `fit`.
        """
        self._prepare("embed", cohort, context)
        read = getattr(self.module, "embed", None)
        if read is None:
            return None
        rows = []
        with torch.no_grad(), training.autocast(context):
            for start in range(0, len(cohort), self.params.batch_size):
                items = np.arange(start, min(start + self.params.batch_size, len(cohort)))
                rows.append(read(self._batch(cohort, items, context.device)).float().cpu().numpy())
        return np.concatenate(rows) if rows else None

    def parameters(self) -> int:
        """How many numbers are trained."""
        return 0 if self.module is None else sum(p.numel() for p in self.module.parameters() if p.requires_grad)

    def _prepare(self, name: str, cohort: Cohort, context: Context) -> None:
        if self.module is None or not self.learnt:
            raise NotFitted(f"{type(self).__name__}: fit comes before {name}")
        self._check(cohort)
        self.module.to(context.device).eval()

    def _outputs(self, cohort: Cohort, context: Context) -> np.ndarray:
        outputs = np.zeros((len(cohort), self.task.outputs), np.float32)
        with torch.no_grad(), training.autocast(context):
            for start in range(0, len(cohort), self.params.batch_size):
                items = np.arange(start, min(start + self.params.batch_size, len(cohort)))
                outputs[items] = self._probabilities(self._forward(cohort, items, context)[0]).cpu().numpy()
        return outputs

    def _check(self, cohort: Cohort) -> None:
        if not self.nan_aware:
            require_complete(cohort, type(self).__name__)

    def _inputs(self, cohort: Cohort) -> Inputs:
        draws = [series.draws for series in cohort.modalities.values()]
        return Inputs(
            modalities={name: series.grid.shape[1:] for name, series in cohort.modalities.items()},
            statics=cohort.statics.shape[1],
            bin_hours=cohort.bin_hours,
            events=self.uses_events and self.reads_events,
            draws=len(draws[0]) if self.uses_draws and draws[0] is not None else 0,
        )

    def _loss(self, device: str) -> Loss:
        """(logits [b, outputs], targets [b] or [b, outputs]) -> mean loss."""
        if self.task.kind == "regression":
            error = functional.l1_loss if self.params.regression_loss == "absolute" else functional.mse_loss
            return lambda logits, targets: error(logits.reshape(targets.shape), targets)
        weight = None if self._weight is None else _tensor(self._weight, device)
        if self.task.kind == "multiclass":
            return lambda logits, targets: functional.cross_entropy(logits, targets.long(), weight=weight)
        return lambda logits, targets: functional.binary_cross_entropy_with_logits(
            logits, targets.reshape(logits.shape), pos_weight=weight
        )

    def _penalised(
        self, train: Cohort, items: np.ndarray, context: Context, loss: Loss, targets: torch.Tensor
    ) -> torch.Tensor:
        logits, penalty = self._forward(train, items, context)
        mean = loss(logits, targets[torch.from_numpy(items).to(context.device)])
        return mean if penalty is None else mean + penalty

    def _forward(self, cohort: Cohort, items: np.ndarray, context: Context) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits [b, outputs], and the penalty where the module gives one."""
        assert self.module is not None
        outputs = self.module(self._batch(cohort, items, context.device))
        logits, penalty = outputs if isinstance(outputs, tuple) else (outputs, None)
        expected = (len(items), self.task.outputs)
        if logits.shape != expected:
            raise PluginError(
                f"{type(self).__name__}: forward returned the shape {tuple(logits.shape)}; the task "
                f"{self.task.name} needs logits of the shape {expected} (records, outputs)"
            )
        return logits.float(), penalty

    def _probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        if self.task.kind == "regression":
            center, scale = (_tensor(np.atleast_1d(part), str(logits.device)) for part in self.target)
            return logits * scale + center
        return logits.softmax(dim=1) if self.task.kind == "multiclass" else logits.sigmoid()

    def _batch(self, cohort: Cohort, items: np.ndarray, device: str) -> Batch:
        statics = (cohort.statics[items] - self._statics[0]) / self._statics[1]
        return Batch(
            modalities={name: self._view(series, items, device) for name, series in cohort.modalities.items()},
            statics=_tensor(np.nan_to_num(statics, nan=0.0), device),
            statics_observed=_tensor(~np.isnan(statics), device),
        )

    def _view(self, series: Series, items: np.ndarray, device: str) -> ModalityView:
        events = None
        if self.uses_events and self.reads_events:
            times, values, observed = series.events.take(items).padded()
            filled = np.nan_to_num(values, nan=0.0)
            events = EventView(_tensor(times, device), _tensor(filled, device), _tensor(observed, device))
        return ModalityView(
            values=_tensor(series.grid[items], device),
            observed=_tensor(series.observed[items], device),
            times=_tensor(series.times, device),
            available=_tensor(series.available[items], device),
            filled=_tensor(series.filled[items], device),
            events=events,
            draws=_tensor(series.draws[:, items], device) if self.uses_draws and series.draws is not None else None,
        )


def _tensor(array: np.ndarray, device: str) -> torch.Tensor:
    # Torch warns of read-only memory, which a memory map is: copied only then.
    return torch.from_numpy(np.require(array, np.float32, ["C", "W", "E"])).to(device)


def _class_counts(task: Task, truth: np.ndarray) -> np.ndarray:
    """Records of each class (multiclass) or positives of each label, float64 [outputs]."""
    if task.kind == "multiclass":
        return np.bincount(truth.astype(int), minlength=task.outputs).astype(np.float64)
    positives: np.ndarray = truth.reshape(len(truth), task.outputs).sum(axis=0, dtype=np.float64)
    return positives


def _class_weights(task: Task, totals: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of the classes, or of the positives of each label, float64 [outputs]."""
    counts, records = totals["classes"], totals["records"]
    if task.kind == "multiclass":
        weights: np.ndarray = records / (task.outputs * np.maximum(counts, 1))
    else:
        weights = np.maximum(records - counts, 1) / np.maximum(counts, 1)
    return weights
