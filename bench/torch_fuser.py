"""`TorchFuser`: a method writes `build(inputs, task) -> nn.Module`; batches, loss, training, prediction are done here.

`docs/fusers.md` shows a whole fuser in twenty lines.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench import training
from bench.cohort import Cohort, Series, Task
from bench.components import Context, Fuser, NotFitted
from bench.errors import PluginError
from bench.selection import moments, require_complete, selection
from bench.train_params import TorchFuserParams

__all__ = ["Batch", "EventView", "Inputs", "ModalityView", "TorchFuser"]

P = TypeVar("P", bound=TorchFuserParams)

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Inputs:
    """What a module will be given. Known before training, the same for every batch.

    modalities: name -> (length, channels) of its grid, in the order of the cohort. statics: how many.
    events:     the batch holds the padded events (`uses_events`).
    draws:      how many draws the batch holds; 0 = none (`uses_draws`).
    """

    modalities: Mapping[str, tuple[int, int]]
    statics: int
    bin_hours: float
    events: bool = False
    draws: int = 0


@dataclass(frozen=True)
class EventView:
    """The time-stamped rows of a batch, padded to its longest record. Results must not depend on the padding.

    times:    [b, rows], hours; 0 in the padding.
    values:   [b, rows, channels]; 0 where not observed.
    observed: [b, rows, channels]; 1 or 0.
    """

    times: torch.Tensor
    values: torch.Tensor
    observed: torch.Tensor


@dataclass(frozen=True)
class ModalityView:
    """One modality of a batch. All tensors float32 on the device of the run.

    values:   [b, length, channels], the completed grid (NaN only for a fuser that says `nan_aware`); without meaning where the
              modality is not `present`.
    observed: [b, length, channels], 1 where a value was recorded and is visible, else 0.
    times:    [length], hours, left edge of each bin.
    available, filled: [b], the flags of `bench.cohort.Series`, 1 or 0.
    events:   with `uses_events`, where the parameters ask for them (`Fuser.reads_events`).
    draws:    [draws, b, length, channels] with `uses_draws`.
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
        """[b], 1 where there is something to read: the modality is available or an imputer filled it."""
        return torch.maximum(self.available, self.filled)


@dataclass(frozen=True)
class Batch:
    """Some records as tensors.

    statics: [b, statics], standardised on the training part, 0 where unknown. statics_observed: the same shape, 1 or 0.
    """

    modalities: dict[str, ModalityView]
    statics: torch.Tensor
    statics_observed: torch.Tensor


