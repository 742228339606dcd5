"""Can a probability be taken at its word? Expected calibration error, Brier score and the
reliability diagram.

ECE: probabilities are sorted into `BINS` bins of equal width. It is the mean over records of |mean
probability - share that came true| of their bin. Sources: Naeini et al., AAAI 2015; Guo et al., On
calibration of modern neural networks, ICML 2017, with 15 bins. Brier score: Brier, Monthly Weather
Review 1950.

| kind       | probability, outcome                        | Brier score                       |
|------------|---------------------------------------------|-----------------------------------|
| binary     | of class 1; whether it is class 1           | mean (p - y)^2                    |
| multilabel | of each label; ECE is the mean over labels  | mean over records and labels      |
| multiclass | of the likeliest class; whether it is right | mean over records of the sum over |
|            | (Guo et al.)                                | classes: 0 to 2                   |
| regression | none                                        | none                              |

The binary Brier score is half of what the multiclass formula gives for two classes, as is usual.
The metric `brier` is the same.
"""

from __future__ import annotations

import numpy as np

from bench.cohort import Task
from bench.metrics.patterns import SMALLEST
from bench.results.records import Bin, Calibration

BINS = 15


def calibration(task: Task, truth: np.ndarray, outputs: np.ndarray) -> Calibration | None:
    """Of the predictions of a task, truth float32 [n] or [n, labels], outputs float32 [n, outputs].

    None for regression, where there is no record, and where an output is not within 0 and 1 and so
    is no probability.
    """
    if task.kind == "regression" or not len(truth) or not (outputs.min() >= 0 and outputs.max() <= 1):
        return None
    p = outputs.astype(np.float64)
    if task.kind == "multiclass":
        happened = truth.astype(int)[:, None] == np.arange(p.shape[1])
        brier = float(((p - happened) ** 2).sum(axis=1).mean())
        likeliest = p.argmax(axis=1)
        p, happened = p.max(axis=1, keepdims=True), (likeliest == truth)[:, None]
    else:
        happened = truth.reshape(p.shape) == 1
        brier = float(((p - happened) ** 2).mean())
    errors = [_ece(p[:, k], happened[:, k]) for k in range(p.shape[1])]
    return Calibration(float(np.mean(errors)), brier, _shown(p.ravel(), happened.ravel()))


def _sums(p: np.ndarray, happened: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Records, sum of probabilities and how many came true, per bin; a probability of 1 belongs
    to the last.
    """
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    return (
        np.bincount(place, minlength=BINS),
        np.bincount(place, p, minlength=BINS),
        np.bincount(place, happened, minlength=BINS),
    )


def _ece(p: np.ndarray, happened: np.ndarray) -> float:
    _, predicted, came = _sums(p, happened)
    return float(np.abs(predicted - came).sum() / len(p))


def _shown(p: np.ndarray, happened: np.ndarray) -> list[Bin]:
    """The bins with `SMALLEST` records or more. Labels of a record count singly."""
    counts, predicted, came = _sums(p, happened)
    return [
        Bin(int(n), float(s / n), float(c / n))
        for n, s, c in zip(counts, predicted, came, strict=True)
        if n >= SMALLEST
    ]
