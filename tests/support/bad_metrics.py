"""Metrics that each break one promise, and one that keeps them all. Functions are named after
what they do.
"""

from __future__ import annotations

import numpy as np

from bench.metric import Metric


def honest(truth, outputs):
    return float(np.abs(outputs.reshape(truth.shape) - truth).mean())


def of_patients(truth, outputs, groups):
    """The mean over patients of their own accuracy."""
    right = (outputs[:, 0] >= 0.5) == truth
    return float(np.mean([right[groups == group].mean() for group in np.unique(groups)]))


def gap_of_sexes(truth, outputs, statics):
    """How much more often one sex is decided positive than the other."""
    decided, sex = outputs[:, 0] >= 0.5, statics["sex"] > 0
    return float(abs(decided[sex].mean() - decided[~sex].mean())) if sex.any() and not sex.all() else float("nan")


def first_record(truth, outputs):
    return float(outputs.reshape(len(truth), -1)[0, 0])


def writes(truth, outputs):
    truth[0] = 0
    return honest(truth, outputs)


def texts(truth, outputs):
    return "0.5"


def fails(truth, outputs):
    raise ValueError("one of its own")


def nothing(truth, outputs):
    return float("nan")


def _unweighted(truth, outputs):
    score = honest(truth, outputs)
    return lambda weights: np.full(weights.shape[1], score)


forgets_weights = Metric(honest, _unweighted)
not_callable = 5
