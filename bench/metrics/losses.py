"""Metrics that are a mean of losses of records: Brier score, mean absolute error, (root) mean
squared error.

A record of a forecast has several values; its loss is the mean over them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bench.metric import Evaluator, Metric, columns, total

Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(truth, outputs) -> of each record, [n]."""


def _squares(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    squares: np.ndarray = (outputs.reshape(truth.shape) - truth) ** 2
    return squares


def _absolute(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    absolute: np.ndarray = np.abs(outputs.reshape(truth.shape) - truth)
    return absolute


def _brier(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Of several classes the sum over them, of labels each."""
    if truth.ndim == 1 and outputs.shape[1] > 1:
        squares: np.ndarray = ((outputs - np.stack(columns(truth, outputs.shape[1]), axis=1)) ** 2).sum(axis=1)
        return squares
    return _squares(truth, outputs)


def _mean(loss: Loss, truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.mean(loss(truth, outputs)))


def _root_mean(loss: Loss, truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.sqrt(_mean(loss, truth, outputs)))


def _weighted_mean(loss: Loss, truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    losses = loss(truth, outputs)
    of_record = losses if losses.ndim == 1 else losses.mean(axis=1)
    return lambda weights: total(of_record, weights) / weights.sum(axis=0, dtype=np.float64)


def _weighted_root_mean(loss: Loss, truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    mean = _weighted_mean(loss, truth, outputs)
    return lambda weights: np.sqrt(mean(weights))


BRIER = Metric(partial(_mean, _brier), partial(_weighted_mean, _brier))
MAE = Metric(partial(_mean, _absolute), partial(_weighted_mean, _absolute))
MSE = Metric(partial(_mean, _squares), partial(_weighted_mean, _squares))
RMSE = Metric(partial(_root_mean, _squares), partial(_weighted_root_mean, _squares))
