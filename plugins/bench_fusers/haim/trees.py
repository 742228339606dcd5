"""Gradient-boosted trees of two libraries behind one call; a library is imported when trees of
it are grown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from types import ModuleType

import numpy as np

from bench.errors import PluginError
from bench_fusers.haim.plugin import Backend, Point

SMALLEST_LEAF = 20
"""Fewest records in a leaf of scikit-learn's trees (its default), but never more than a tenth of
the training records.
"""


@dataclass(frozen=True)
class Ensemble:
    """Trees that were grown.

    classes_: the values of the classes they know; empty for a regression.
    predict:  (features [n, f], how many of the trees) -> probabilities [n, classes], or values [n].
    """

    classes_: np.ndarray
    predict: Callable[[np.ndarray, int], np.ndarray]


Grower = Callable[[Point], Ensemble]


def grower(backend: Backend, rows: np.ndarray, label: np.ndarray, regression: bool, balance: bool) -> Grower:
    """What grows an ensemble on `rows` (float32 [n, f], NaN = no value) for a point of a grid.

    label: [n], values or classes. A single class gives a constant. balance: of two classes the
    higher one weighs negatives / positives. Trees are grown on all records and all features, so
    nothing is random. Raises PluginError where XGBoost is asked for and is not installed.
    """
    classes = np.zeros(0) if regression else np.unique(label)
    if len(classes) == 1:
        return lambda point: Ensemble(classes, lambda new, trees: np.ones((len(new), 1)))
    codes = label if regression else np.searchsorted(classes, label)
    weight = 1.0
    if balance and len(classes) == 2:
        weight = float((codes == 0).sum() / (codes == 1).sum())
    grow = _xgboost if backend == "xgboost" else _sklearn
    return grow(np.asarray(rows, np.float32), codes, classes, weight)


def xgboost() -> ModuleType:
    """The library. Raises PluginError, with what to type, where it is not installed."""
    try:
        import xgboost as library
    except ModuleNotFoundError:
        raise PluginError(
            "fuser haim grows its trees with XGBoost, which is not installed; type: pip install 'gapbench[trees]', or give "
            "fuser.haim.backend=sklearn for the trees of scikit-learn, a substitute"
        ) from None
    module: ModuleType = library
    return module


def _xgboost(rows: np.ndarray, codes: np.ndarray, classes: np.ndarray, weight: float) -> Grower:
    library = xgboost()
    # What the classifier of the library does itself, once for all points and not once for each.
    matrix = library.QuantileDMatrix(rows, label=codes)
    objective: dict[str, str | float]
    if len(classes) == 0:
        objective = {"objective": "reg:squarederror"}
    elif len(classes) == 2:
        objective = {"objective": "binary:logistic", "scale_pos_weight": weight}
    else:
        objective = {"objective": "multi:softprob", "num_class": len(classes)}

    def grow(point: Point) -> Ensemble:
        settings = {**objective, "max_depth": point.depth, "eta": point.rate, "tree_method": "hist"}
        booster = library.train(settings, matrix, num_boost_round=point.trees)

        def predict(new: np.ndarray, trees: int) -> np.ndarray:
            predicted: np.ndarray = booster.inplace_predict(new, iteration_range=(0, trees))
            return np.stack([1 - predicted, predicted], axis=1) if len(classes) == 2 else predicted

        return Ensemble(classes, predict)

    return grow


def _sklearn(rows: np.ndarray, codes: np.ndarray, classes: np.ndarray, weight: float) -> Grower:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    # Binning fails on a column without any value.
    known = ~np.isnan(rows).all(axis=0)
    if not known.any():
        rows, known = np.zeros((len(rows), 1), np.float32), np.zeros(0, bool)
    else:
        rows = rows[:, known]
    kind = HistGradientBoostingClassifier if len(classes) else HistGradientBoostingRegressor

    def grow(point: Point) -> Ensemble:
        model = kind(
            max_iter=point.trees,
            learning_rate=point.rate,
            max_depth=point.depth,
            max_leaf_nodes=None,
            min_samples_leaf=min(SMALLEST_LEAF, max(1, len(rows) // 10)),
            l2_regularization=1.0,  # XGBoost's default
            early_stopping=False,
            random_state=0,
        ).fit(rows, codes, sample_weight=np.where(codes == 1, weight, 1.0) if len(classes) == 2 else None)

        def predict(new: np.ndarray, trees: int) -> np.ndarray:
            new = new[:, known] if len(known) else np.zeros((len(new), 1), np.float32)
            stages = model.staged_predict_proba(new) if len(classes) else model.staged_predict(new)
            predicted: np.ndarray = next(islice(stages, trees - 1, None))
            return predicted

        return Ensemble(classes, predict)

    return grow
