"""Metrics of the order in which probabilities put records: AUROC, average precision, recall at a
precision.

Several labels or classes (one against the rest) are averaged with equal weight. The weighted forms
agree with scikit-learn's functions with `sample_weight`; whatever does not depend on the weights
(sorting, ties) is done once per prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bench.metric import Evaluator, Metric, columns, total

Binary = Callable[[np.ndarray, np.ndarray], float]
Build = Callable[[np.ndarray, np.ndarray], Evaluator]


def macro(binary: Binary, truth: np.ndarray, outputs: np.ndarray) -> float:
    """The mean over labels or classes of a score of (actual bool [n], output [n])."""
    labels = columns(truth, outputs.shape[1])
    return float(np.mean([binary(actual, outputs[:, k]) for k, actual in enumerate(labels)]))


def weighted_macro(build: Build, truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    """The same of an evaluator of (actual bool [n], output [n])."""
    parts = [build(actual, outputs[:, k]) for k, actual in enumerate(columns(truth, outputs.shape[1]))]
    return parts[0] if len(parts) == 1 else lambda weights: np.mean([part(weights) for part in parts], axis=0)


def _roc_auc(actual: np.ndarray, output: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(actual, output))


def _average_precision(actual: np.ndarray, output: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(actual, output))


def _prevalence(actual: np.ndarray, output: np.ndarray) -> float:
    return float(actual.mean())


def _recall_at(least: float, actual: np.ndarray, output: np.ndarray) -> float:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(actual, output)
    return float(recall[precision >= least].max())  # the curve ends at precision 1, recall 0


def cumulated(weights: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Running sums over the records `order` (int [k]), from none to all: [k + 1, resamples].

    NumPy's cumsum along the first axis goes down one column at a time; adding whole rows is several
    times faster where rows are long enough. Both add in the same order, so the sums are the same.
    """
    sums = np.zeros((len(order) + 1, weights.shape[1]), weights.dtype)
    np.take(weights, order, axis=0, out=sums[1:])
    if weights.shape[1] < 256:
        np.cumsum(sums, axis=0, out=sums)
    else:
        for row in range(1, len(sums)):
            np.add(sums[row], sums[row - 1], out=sums[row])
    return sums


def _weighted_roc_auc(positive: np.ndarray, score: np.ndarray) -> Evaluator:
    """The share of weighted (positive, negative) pairs in the right order; a tie counts half
    (Mann & Whitney 1947).
    """
    if positive.sum() > len(positive) / 2:  # the same area seen from the other class: fewer rows to look up
        positive, score = ~positive, -score
    rows = np.flatnonzero(positive)
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(score[negatives], kind="stable")]
    below = np.searchsorted(score[negatives], score[rows], "left")
    up_to = np.searchsorted(score[negatives], score[rows], "right")
    tied = bool((below != up_to).any())

    def evaluate(weights: np.ndarray) -> np.ndarray:
        sums = cumulated(weights, negatives)
        own = weights[rows].astype(np.float64)
        won = np.einsum("nr,nr->r", own, sums[below])
        if tied:
            won = (won + np.einsum("nr,nr->r", own, sums[up_to])) / 2
        area: np.ndarray = won / (own.sum(axis=0) * sums[-1].astype(np.float64))
        return area

    return evaluate


def _steps(
    positive: np.ndarray, score: np.ndarray
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Per threshold that a positive record lies at, tied scores as one: weights -> positives that
    it adds, all above or at it, and the precision there. Each is float64 [thresholds, resamples],
    from the highest threshold down.
    """
    rows = np.flatnonzero(positive)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(score[rows], prepend=np.inf))
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(-score[negatives], kind="stable")]
    above = np.searchsorted(-score[negatives], -score[rows[starts]], "right")

    def at(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        false = cumulated(weights, negatives)[above].astype(np.float64)
        step = np.add.reduceat(weights[rows].astype(np.float64), starts, axis=0)
        true = np.cumsum(step, axis=0)
        return step, true, np.where(true > 0, true / (true + false), 0.0)

    return at


def _weighted_average_precision(positive: np.ndarray, score: np.ndarray) -> Evaluator:
    """The sum over thresholds of (step in recall) x precision, tied scores as one threshold."""
    steps = _steps(positive, score)

    def evaluate(weights: np.ndarray) -> np.ndarray:
        step, true, precision = steps(weights)
        area: np.ndarray = (step * precision).sum(axis=0) / true[-1]
        return area

    return evaluate


def _weighted_prevalence(positive: np.ndarray, score: np.ndarray) -> Evaluator:
    return lambda weights: total(positive, weights) / weights.sum(axis=0, dtype=np.float64)


def _weighted_recall_at(least: float, positive: np.ndarray, score: np.ndarray) -> Evaluator:
    """The largest recall among thresholds of enough precision. A threshold between two positives
    has the recall of the higher one and no more precision, so that positives are all there is to
    look at.
    """
    steps = _steps(positive, score)

    def evaluate(weights: np.ndarray) -> np.ndarray:
        _, true, precision = steps(weights)
        recall: np.ndarray = np.where(precision >= least, true, 0.0).max(axis=0) / true[-1]
        return recall

    return evaluate


AUROC = Metric(partial(macro, _roc_auc), partial(weighted_macro, _weighted_roc_auc))
AUPRC = Metric(partial(macro, _average_precision), partial(weighted_macro, _weighted_average_precision))
AUPRC_BASELINE = Metric(partial(macro, _prevalence), partial(weighted_macro, _weighted_prevalence))


def _recall_at_precision(least: float) -> Metric:
    return Metric(
        partial(macro, partial(_recall_at, least)), partial(weighted_macro, partial(_weighted_recall_at, least))
    )


RECALL_AT_PRECISION_50 = _recall_at_precision(0.5)
RECALL_AT_PRECISION_80 = _recall_at_precision(0.8)
RECALL_AT_PRECISION_90 = _recall_at_precision(0.9)
