"""Scores of predictions: metrics from scikit-learn, each test id exactly once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bench.cohort import Task, TaskKind
from bench.errors import PluginError
from bench.metrics import sentiment as signed
from bench.metrics.declared import CLASSES, DECIDED, KINDS_OF, TUNED, unfit
from bench.metrics.defined import columns, needs


class ScoreError(PluginError, ValueError):
    """Predictions or imputed values cannot be scored: shapes that do not fit, numbers that are not finite."""


@dataclass(frozen=True)
class Metric:
    """A score of predictions.

    function: (truth, outputs) -> float; truth [n] or [n, outputs], outputs float32 [n, outputs] as `Fuser.predict` gives.
              NaN where the score is not defined (`bench.metrics.defined`) or an output is no finite number; it never warns.
    kinds:    of the tasks it is for.
    higher:   larger is better. chance: what an uninformed prediction scores, None where it depends on the data.
    undefinable: NaN is an answer (a correlation with a constant), no reason for the cell to fail; see `score`.
    tuned:    of decisions at thresholds that were chosen on the validation part (`thresholds`), not of probabilities. Such a
              metric is never a task's primary one.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    kinds: tuple[TaskKind, ...] = CLASSES
    higher: bool = True
    chance: float | None = None
    summary: str = ""
    undefinable: bool = False
    tuned: bool = False


def _macro(binary: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, outputs: np.ndarray) -> float:
    """The mean over labels or classes of a score of (actual bool [n], output [n])."""
    found = columns(truth, outputs.shape[1])
    return float(np.mean([binary(actual, outputs[:, k]) for k, actual in enumerate(found)]))


