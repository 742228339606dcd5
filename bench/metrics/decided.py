"""Metrics of decisions: a probability of 0.5 or more is a yes, and of several classes the likeliest
is taken.

| metric            | several labels               | several classes                             |
|-------------------|------------------------------|---------------------------------------------|
| F1                | mean over labels             | mean over classes, each against the rest    |
| accuracy          | all labels of a record right | class right                                 |
| balanced accuracy | mean over labels             | mean of the recalls of the classes          |
| Cohen's kappa     | mean over labels             | of the table of classes (Cohen 1960)        |
| MCC               | mean over labels             | R_K of the table of classes (Gorodkin 2004) |

MCC is 0 where all decisions are the same: nothing varies with the truth (Chicco & Jurman, BMC
Genomics 2020, and scikit-learn).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bench.metric import Evaluator, Metric, columns, decisions, total
from bench.metrics.defined import needs

Agreement = Callable[[np.ndarray, np.ndarray], float]
"""(truth, decided), int [n] each -> score."""


def _decided_columns(truth: np.ndarray, outputs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each label or class: whether a record has it, whether that was decided; bool [n] each."""
    width = outputs.shape[1]
    return list(zip(columns(truth, width), columns(decisions(truth, outputs), width), strict=True))


def _f1(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(np.mean([f1_score(actual, decided) for actual, decided in _decided_columns(truth, outputs)]))


def _weighted_f1(truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    pairs = _decided_columns(truth, outputs)

    def one(actual: np.ndarray, decided: np.ndarray, weights: np.ndarray) -> np.ndarray:
        either = total(actual, weights) + total(decided, weights)
        f1: np.ndarray = 2 * total(actual & decided, weights) / either
        return f1

    return lambda weights: np.mean([one(actual, decided, weights) for actual, decided in pairs], axis=0)


def thresholds(truth: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
    """Per output the threshold with the best F1 (Lipton et al. 2014), float64 [outputs]; of equal
    ones the highest.

    truth, outputs: of the validation part. A threshold lies halfway between two outputs that occur,
    so that none is a record's own. None where there is no best one: F1 is not defined (a label has
    no positive), or an output is not finite.
    """
    from sklearn.metrics import precision_recall_curve

    if not np.isfinite(outputs).all() or needs("no positive", truth, outputs.shape[1]).lacking():
        return None
    chosen = np.zeros(outputs.shape[1])
    for label, (actual, probability) in enumerate(zip(truth.reshape(outputs.shape).T, outputs.T, strict=True)):
        precision, recall, at = precision_recall_curve(actual, probability)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = len(at) - 1 - int(np.argmax(f1[:-1][::-1]))
        below = probability[probability < at[best]]
        chosen[label] = (float(at[best]) + float(below.max())) / 2 if len(below) else float(at[best]) / 2
    return chosen


def _tuned(outputs: np.ndarray, validation: tuple[np.ndarray, np.ndarray]) -> np.ndarray | None:
    """The decisions at the thresholds of the validation part, as outputs of 0 and 1."""
    chosen = thresholds(*validation)
    return None if chosen is None else (outputs >= chosen).astype(np.float32)


def _f1_tuned(truth: np.ndarray, outputs: np.ndarray, validation: tuple[np.ndarray, np.ndarray]) -> float:
    decided = _tuned(outputs, validation)
    return np.nan if decided is None else _f1(truth, decided)


def _weighted_f1_tuned(truth: np.ndarray, outputs: np.ndarray, validation: tuple[np.ndarray, np.ndarray]) -> Evaluator:
    decided = _tuned(outputs, validation)
    if decided is None:
        return lambda weights: np.full(weights.shape[1], np.nan)
    return _weighted_f1(truth, decided)


def _accuracy(truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(truth, decisions(truth, outputs)))


def _weighted_accuracy(truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    same = decisions(truth, outputs) == truth
    right = same.all(axis=1) if same.ndim == 2 else same
    return lambda weights: total(right, weights) / weights.sum(axis=0, dtype=np.float64)


def _tables(truth: np.ndarray, outputs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(truth, decided), int [n] each: of the classes together, or of each label."""
    decided = decisions(truth, outputs)
    if truth.ndim == 2:
        return [(truth[:, k].astype(int), decided[:, k]) for k in range(truth.shape[1])]
    return [(truth.astype(int), decided)]


def _mean_of(agreement: Agreement, truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.mean([agreement(*table) for table in _tables(truth, outputs)]))


def _balanced(truth: np.ndarray, decided: np.ndarray) -> float:
    from sklearn.metrics import recall_score

    return float(recall_score(truth, decided, labels=np.unique(truth), average="macro"))


def _kappa(truth: np.ndarray, decided: np.ndarray) -> float:
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(truth, decided))


def _mcc(truth: np.ndarray, decided: np.ndarray) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(truth, decided))


Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Weights of records float64: [classes, resamples] truly of each class, decided so, both at
once; [resamples] in all.
"""


def _weighted(of_counts: Callable[[Counts], np.ndarray], truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    """The mean over tables of a score that depends on the margins and the diagonal of a table of
    counts alone.
    """
    parts = []
    for actual, decided in _tables(truth, outputs):
        classes = range(max(int(actual.max(initial=0)), int(decided.max(initial=0)), 1) + 1)
        parts.append([(actual == k, decided == k) for k in classes])

    def one(classes: list[tuple[np.ndarray, np.ndarray]], weights: np.ndarray) -> np.ndarray:
        true = np.stack([total(actual, weights) for actual, _ in classes])
        predicted = np.stack([total(decided, weights) for _, decided in classes])
        both = np.stack([total(actual & decided, weights) for actual, decided in classes])
        return of_counts((true, predicted, both, weights.sum(axis=0, dtype=np.float64)))

    return lambda weights: np.mean([one(classes, weights) for classes in parts], axis=0)


def _balanced_of(counts: Counts) -> np.ndarray:
    true, _, both, _ = counts
    recalls = np.divide(both, true, out=np.zeros_like(both), where=true > 0)
    balanced: np.ndarray = recalls.sum(axis=0) / (true > 0).sum(axis=0)
    return balanced


def _kappa_of(counts: Counts) -> np.ndarray:
    true, predicted, both, n = counts
    by_chance = (true * predicted).sum(axis=0)
    kappa: np.ndarray = (n * both.sum(axis=0) - by_chance) / (n**2 - by_chance)
    return kappa


def _mcc_of(counts: Counts) -> np.ndarray:
    true, predicted, both, n = counts
    covariance = n * both.sum(axis=0) - (true * predicted).sum(axis=0)
    spread = (n**2 - (true**2).sum(axis=0)) * (n**2 - (predicted**2).sum(axis=0))
    mcc: np.ndarray = np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 0)
    return mcc


F1 = Metric(_f1, _weighted_f1)
F1_TUNED = Metric(_f1_tuned, _weighted_f1_tuned)
ACCURACY = Metric(_accuracy, _weighted_accuracy)
BALANCED_ACCURACY = Metric(partial(_mean_of, _balanced), partial(_weighted, _balanced_of))
KAPPA = Metric(partial(_mean_of, _kappa), partial(_weighted, _kappa_of))
MCC = Metric(partial(_mean_of, _mcc), partial(_weighted, _mcc_of))
