"""What fusers share, with torch or without: what models are selected by, the refusal of an
incomplete grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.cohort import Cohort, Task
from bench.errors import UsageError
from bench.metrics.defined import needs
from bench.metrics.known import metric
from bench.metrics.scoring import value

__all__ = ["Selection", "mean_loss", "require_complete", "selection"]


@dataclass(frozen=True)
class Selection:
    """The validation score by which a model, a penalty or a number of trees is chosen.

    - measure: outputs float32 [n, outputs], as `Fuser.predict` gives them for the validation part
      -> score. NaN where one is no finite number. None where the score of these outputs is not
      defined (`bench.metrics.defined`): they are never chosen by it.
    - loss: the same -> mean negative log likelihood (regression: mean squared error).
    """

    name: str
    higher: bool
    measure: Callable[[np.ndarray], float | None]
    loss: Callable[[np.ndarray], float]

    def rank(self, outputs: np.ndarray) -> tuple[float, float]:
        """By which to compare candidates, larger is better: the score and, where it ties (small
        parts), the loss.

        Whatever has a score is better than what has none.
        """
        score, loss = self.measure(outputs), self.loss(outputs)
        signed = score if score is None or self.higher else -score
        return (-math.inf if signed is None or math.isnan(signed) else signed), (
            -math.inf if math.isnan(loss) else -loss
        )


def selection(task: Task, truth: np.ndarray) -> Selection | None:
    """How to select on a validation part whose targets are `truth` ([n] or [n, labels], no NaN).

    The task's primary metric, where the part can tell models apart by it. Where it is not defined
    on the part, or a class of the task does not occur in it, the loss decides. None where the part
    is empty: nothing can be selected then.
    """
    if len(truth) == 0:
        return None

    def loss(outputs: np.ndarray) -> float:
        return mean_loss(task, truth, outputs)

    primary = metric(task.primary)
    defined = not needs(primary.undefined, truth, task.outputs).lacking()
    if defined and (task.kind == "regression" or _all_classes(task, truth)):

        def measure(outputs: np.ndarray) -> float | None:
            score = value(task.primary, truth, outputs)
            return None if math.isnan(score) and np.isfinite(outputs).all() else score

        return Selection(task.primary, bool(primary.higher), measure, loss)
    return Selection("loss", False, loss, loss)


def _all_classes(task: Task, truth: np.ndarray) -> bool:
    if task.kind == "multiclass":
        return len(np.unique(truth)) == task.outputs
    labels = truth.reshape(len(truth), -1)
    return bool(((labels == 0).any(axis=0) & (labels == 1).any(axis=0)).all())


def mean_loss(task: Task, truth: np.ndarray, outputs: np.ndarray) -> float:
    """Mean negative log likelihood of class targets (over labels too); mean squared error for
    regression.
    """
    if task.kind == "regression":
        return float(((outputs.reshape(truth.shape).astype(np.float64) - truth) ** 2).mean())
    p = np.clip(outputs.astype(np.float64), 1e-7, 1 - 1e-7)
    if task.kind == "multiclass":
        return float(-np.log(p[np.arange(len(truth)), truth.astype(int)]).mean())
    labels = truth.reshape(p.shape)
    return float(-np.where(labels == 1, np.log(p), np.log(1 - p)).mean())


def require_complete(cohort: Cohort, fuser: str) -> None:
    """UsageError, naming the modality, when a grid holds NaN and the fuser cannot take it."""
    for name, series in cohort.modalities.items():
        holes = int(np.isnan(series.grid).sum())
        if holes:
            raise UsageError(
                f'fuser "{fuser}" needs a completed grid, but {holes} of {series.grid.size} entries of modality '
                f'"{name}" are NaN (from the imputer). Choose an imputer that completes the grid (imputer=mean) '
                "or a fuser tagged nan_aware (see: bench list fusers)"
            )
