"""Metrics of a target with a sign, such as sentiment from -3 to 3: correlation, rounded classes,
and decisions by sign.

What counts as positive and who is scored differs from paper to paper, and the same predictions then
differ by points. So there is no `acc2` but three, named by what stands on either side of the border
(specs/mosi-mosei, section 5):

    neg_pos      values whose truth is not 0; truth > 0 against prediction > 0
    neg_nonneg   all values; truth >= 0 against prediction >= 0
    nonpos_pos   all values; truth > 0 against prediction > 0

`f1_*` weighs the F1 of either side by how many values truly stand on it. Some published code swaps
the two arguments and so weighs by predicted counts. `f1_macro_*` weighs both sides alike. Values of
a forecast count one by one. `bench.metrics.defined` says where a score is defined; what is computed
elsewhere means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bench.metric import Evaluator, Metric, total

Decide = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

CONVENTIONS: dict[str, Decide] = {
    "neg_pos": lambda truth, outputs: (truth != 0, truth > 0, outputs > 0),
    "neg_nonneg": lambda truth, outputs: (np.ones(len(truth), bool), truth >= 0, outputs >= 0),
    "nonpos_pos": lambda truth, outputs: (np.ones(len(truth), bool), truth > 0, outputs > 0),
}
"""Name -> (truth [n], outputs [n]) -> who is scored, truly on the upper side, predicted there:
bool [n] each.
"""


def _flat(truth: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return truth.reshape(-1).astype(np.float64), outputs.reshape(-1).astype(np.float64)


def corr(truth: np.ndarray, outputs: np.ndarray) -> float:
    """Pearson's correlation."""
    from scipy.stats import pearsonr

    return float(pearsonr(*_flat(truth, outputs)).statistic)


def _same_class(limit: int, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Equal after clipping to [-limit, limit] and rounding, a half to the even number: bool, as
    truth.
    """
    same: np.ndarray = np.rint(np.clip(truth, -limit, limit)) == np.rint(np.clip(outputs, -limit, limit))
    return same


def _rounded(limit: int, truth: np.ndarray, outputs: np.ndarray) -> float:
    return float(_same_class(limit, *_flat(truth, outputs)).mean())


def _accuracy(decide: Decide, truth: np.ndarray, outputs: np.ndarray) -> float:
    scored, above, predicted = decide(*_flat(truth, outputs))
    return float((above == predicted)[scored].mean())


def _f1(average: str, decide: Decide, truth: np.ndarray, outputs: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    scored, above, predicted = decide(*_flat(truth, outputs))
    return float(f1_score(above[scored], predicted[scored], labels=[False, True], average=average, zero_division=0))


# With weights per record, for many weightings at once.


def _spread(weights: np.ndarray, values: int) -> np.ndarray:
    """Weights per value, float64 [values, resamples]: all values of a record weigh what it does."""
    return np.repeat(weights, values // len(weights), axis=0).astype(np.float64)


def _weighted_corr(truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    y, p = _flat(truth, outputs)

    def evaluate(weights: np.ndarray) -> np.ndarray:
        w = _spread(weights, len(y))
        # Deviations from the mean of each weighting: from a common one, what nearly agrees would be
        # lost to rounding.
        apart_y, apart_p = (values[:, None] - total(values, w) / w.sum(axis=0) for values in (y, p))
        both, of_y, of_p = (
            np.einsum("nr,nr,nr->r", w, a, b) for a, b in ((apart_y, apart_p), (apart_y,) * 2, (apart_p,) * 2)
        )
        correlation: np.ndarray = np.clip(both / np.sqrt(of_y * of_p), -1, 1)
        return correlation

    return evaluate


def _weighted_share(hit: np.ndarray, scored: np.ndarray) -> Evaluator:
    def evaluate(weights: np.ndarray) -> np.ndarray:
        w = _spread(weights, len(hit))
        share: np.ndarray = total(hit & scored, w) / total(scored, w)
        return share

    return evaluate


def _weighted_rounded(limit: int, truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    same = _same_class(limit, *_flat(truth, outputs))
    return _weighted_share(same, np.ones_like(same))


def _weighted_accuracy(decide: Decide, truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    scored, above, predicted = decide(*_flat(truth, outputs))
    return _weighted_share(above == predicted, scored)


def _weighted_f1(average: str, decide: Decide, truth: np.ndarray, outputs: np.ndarray) -> Evaluator:
    scored, above, predicted = decide(*_flat(truth, outputs))

    def evaluate(weights: np.ndarray) -> np.ndarray:
        w = _spread(weights, len(scored))
        shares, scores = [], []
        for actual, decided in ((above, predicted), (~above, ~predicted)):
            true = total(actual & scored, w)
            either = true + total(decided & scored, w)
            both = 2 * total(actual & decided & scored, w)
            scores.append(np.divide(both, either, out=np.zeros_like(both), where=either > 0))
            shares.append(true)
        if average == "weighted":
            mean: np.ndarray = (shares[0] * scores[0] + shares[1] * scores[1]) / (shares[0] + shares[1])
        else:
            mean = (scores[0] + scores[1]) / 2
        return mean

    return evaluate


CORR = Metric(corr, _weighted_corr)
ACC7 = Metric(partial(_rounded, 3), partial(_weighted_rounded, 3))
ACC5 = Metric(partial(_rounded, 2), partial(_weighted_rounded, 2))


def _acc2(decide: Decide) -> Metric:
    return Metric(partial(_accuracy, decide), partial(_weighted_accuracy, decide))


def _f1_of(average: str, decide: Decide) -> Metric:
    return Metric(partial(_f1, average, decide), partial(_weighted_f1, average, decide))


ACC2_NEG_POS, ACC2_NEG_NONNEG, ACC2_NONPOS_POS = map(_acc2, CONVENTIONS.values())
F1_NEG_POS, F1_NEG_NONNEG, F1_NONPOS_POS = (_f1_of("weighted", decide) for decide in CONVENTIONS.values())
F1_MACRO_NEG_POS, F1_MACRO_NEG_NONNEG, F1_MACRO_NONPOS_POS = (
    _f1_of("macro", decide) for decide in CONVENTIONS.values()
)
