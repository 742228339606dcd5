"""What a plugin writes for a metric: a function of truth and predictions, or a `Metric` with a fast
bootstrap too.

A metric is declared with `registry.metric` (see docs/reference/plugin-contract.md). The harness
calls it where a score is defined, of the
predictions of a whole part, and of resamples of the test part for intervals and comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Evaluator", "Metric", "columns", "decisions", "total"]

Evaluator = Callable[[np.ndarray], np.ndarray]
"""weights float [n, resamples] (how often each record was drawn) -> scores float64 [resamples];
NaN where there is none.
"""


@dataclass(frozen=True)
class Metric:
    """A score of predictions.

    score:    (truth, outputs) -> float. truth: float32 [n] (0 and 1, class indices, or values), or
              [n, labels] for multilabel and [n, values] for several values; no NaN. outputs:
              float32 [n, outputs], as `Fuser.predict` gives them, all finite. NaN where the score
              is not defined for another reason than the one declared.
    weighted: (truth, outputs) -> `Evaluator`: the same score with weights per record, for many
              weightings at once. None: the harness repeats records and calls `score` for each
              resample, which gives the same and takes longer.

    Both also take by keyword what the metric asks for (`asks` of its declaration):

    - groups: str [n], the patient of each record.
    - statics: name -> float32 [n], in recorded units; NaN where unknown. Absent names were never
      stored.
    - validation: (truth, outputs) of the validation part, for whatever is chosen there, such as a
      threshold.
    """

    score: Callable[..., float]
    weighted: Callable[..., Evaluator] | None = None

    def evaluator(self, truth: np.ndarray, outputs: np.ndarray, **at_hand: Any) -> Evaluator:
        """The score of one prediction, ready for many weightings. Weights are whole numbers
        where there is no `weighted`.
        """
        if self.weighted is not None:
            return self.weighted(truth, outputs, **at_hand)

        def of_one(weights: np.ndarray) -> float:
            drawn = np.repeat(np.arange(len(weights)), weights.astype(np.int64))
            again = {name: _drawn(value, drawn) if name != "validation" else value for name, value in at_hand.items()}
            return float(self.score(truth[drawn], outputs[drawn], **again)) if len(drawn) else np.nan

        return lambda weights: np.array([of_one(column) for column in weights.T], np.float64)


def _drawn(value: Any, index: np.ndarray) -> Any:
    return {name: each[index] for name, each in value.items()} if isinstance(value, Mapping) else value[index]


def columns(truth: np.ndarray, width: int) -> list[np.ndarray]:
    """The binary problems inside, bool [n] each: class 1 of a binary task, each label, or each
    class against the rest.

    truth: [n] or [n, labels]; width: of a prediction, which tells classes from a binary task.
    """
    if width == 1:
        return [truth.reshape(-1) > 0.5]
    return [(truth[:, k] > 0.5) if truth.ndim == 2 else (truth == k) for k in range(width)]


def decisions(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Decided at 0.5, or by the largest output: int, of the shape of `truth`."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] >= 0.5).astype(int)
    return (outputs >= 0.5).astype(int) if truth.ndim == 2 else outputs.argmax(1)


def total(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of weight x row, float64 [resamples]; rows [n], weights [n, resamples].

    Not a BLAS product, whose rounding depends on the number of threads.
    """
    sums: np.ndarray = np.einsum("n,nr->r", rows.astype(np.float64), weights)
    return sums
