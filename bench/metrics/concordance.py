"""The index of concordance: of two records whose truths differ, how often is the larger one
predicted larger?

Harrell et al., Evaluating the yield of medical tests, JAMA 1982, without censoring; equal
predictions count half. It is (D + 1) / 2 of Somers' D, and the AUROC where the truth is 0 or 1. Of
a forecast the mean over its values.
"""

from __future__ import annotations

import numpy as np

from bench.metric import Evaluator, Metric

_ROWS = 512
"""Records that are held against all others at once."""


def _score(truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(_weighted(truth, outputs)(np.ones((len(truth), 1)))[0])


def _weighted(truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    truths = truth.reshape(len(truth), -1)
    parts = [(truths[:, k], outputs[:, k]) for k in range(truths.shape[1])]
    return lambda weights: np.mean([_of_one(*part, weights) for part in parts], axis=0)


def _of_one(truth: np.ndarray, output: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of one value, float64 [resamples]. Sums of whole weights are exact, so threads change no
    bit.
    """
    own = weights.astype(np.float64)
    won, pairs = np.zeros(own.shape[1]), np.zeros(own.shape[1])
    for start in range(0, len(truth), _ROWS):
        rows = slice(start, start + _ROWS)
        larger = truth[rows, None] > truth
        right = np.where(output[rows, None] > output, 1.0, np.where(output[rows, None] == output, 0.5, 0.0)) * larger
        won += (own[rows] * (right @ own)).sum(axis=0)
        pairs += (own[rows] * (larger.astype(np.float64) @ own)).sum(axis=0)
    return won / pairs


CONCORDANCE = Metric(_score, _weighted)
