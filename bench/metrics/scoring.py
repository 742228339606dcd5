"""Scores of predictions, where they are defined: of a whole part, and of resamples of it.

The primary metric decides whether a cell has a result at all. Every other metric may be missing: it
can be computed later, from the predictions that a cell leaves.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.cohort import Task
from bench.errors import PluginError
from bench.metric import Evaluator
from bench.metrics.defined import needs
from bench.metrics.error import ScoreError
from bench.metrics.known import metric


@dataclass(frozen=True)
class Scores:
    """What metrics give for one prediction.

    values: metric -> score. undefined: metrics that have no score here. failed: metric -> why it
            could not be computed.
    """

    values: dict[str, float] = field(default_factory=dict)
    undefined: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def load(names: Iterable[str]) -> None:
    """Import the functions of metrics, before a component may change the process. A failure to
    import is reported where the score is computed.
    """
    for name in names:
        with contextlib.suppress(PluginError):
            metric(name).load()


def value(name: str, truth: np.ndarray, outputs: np.ndarray, **at_hand: Any) -> float:
    """One metric. truth: float32 [n] or [n, outputs], no NaN; outputs: float32 [n, outputs];
    at_hand: see `bench.metric.Metric`.

    NaN where the score is not defined (`bench.metrics.defined`) or an output is no finite number.
    Raises PluginError where the function of the metric fails.
    """
    spec, truth = metric(name), _flat(truth, outputs)
    if not np.isfinite(outputs).all() or needs(spec.undefined, truth, outputs.shape[1], outputs).lacking():
        return math.nan
    function = spec.load().score
    with np.errstate(over="ignore"):  # what is too large to be squared scores infinity, which `score` refuses in words
        return float(spec.answer(function, truth, outputs, **at_hand))


def evaluator(name: str, truth: np.ndarray, outputs: np.ndarray, **at_hand: Any) -> Evaluator:
    """One metric of one prediction, ready to be evaluated for many weightings; arguments as for
    `value`.
    """
    if not len(truth):
        return lambda weights: np.full(weights.shape[1], np.nan)
    spec, truth = metric(name), _flat(truth, outputs)
    needed = needs(spec.undefined, truth, outputs.shape[1], outputs)
    evaluate = spec.answer(spec.load().evaluator, truth, outputs, **at_hand)

    def where_defined(weights: np.ndarray) -> np.ndarray:
        met = needed.met(weights)
        if not met.any():
            return np.full(weights.shape[1], np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = np.full(weights.shape[1], np.nan)
            scores[met] = spec.answer(evaluate, weights if met.all() else np.ascontiguousarray(weights[:, met]))
            return scores

    return where_defined


def scores_of(names: Iterable[str], truth: np.ndarray, outputs: np.ndarray, at_hand: Mapping[str, Any]) -> Scores:
    """Several metrics. at_hand: all that is at hand of what metrics may ask for; one that asks
    for more is left out.
    """
    scores = Scores()
    for name in names:
        asks = metric(name).asks
        if not set(asks) <= at_hand.keys():
            continue
        try:
            score = value(name, truth, outputs, **{key: at_hand[key] for key in asks})
        except PluginError as error:
            scores.failed[name] = str(error)
            continue
        if math.isfinite(score):
            scores.values[name] = score
        elif math.isnan(score):
            scores.undefined.append(name)
        else:
            scores.failed[name] = f"{name} is not finite: {_too_large(outputs)}"
    return scores


def score(task: Task, truth: np.ndarray, outputs: np.ndarray, **at_hand: Any) -> Scores:
    """The task's metrics of the test part. at_hand: see `scores_of`.

    Raises ScoreError, so that the cell fails, when shapes differ from the task's or an output is
    not finite. It also raises it when the primary metric has no score and the predictions are not
    to blame: a score over fewer records would be another test. Where the predictions are (a
    correlation with a constant), the primary metric is undefined.
    """
    if outputs.shape != (len(truth), task.outputs):
        raise ScoreError(
            f"predictions have shape {outputs.shape}, the task {task.name} needs {(len(truth), task.outputs)}"
        )
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs).all(axis=1)).sum())
        raise ScoreError(f"{bad} of {len(outputs)} predictions are not finite numbers")
    scores = scores_of(task.metrics, truth, outputs, at_hand)
    spec = metric(task.primary)
    what = f"{task.primary} cannot be computed on {len(truth)} records of task {task.name}"
    if lacking := needs(spec.undefined, _flat(truth, outputs), task.outputs).lacking():
        raise ScoreError(f"{what}: {lacking}")
    if task.primary in scores.failed:
        raise ScoreError(f"{what}: {scores.failed[task.primary]}")
    return scores


def _too_large(outputs: np.ndarray) -> str:
    return f"predictions up to {np.abs(outputs).max(initial=0):.3g} are too large"


def _flat(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    return truth[:, 0] if truth.ndim == 2 and outputs.shape[1] == 1 else truth
