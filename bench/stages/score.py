"""Scores of predictions: metrics from scikit-learn, each test id exactly once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench import signed
from bench.cohort import Task
from bench.errors import PluginError


class ScoreError(PluginError, ValueError):
    """Predictions or imputed values cannot be scored: shapes that do not fit, numbers that are not finite."""


@dataclass(frozen=True)
class Metric:
    """A score of predictions.

    function: (truth, outputs) -> float; truth [n] or [n, outputs], outputs float32 [n, outputs] as `Fuser.predict` gives.
    higher:   larger is better. chance: what an uninformed prediction scores, None where it depends on the data.
    undefinable: NaN is an answer (a correlation with a constant), no reason for the cell to fail; see `score`.
    tuned:    of decisions at thresholds that were chosen on the validation part (`thresholds`), not of probabilities. Such a
              metric is never a task's primary one.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    higher: bool = True
    chance: float | None = None
    summary: str = ""
    undefinable: bool = False
    tuned: bool = False


def _auroc(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    if outputs.shape[1] == 1:
        return float(roc_auc_score(truth, outputs[:, 0]))
    if truth.ndim == 2:
        return float(roc_auc_score(truth, outputs, average="macro"))
    return float(roc_auc_score(truth, outputs, multi_class="ovr", average="macro"))


def _auprc(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, outputs[:, 0] if outputs.shape[1] == 1 else outputs))


def _hard(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    if outputs.shape[1] == 1:
        return (outputs[:, 0] >= 0.5).astype(int)
    return (outputs >= 0.5).astype(int) if truth.ndim == 2 else outputs.argmax(1)


def _f1(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(
        f1_score(truth, _hard(truth, outputs), average="binary" if outputs.shape[1] == 1 else "macro", zero_division=0)
    )


def _accuracy(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(truth, _hard(truth, outputs)))


def _brier(truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.mean((outputs.reshape(truth.shape) - truth) ** 2))


def _mae(truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.mean(np.abs(outputs.reshape(truth.shape) - truth)))


def _mse(truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.mean((outputs.reshape(truth.shape) - truth) ** 2))


def _rmse(truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.sqrt(_mse(truth, outputs)))


METRICS: dict[str, Metric] = {
    "auroc": Metric(_auroc, chance=0.5, summary="area under the ROC curve; macro over labels, one-vs-rest for classes"),
    "auprc": Metric(_auprc, summary="average precision; macro over labels"),
    "f1": Metric(_f1, summary="F1 of class 1 at threshold 0.5; macro for several classes or labels"),
    "f1_tuned": Metric(
        _f1,
        summary="F1 of class 1 at the threshold with the best F1 on the validation part; macro over labels, each its own",
        undefinable=True,
        tuned=True,
    ),
    "accuracy": Metric(_accuracy, summary="share of correct decisions at threshold 0.5 or by the largest probability"),
    "brier": Metric(_brier, higher=False, summary="mean squared error of the probability"),
    "mae": Metric(_mae, higher=False, summary="mean absolute error, over all values of a forecast"),
    "mse": Metric(_mse, higher=False, summary="mean squared error, over all values of a forecast"),
    "rmse": Metric(_rmse, higher=False, summary="root mean squared error, over all values of a forecast"),
    **{
        name: Metric(function, summary=signed.SUMMARIES[name], undefinable=True)
        for name, function in signed.FUNCTIONS.items()
    },
}


def thresholds(task: Task, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
    """Per output the threshold with the best F1 (Lipton et al. 2014), float64 [outputs]; of equal ones the highest.

    truth, outputs: of the validation part, as for `score`. A threshold lies halfway between two outputs that occur, so that none
    is a record's own; a label without positives keeps 0.5. None for a task whose decisions are by no threshold (several classes,
    regression), and where there is no record or an output is not finite.
    """
    from sklearn.metrics import precision_recall_curve

    if task.kind not in ("binary", "multilabel") or not len(truth) or not np.isfinite(outputs).all():
        return None
    chosen = np.full(task.outputs, 0.5)
    for label, (actual, probability) in enumerate(zip(truth.reshape(outputs.shape).T, outputs.T, strict=True)):
        if not actual.any():
            continue
        precision, recall, at = precision_recall_curve(actual, probability)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = len(at) - 1 - int(np.argmax(f1[:-1][::-1]))
        below = probability[probability < at[best]]
        chosen[label] = (float(at[best]) + float(below.max())) / 2 if len(below) else float(at[best]) / 2
    return chosen


def score(task: Task, truth: np.ndarray, outputs: np.ndarray, decided_at: np.ndarray | None = None) -> dict[str, float]:
    """All of the task's metrics, by name; those that are `undefinable` and not defined are left out.

    decided_at: thresholds of another part for the `tuned` metrics, which are left out without them.
    truth: float32 [n] or [n, outputs], no NaN; outputs: float32 [n, outputs]. Raises ScoreError when shapes differ from the
    task's, an output or a score is not finite: such a cell fails, since a score over the rest would be a different test. A
    leaderboard shows NaN for what was left out.
    """
    if outputs.shape != (len(truth), task.outputs):
        raise ScoreError(
            f"predictions have shape {outputs.shape}, the task {task.name} needs {(len(truth), task.outputs)}"
        )
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs).all(axis=1)).sum())
        raise ScoreError(f"{bad} of {len(outputs)} predictions are not finite numbers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say of a missing class is said by the error below
        decisions = None if decided_at is None else (outputs >= decided_at).astype(np.float32)
        of = {name: decisions if METRICS[name].tuned else outputs for name in task.metrics}
        scores = {name: METRICS[name].function(truth, on) for name, on in of.items() if on is not None}
    scores = {name: value for name, value in scores.items() if not (METRICS[name].undefinable and math.isnan(value))}
    if strange := [name for name, value in scores.items() if not math.isfinite(value)]:
        raise ScoreError(
            f"{', '.join(strange)} cannot be computed on {len(truth)} records of task {task.name}: "
            "most likely a class or label does not occur among them"
        )
    return scores
