"""When a score is defined. The score of a part, its bootstrap, chosen thresholds and model
selection all ask here.

A metric declares by one of these names what makes its score undefined, among the records that count
(`RULES`):

| `undefined=`       | there is no score where                                                   |
|--------------------|---------------------------------------------------------------------------|
| `no record`        | no record counts; all other rules hold this too                           |
| `no positive`      | no record has the label, or is of the class: of each label or class       |
| `one class`        | the same, or every record has the label: of each label, or of class 1     |
| `same class`       | all records are of one class, or have a label alike: of each label        |
| `all zero`         | every truth is 0                                                          |
| `constant truth`   | all truths are the same: of each value of a forecast                      |
| `constant`         | all truths are the same, or all predictions are                           |

A binary task has one class here, class 1. Scores of several labels or classes are means over all of
them. A mean over those that happen to occur would be another test, so where one label or class
lacks what it needs, there is no score at all. This is our decision: scikit-learn warns, raises or
gives 0, depending on function and version. Records that do not count are those of weight 0: a
bootstrap leaves them out. A function that gives NaN has no score there either, whatever it
declared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.metric import columns


@dataclass(frozen=True)
class Needs:
    """What a score needs of the records that count, each with the words for when it is not there.

    present: bool [n] each; some record of it counts.
    varying: values [n, k] each; not all values of the records that count are the same.
    """

    present: list[tuple[np.ndarray, str]]
    varying: list[tuple[np.ndarray, str]]

    def met(self, weights: np.ndarray) -> np.ndarray:
        """bool [resamples]: by which of the weightings (float [n, resamples], not negative) the
        score is defined.
        """
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
    """By which of the weightings some of these rows count: bool [resamples]. A few rows decide
    nearly all of them.
    """
    counts: np.ndarray = (weights[rows[:16]] > 0).any(axis=0)
    if not counts.all():
        (open_,) = np.nonzero(~counts)
        counts[open_] = (weights[np.ix_(rows[16:], open_)] > 0).any(axis=0)
    return counts


NO_RECORD = "there is no record"

Rule = Callable[[np.ndarray, int, np.ndarray | None], Needs]
"""truth [n] or [n, width], width of a prediction, outputs [n, width] (None: of the truth alone)
-> what the score needs.
"""


def _values(array: np.ndarray) -> np.ndarray:
    """Of each record, its values: [n] or [n, values] as [n, values]."""
    return array[:, None] if array.ndim == 1 else array


def _any(truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    return Needs([(np.ones(len(truth), bool), NO_RECORD)], [])


def _positives(truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    rows = [(column, f"no record {name}") for name, column in _named(truth, width)]
    return Needs([*_any(truth, width).present, *rows], [])


def _both(truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    classes = truth.ndim == 1 and width > 1  # of which every one has the others for its negatives
    rows = [] if classes else [(~column, f"every record {name}") for name, column in _named(truth, width)]
    return Needs([*_positives(truth, width).present, *rows], [])


def _classes_differ(truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    if truth.ndim == 1 and width > 1:
        return Needs(_any(truth, width).present, [(_values(truth), "all records are of one class")])
    return _both(truth, width)


def _named(truth: np.ndarray, width: int) -> list[tuple[str, np.ndarray]]:
    """The binary problems with the words for what a record has."""
    has = "has label" if truth.ndim == 2 and width > 1 else "is of class"
    first = 1 if width == 1 else 0
    return [(f"{has} {k}", column) for k, column in enumerate(columns(truth, width), first)]


def _not_zero(truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    rows = (_values(truth) != 0).any(axis=1)
    return Needs([*_any(truth, width).present, (rows, "every truth is 0")], [])


def _each_varies(truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    values = _values(truth)
    of_each = [(values[:, [k]], f"all truths{f' of value {k}' * (width > 1)} are the same") for k in range(width)]
    return Needs(_any(truth, width).present, of_each)


def _both_vary(truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    varying = [(_values(truth), "all truths are the same")]
    if outputs is not None:
        varying.append((_values(outputs), "all predictions are the same"))
    return Needs(_any(truth, width).present, varying)


RULES: dict[str, Rule] = {
    "no record": _any,
    "no positive": _positives,
    "one class": _both,
    "same class": _classes_differ,
    "all zero": _not_zero,
    "constant truth": _each_varies,
    "constant": _both_vary,
}
"""What a metric may declare as `undefined`."""


def needs(rule: str, truth: np.ndarray, width: int, outputs: np.ndarray | None = None) -> Needs:
    """What a score needs by a rule. truth: [n] or [n, width]; width: of a prediction; outputs: [n,
    width], None: of the truth alone.
    """
    return RULES[rule](truth, width, outputs)
