"""When a score is defined. Said once: the score of a part, its bootstrap, tuned thresholds and model selection all ask here.

| metric                                            | needs, among the records that count                                |
|---------------------------------------------------|--------------------------------------------------------------------|
| auroc                                             | of each label or class a record that has it and one that has not   |
| auprc, f1, f1_tuned                               | of each label or class a record that has it                        |
| acc2, f1 and f1_macro of the convention `neg_pos` | a truth that is not 0                                              |
| corr                                              | truths that differ, and predictions that differ                    |
| all others                                        | a record                                                           |

A binary task has one class here, class 1. Scores of several labels or classes are means over all of them, and a mean over those
that happen to occur would be another test: so where one label or class lacks what it needs, there is no score at all
(our decision; scikit-learn warns, raises or gives 0, depending on function and version). Records that do not count are those
of weight 0: a bootstrap leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Needs:
    """What a score needs of the records that count, each with the words for when it is not there.

    present: bool [n] each; some record of it counts.
    varying: values [n, k] each; not all values of the records that count are the same.
    """

    present: list[tuple[np.ndarray, str]]
    varying: list[tuple[np.ndarray, str]]

    def met(self, weights: np.ndarray) -> np.ndarray:
        """bool [resamples]: by which of the weightings (float [n, resamples], not negative) the score is defined."""
        met = np.ones(weights.shape[1], bool)
        for rows, _ in self.present:
            met &= _counts(np.flatnonzero(rows), weights)
        if not self.varying:
            return met
        counted = weights > 0
        for values, _ in self.varying:
            lowest, highest = values.min(axis=1, initial=np.inf), values.max(axis=1, initial=-np.inf)
            low = np.where(counted, lowest[:, None], np.inf).min(axis=0, initial=np.inf)
            high = np.where(counted, highest[:, None], -np.inf).max(axis=0, initial=-np.inf)
            met = np.logical_and(met, low < high)
        return met

    def lacking(self) -> str:
        """What is not there when every record counts, in words; "" where the score is defined."""
        why = [words for rows, words in self.present if not rows.any()]
        why += [words for values, words in self.varying if not values.size or values.min() == values.max()]
        if len(why) > 3:
            why = [*why[:3], f"and {len(why) - 3} more of this kind"]
        return why[0] if why[:1] == [NO_RECORD] else "; ".join(why)


def _counts(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """By which of the weightings some of these rows count: bool [resamples]. A few rows decide nearly all of them."""
    counts = (weights[rows[:16]] > 0).any(axis=0)
    if not counts.all():
        (open_,) = np.nonzero(~counts)
        counts[open_] = (weights[np.ix_(rows[16:], open_)] > 0).any(axis=0)
    return counts


NO_RECORD = "there is no record"

Rule = Callable[[np.ndarray, int], Needs]


def columns(truth: np.ndarray, width: int) -> list[np.ndarray]:
    """The binary problems inside, bool [n] each: class 1 of a binary task, each label, or each class against the rest.

    truth: [n] or [n, labels]; width: of a prediction, which tells classes from a binary task.
    """
    if width == 1:
        return [truth.reshape(-1) > 0.5]
    return [(truth[:, k] > 0.5) if truth.ndim == 2 else (truth == k) for k in range(width)]


def _values(array: np.ndarray) -> np.ndarray:
    """Of each record, its values: [n] or [n, values] as [n, values]."""
    return array[:, None] if array.ndim == 1 else array


def _any(truth: np.ndarray, width: int) -> Needs:
    return Needs([(np.ones(len(truth), bool), NO_RECORD)], [])


def _positives(truth: np.ndarray, width: int) -> Needs:
    rows = [(column, f"no record {name}") for name, column in _named(truth, width)]
    return Needs([*_any(truth, width).present, *rows], [])


def _both(truth: np.ndarray, width: int) -> Needs:
    classes = truth.ndim == 1 and width > 1  # of which every one has the others for its negatives
    rows = [] if classes else [(~column, f"every record {name}") for name, column in _named(truth, width)]
    return Needs([*_positives(truth, width).present, *rows], [])


def _named(truth: np.ndarray, width: int) -> list[tuple[str, np.ndarray]]:
    """The binary problems with the words for what a record has."""
    has = "has label" if truth.ndim == 2 and width > 1 else "is of class"
    first = 1 if width == 1 else 0
    return [(f"{has} {k}", column) for k, column in enumerate(columns(truth, width), first)]


def _signed(truth: np.ndarray, width: int) -> Needs:
    rows = (_values(truth) != 0).any(axis=1)
    return Needs([*_any(truth, width).present, (rows, "every truth is 0")], [])


def _varying(truth: np.ndarray, width: int) -> Needs:
    return Needs(_any(truth, width).present, [(_values(truth), "all truths are the same")])


RULES: dict[str, Rule] = {
    "auroc": _both,
    **dict.fromkeys(("auprc", "f1", "f1_tuned"), _positives),
    **dict.fromkeys(("acc2_neg_pos", "f1_neg_pos", "f1_macro_neg_pos"), _signed),
    "corr": _varying,
}
"""The rules of metrics that need more than a record."""

COMPARING = frozenset({"corr"})
"""Metrics that need predictions to differ."""


def needs(metric: str, truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    """What a metric needs. truth: [n] or [n, width]; width: of a prediction; outputs: [n, width], None: of the truth alone."""
    needed = RULES.get(metric, _any)(truth, width)
    if metric in COMPARING and outputs is not None:
        needed.varying.append((_values(outputs), "all predictions are the same"))
    return needed