class TorchFuser(Fuser[P]):
    """Base of fusers made of one torch module, trained by the harness's loop (`bench.training`).

    A subclass writes `build` alone; its module's `forward(batch: Batch)` returns logits [b, task.outputs] (regression:
    values, on the standardised scale), or a pair of them and a penalty, a scalar that is added to the mean loss while
    training (such as the load balance of experts, which may look at the whole batch). The module must treat every record
    by itself otherwise: no batch normalisation.
    Class attributes say what else the batch should hold and whether the grid may contain NaN.
    """

    uses_events: bool = False
    uses_draws: bool = False
    nan_aware: bool = False

    def __init__(self, params: P):
        super().__init__(params)
        self.module: nn.Module | None = None
        self.result: training.TrainResult | None = None

    @abstractmethod
    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        """The module, untrained. Called under the seed of the axis `init`, so torch's own initialisation is fine."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        """Train on `train`; keep the weights with the best primary metric on `valid`.

        Where `valid` lacks a class its loss decides, and where it is empty the last weights stay (`bench.selection`).
        Raises UsageError for a grid with NaN (unless `nan_aware`), TrainingError, Interrupted.
        """
        self._check(train)
        self._check(valid)
        self.result = None
        self._task = task
        self._statics = moments(train.statics)
        truth = np.asarray(train.targets[task.name], np.float32)
        self._target = moments(truth) if task.kind == "regression" else (np.float32(0), np.float32(1))
        with training.seeded(context, "init"):
            self.module = self.build(self._inputs(train), task).to(context.device)
        loss = _loss(task, truth, self.params, context.device)
        targets = _tensor((truth - self._target[0]) / self._target[1], context.device)
        chosen = selection(task, np.asarray(valid.targets[task.name], np.float32))
        self.result = training.train(
            self.module,
            len(train),
            lambda items: self._penalised(train, items, context, loss, targets),
            self.params,
            context,
            validate=None if chosen is None else lambda: chosen.measure(self._outputs(valid, context)),
            higher=chosen is not None and chosen.higher,
        )

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        """float32 [n, outputs]; see `Fuser.predict`. In chunks of `batch_size` records."""
        if self.module is None or self.result is None:
            raise NotFitted(f"{type(self).__name__}: fit comes before predict")
        self._check(cohort)
        self.module.to(context.device)
        return self._outputs(cohort, context)

    def embed(self, cohort: Cohort, context: Context) -> np.ndarray | None:
        """float32 [n, width]: what the module's own `embed(batch) -> [b, width]` gives; None where it has none.

        Raises NotFitted before `fit`.
        """
        if self.module is None or self.result is None:
            raise NotFitted(f"{type(self).__name__}: fit comes before embed")
        read = getattr(self.module, "embed", None)
        if read is None:
            return None
        self._check(cohort)
        self.module.to(context.device).eval()
        rows = []
        with torch.no_grad(), training.autocast(context):
            for start in range(0, len(cohort), self.params.batch_size):
                items = np.arange(start, min(start + self.params.batch_size, len(cohort)))
                rows.append(read(self._batch(cohort, items, context.device)).float().cpu().numpy())
        return np.concatenate(rows) if rows else None

    def parameters(self) -> int:
        """How many numbers are trained."""
        return 0 if self.module is None else sum(p.numel() for p in self.module.parameters() if p.requires_grad)

    def _outputs(self, cohort: Cohort, context: Context) -> np.ndarray:
        outputs = np.zeros((len(cohort), self._task.outputs), np.float32)
        with torch.no_grad(), training.autocast(context):
            for start in range(0, len(cohort), self.params.batch_size):
                items = np.arange(start, min(start + self.params.batch_size, len(cohort)))
                outputs[items] = self._probabilities(self._logits(cohort, items, context)).cpu().numpy()
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

    def _penalised(
        self, train: Cohort, items: np.ndarray, context: Context, loss: Loss, targets: torch.Tensor
    ) -> torch.Tensor:
        logits, penalty = self._forward(train, items, context)
        mean = loss(logits, targets[_index(items, context.device)])
        return mean if penalty is None else mean + penalty

    def _logits(self, cohort: Cohort, items: np.ndarray, context: Context) -> torch.Tensor:
        return self._forward(cohort, items, context)[0]

    def _forward(self, cohort: Cohort, items: np.ndarray, context: Context) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits [b, outputs], and the penalty where the module gives one."""
        assert self.module is not None
        made = self.module(self._batch(cohort, items, context.device))
        logits, penalty = made if isinstance(made, tuple) else (made, None)
        expected = (len(items), self._task.outputs)
        if logits.shape != expected:
            raise PluginError(
                f"{type(self).__name__}: forward returned the shape {tuple(logits.shape)}; the task "
                f"{self._task.name} needs logits of the shape {expected} (records, outputs)"
            )
        return logits.float(), penalty

    def _probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        if self._task.kind == "regression":
            center, scale = (_tensor(np.atleast_1d(part), str(logits.device)) for part in self._target)
            return logits * scale + center
        return logits.softmax(dim=1) if self._task.kind == "multiclass" else logits.sigmoid()

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


def _index(items: np.ndarray, device: str) -> torch.Tensor:
    return torch.from_numpy(items).to(device)


def _loss(task: Task, truth: np.ndarray, params: TorchFuserParams, device: str) -> Loss:
    """(logits [b, outputs], targets [b] or [b, outputs]) -> mean loss."""
    balance = params.balance
    if task.kind == "regression":
        error = functional.l1_loss if params.regression_loss == "absolute" else functional.mse_loss
        return lambda logits, targets: error(logits.reshape(targets.shape), targets)
    if task.kind == "multiclass":
        counts = np.bincount(truth.astype(int), minlength=task.outputs)
        weight = _tensor(len(truth) / (task.outputs * np.maximum(counts, 1)), device) if balance else None
        return lambda logits, targets: functional.cross_entropy(logits, targets.long(), weight=weight)
    labels = truth.reshape(len(truth), -1)
    positives = labels.sum(axis=0)
    odds = np.maximum(len(labels) - positives, 1) / np.maximum(positives, 1)
    weight = _tensor(odds, device) if balance else None
    return lambda logits, targets: functional.binary_cross_entropy_with_logits(
        logits, targets.reshape(logits.shape), pos_weight=weight
    )
