"""Histogram gradient boosting on summary statistics, masks and statics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, repeat
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser, NotFitted
from bench.errors import UsageError
from bench.selection import selection
from bench_fusers.gbm.plugin import GBMParams
from bench_fusers.heads import classifier, labels_of, outputs_of
from bench_fusers.summaries import features


class GBM(Fuser[GBMParams]):
    """One model per label (one for all classes of multiclass); how many of its trees predict is
    chosen on `valid`.

    The choice is by the primary metric, ties by the loss, common to all labels. Without `valid` all
    trees predict. scikit-learn's own early stopping stays off: it would split `train` at random,
    through patients. The trees treat NaN as a value of its own (a grid that no imputer completed,
    an unknown static).
    """

    def __init__(self, params: GBMParams):
        super().__init__(params)
        self._models: list[Any] | None = None

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        if task.kind == "regression" and task.outputs > 1:
            raise UsageError(
                f"task {task.name} has {task.outputs} values; gbm grows one ensemble per value and takes one value: "
                "choose another fuser (fuser=linear or fuser=gru)"
            )
        self._task = task
        rows = features(train)[0]
        # Binning fails on a column without any value, as of a modality that no record has under the
        # control `none`.
        self._known = ~np.isnan(rows).all(axis=0)
        rows = rows[:, self._known]
        labels = labels_of(task, train.targets[task.name])
        models = [self._learn(rows, label, context.seed_for("init", k)) for k, label in enumerate(labels)]
        self.trees = self.params.trees
        chosen = selection(task, valid.targets[task.name])
        if chosen:
            ranks = [chosen.rank(outputs) for outputs in self._stages(models, self._features(valid))]
            self.trees = 1 + max(range(len(ranks)), key=ranks.__getitem__)
        self._models = models

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        if self._models is None:
            raise NotFitted("GBM: fit comes before predict")
        if len(cohort) == 0:
            return np.zeros((0, self._task.outputs), np.float32)
        return next(islice(self._stages(self._models, self._features(cohort)), self.trees - 1, None))

    def _features(self, cohort: Cohort) -> np.ndarray:
        return features(cohort)[0][:, self._known]

    def _learn(self, rows: np.ndarray, label: np.ndarray, seed: int) -> Any:
        p = self.params
        kind = HistGradientBoostingRegressor if self._task.kind == "regression" else HistGradientBoostingClassifier
        model = kind(
            max_iter=p.trees,
            learning_rate=p.learning_rate,
            max_leaf_nodes=p.leaves,
            min_samples_leaf=min(p.leaf_records, max(1, len(rows) // 10)),
            l2_regularization=p.l2,
            max_features=p.columns,
            early_stopping=False,
            random_state=seed % 2**32,
        )
        if self._task.kind == "regression":
            return model.fit(rows, label)
        return classifier(rows, label, lambda: model.fit(rows, label))

    def _stages(self, models: list[Any], rows: np.ndarray) -> Iterator[np.ndarray]:
        """The outputs after 1, 2, ... trees."""
        for predictions in zip(*(self._stages_of(model, rows) for model in models), strict=True):
            yield outputs_of(self._task, models, predictions)

    def _stages_of(self, model: Any, rows: np.ndarray) -> Iterator[np.ndarray]:
        if isinstance(model, DummyClassifier):
            return repeat(model.predict_proba(rows), self.params.trees)
        regression = self._task.kind == "regression"
        staged: Callable[..., Iterator[np.ndarray]] = model.staged_predict if regression else model.staged_predict_proba
        return staged(rows)