def _auroc(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return _macro(roc_auc_score, truth, outputs)


def _auprc(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    return _macro(average_precision_score, truth, outputs)


def decisions(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Decided at 0.5, or by the largest output: int, as `truth`."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] >= 0.5).astype(int)
    return (outputs >= 0.5).astype(int) if truth.ndim == 2 else outputs.argmax(1)


def _f1(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    decided = columns(decisions(truth, outputs), outputs.shape[1])
    return _macro(f1_score, truth, np.stack(decided, axis=1))


def _accuracy(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(truth, decisions(truth, outputs)))


def _brier(truth: np.ndarray, outputs: np.ndarray) -> float:
    if truth.ndim == 1 and outputs.shape[1] > 1:
        happened = np.stack(columns(truth, outputs.shape[1]), axis=1)
        return float(((outputs - happened) ** 2).sum(axis=1).mean())
    return _mse(truth, outputs)


def _mae(truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.mean(np.abs(outputs.reshape(truth.shape) - truth)))


def _mse(truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.mean((outputs.reshape(truth.shape) - truth) ** 2))


def _rmse(truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.sqrt(_mse(truth, outputs)))


def _where_defined(
    name: str, function: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, outputs: np.ndarray
) -> float:
    if truth.ndim == 2 and outputs.shape[1] == 1:
        truth = truth[:, 0]
    if not np.isfinite(outputs).all() or needs(name, truth, outputs.shape[1], outputs).lacking():
        return math.nan
    with np.errstate(over="ignore"):  # what is too large to be squared scores infinity, which `score` refuses in words
        return function(truth, outputs)


_ALL: dict[str, Metric] = {
    "auroc": Metric(_auroc, chance=0.5, summary="area under the ROC curve; macro over labels, one-vs-rest for classes"),
    "auprc": Metric(_auprc, summary="average precision; macro over labels"),
    "f1": Metric(_f1, summary="F1 of class 1 at threshold 0.5; macro for several classes or labels"),
    "f1_tuned": Metric(
        _f1,
        summary="F1 of class 1 at the threshold with the best F1 on the validation part; macro over labels, each its own",
        undefinable=True,
    ),
    "accuracy": Metric(_accuracy, summary="share of correct decisions at threshold 0.5 or by the largest probability"),
    "brier": Metric(_brier, higher=False, summary="mean squared error of the probability; summed over several classes"),
    "mae": Metric(_mae, higher=False, summary="mean absolute error, over all values of a forecast"),
    "mse": Metric(_mse, higher=False, summary="mean squared error, over all values of a forecast"),
    "rmse": Metric(_rmse, higher=False, summary="root mean squared error, over all values of a forecast"),
    **{
        name: Metric(function, summary=signed.SUMMARIES[name], undefinable=True)
        for name, function in signed.FUNCTIONS.items()
    },
}

METRICS: dict[str, Metric] = {
    name: replace(
        metric,
        function=partial(_where_defined, name, metric.function),
        kinds=KINDS_OF[name],
        tuned=name in TUNED,
    )
    for name, metric in _ALL.items()
}


def thresholds(task: Task, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
    """Per output the threshold with the best F1 (Lipton et al. 2014), float64 [outputs]; of equal ones the highest.

    truth, outputs: of the validation part, as for `score`. A threshold lies halfway between two outputs that occur, so that none
    is a record's own. None where there is no best one: for a task whose decisions are by no threshold (several classes,
    regression), where F1 is not defined (`bench.metrics.defined`: a label has no positive), and where an output is not finite.
    """
    from sklearn.metrics import precision_recall_curve

    if task.kind not in DECIDED or not np.isfinite(outputs).all():
        return None
    if needs("f1", truth, task.outputs).lacking():
        return None
    chosen = np.zeros(task.outputs)
    for label, (actual, probability) in enumerate(zip(truth.reshape(outputs.shape).T, outputs.T, strict=True)):
        precision, recall, at = precision_recall_curve(actual, probability)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = len(at) - 1 - int(np.argmax(f1[:-1][::-1]))
        below = probability[probability < at[best]]
        chosen[label] = (float(at[best]) + float(below.max())) / 2 if len(below) else float(at[best]) / 2
    return chosen


def defined_scores(
    task: Task, truth: np.ndarray, outputs: np.ndarray, decided_at: np.ndarray | None = None
) -> dict[str, float]:
    """The task's metrics that are defined and finite, by name; arguments as for `score`, which refuses what this leaves out."""
    decided = None if decided_at is None else (outputs >= decided_at).astype(np.float32)
    of = {name: decided if METRICS[name].tuned else outputs for name in task.metrics}
    scores = {name: METRICS[name].function(truth, on) for name, on in of.items() if on is not None}
    return {name: value for name, value in scores.items() if math.isfinite(value)}


def score(task: Task, truth: np.ndarray, outputs: np.ndarray, decided_at: np.ndarray | None = None) -> dict[str, float]:
    """All of the task's metrics, by name; those that are `undefinable` and not defined are left out.

    decided_at: thresholds of another part for the `tuned` metrics, which are left out without them.
    truth: float32 [n] or [n, outputs], no NaN; outputs: float32 [n, outputs]. Raises ScoreError when shapes differ from the
    task's, a metric is not for its kind, an output is not finite, a score is not defined (`bench.metrics.defined`) or
    too large: such a cell fails, since a score over the rest would be a different test. A leaderboard shows NaN for what
    was left out.
    """
    if wrong := unfit(task):
        raise ScoreError(wrong)
    if outputs.shape != (len(truth), task.outputs):
        raise ScoreError(
            f"predictions have shape {outputs.shape}, the task {task.name} needs {(len(truth), task.outputs)}"
        )
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs).all(axis=1)).sum())
        raise ScoreError(f"{bad} of {len(outputs)} predictions are not finite numbers")
    scores = defined_scores(task, truth, outputs, decided_at)
    for name in task.metrics:
        why = needs(name, truth, task.outputs, outputs).lacking()
        if name in scores or METRICS[name].tuned or (why and METRICS[name].undefinable):
            continue
        why = why or f"predictions up to {np.abs(outputs).max():.3g} are too large"
        raise ScoreError(f"{name} cannot be computed on {len(truth)} records of task {task.name}: {why}")
    return scores
