"""Counts, precision and recall at every threshold: what metrics of one label are made of.

They are scikit-learn's, to the bit. That library takes over a second to load, and checks its
arguments for far longer than it computes. Every cell needs them, and a training after every epoch.
"""

from __future__ import annotations

import numpy as np


def counts(actual: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many records with the label, and how many without, have each output or a higher one:
    float64 [outputs] each, and the outputs that occur, from the highest down.
    """
    order = np.argsort(-output, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(output[order])), len(order) - 1)
    true = np.cumsum(actual[order], dtype=np.float64)[ends]
    return true, 1 + ends - true, output[order][ends]


def precision_recall(actual: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall at each output that occurs, and these outputs, from the lowest up.

    At the end precision 1 and recall 0, at no output. actual: bool [n], some true; output: [n].
    """
    true, false, at = counts(actual, output)
    return np.r_[(true / (true + false))[::-1], 1.0], np.r_[(true / true[-1])[::-1], 0.0], at[::-1]
