"""The metrics of `bench.metrics.predictions` with record weights, for many weightings at once.

A resample of the test part is a weighting of its records, so a bootstrap is one evaluation of [records, resamples]
weights. Whatever does not depend on the weights (sorting, ties) is done once per prediction. Equal to scikit-learn's
functions with `sample_weight`, except that a weighting by which the score is not defined (`bench.metrics.defined`) gives NaN
where scikit-learn warns, raises or gives 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.metrics import sentiment as signed
from bench.metrics.defined import columns, needs
from bench.metrics.predictions import decisions
from bench.metrics.sentiment import total

Evaluator = Callable[[np.ndarray], np.ndarray]
"""weights float [n, resamples] (not negative) -> float64 [resamples]; NaN where the score is not defined."""

Built = Callable[[np.ndarray, np.ndarray], Evaluator]


def evaluator(metric: str, truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    """A metric of one prediction, ready to be evaluated for many weightings.

    truth: float32 [n] (0 and 1, class indices, or values) or [n, labels]; outputs: float32 [n, outputs]. Several
    labels or classes (one against the rest) are averaged with equal weight, as `bench.metrics.predictions` does. Raises
    KeyError for a metric that has no weighted form.
    """
    build = WEIGHTED[metric]
    if outputs.shape[1] == 1 and truth.ndim == 2:
        truth = truth[:, 0]
    needed, evaluate = needs(metric, truth, outputs.shape[1], outputs), build(truth, outputs)

    def where_defined(weights: np.ndarray) -> np.ndarray:
        met = needed.met(weights)
        if not met.any():
            return np.full(weights.shape[1], np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(met, evaluate(weights), np.nan)

    return where_defined


def _macro(build: Callable[[np.ndarray, np.ndarray], Evaluator]) -> Built:
    """The mean of a binary metric over labels or classes."""

    def built(truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
        parts = [build(actual, outputs[:, k]) for k, actual in enumerate(columns(truth, outputs.shape[1]))]
        return parts[0] if len(parts) == 1 else lambda weights: np.mean([part(weights) for part in parts], axis=0)

    return built


def _cumulated(weights: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Running sums over the records `order` (int [k]), from none to all: [k + 1, resamples].

    NumPy's cumsum along the first axis goes down one column at a time; adding whole rows is several times faster
    where rows are long enough. Both add in the same order, so the sums are the same.
    """
    sums = np.zeros((len(order) + 1, weights.shape[1]), weights.dtype)
    np.take(weights, order, axis=0, out=sums[1:])
    if weights.shape[1] < 256:
        np.cumsum(sums, axis=0, out=sums)
    else:
        for row in range(1, len(sums)):
            np.add(sums[row], sums[row - 1], out=sums[row])
    return sums


def _auroc(positive: np.ndarray, score: np.ndarray) -> Evaluator:
    """The share of weighted (positive, negative) pairs in the right order; a tie counts half (Mann & Whitney 1947)."""
    if positive.sum() > len(positive) / 2:  # the same area seen from the other class: fewer rows to look up
        positive, score = ~positive, -score
    rows = np.flatnonzero(positive)
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(score[negatives], kind="stable")]
    below = np.searchsorted(score[negatives], score[rows], "left")
    up_to = np.searchsorted(score[negatives], score[rows], "right")
    tied = bool((below != up_to).any())

    def evaluate(weights: np.ndarray) -> np.ndarray:
        sums = _cumulated(weights, negatives)
        own = weights[rows].astype(np.float64)
        won = np.einsum("nr,nr->r", own, sums[below])
        if tied:
            won = (won + np.einsum("nr,nr->r", own, sums[up_to])) / 2
        return won / (own.sum(axis=0) * sums[-1].astype(np.float64))

    return evaluate


def _average_precision(positive: np.ndarray, score: np.ndarray) -> Evaluator:
    """The sum over thresholds of (step in recall) x precision, tied scores as one threshold."""
    rows = np.flatnonzero(positive)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(score[rows], prepend=np.inf))
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(-score[negatives], kind="stable")]
    above = np.searchsorted(-score[negatives], -score[rows[starts]], "right")

    def evaluate(weights: np.ndarray) -> np.ndarray:
        false = _cumulated(weights, negatives)[above].astype(np.float64)
        step = np.add.reduceat(weights[rows].astype(np.float64), starts, axis=0)
        true = np.cumsum(step, axis=0)
        precision = np.where(true > 0, true / (true + false), 0.0)
        return (step * precision).sum(axis=0) / true[-1]

    return evaluate


def _mean(loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Built:
    """The weighted mean of a loss per record."""

    def built(truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
        losses = loss(truth, outputs)
        return lambda weights: total(losses, weights) / weights.sum(axis=0, dtype=np.float64)

    return built


def _rmse(truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    mean_square = _mean(_squares)(truth, outputs)
    return lambda weights: np.sqrt(mean_square(weights))


def _squares(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    return _per_record((outputs.reshape(truth.shape) - truth) ** 2)


def _absolute(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    return _per_record(np.abs(outputs.reshape(truth.shape) - truth))


def _per_record(losses: np.ndarray) -> np.ndarray:
    """The mean over a record's own values, [n]: a record of a forecast has many."""
    return losses if losses.ndim == 1 else losses.mean(axis=1)


def _brier(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    if truth.ndim == 1 and outputs.shape[1] > 1:
        return ((outputs - np.stack(columns(truth, outputs.shape[1]), axis=1)) ** 2).sum(axis=1)
    return _squares(truth, outputs)


def _right(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    same = decisions(truth, outputs) == truth
    return same.all(axis=1) if same.ndim == 2 else same


def _f1(truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    """F1 of the positive class, or the mean over labels or classes."""
    width = outputs.shape[1]
    pairs = list(zip(columns(truth, width), columns(decisions(truth, outputs), width), strict=True))

    def one(actual: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return 2 * total(actual & predicted, weights) / (total(actual, weights) + total(predicted, weights))

    return lambda weights: np.mean([one(actual, predicted, weights) for actual, predicted in pairs], axis=0)


WEIGHTED: dict[str, Built] = {
    "auroc": _macro(_auroc),
    "auprc": _macro(_average_precision),
    "f1": _f1,
    "accuracy": _mean(_right),
    "brier": _mean(_brier),
    "mae": _mean(_absolute),
    "mse": _mean(_squares),
    "rmse": _rmse,
    **signed.WEIGHTED,
}
