"""Logistic regression (ridge for regression) on summary statistics, masks and statics."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser, NotFitted
from bench.selection import require_complete, selection
from bench.sums import moments
from bench_fusers.heads import classifier, labels_of, outputs_of
from bench_fusers.linear.plugin import LinearParams
from bench_fusers.summaries import features

ITERATIONS = 2000
"""Most iterations of the solver; standardised, clipped features need some dozens."""


class Linear(Fuser[LinearParams]):
    """One linear model per label (multinomial for multiclass), its L2 penalty chosen by the primary
    metric on `valid`.

    Where `valid` is empty the strongest penalty decides. Features are standardised on `train` and
    clipped; an unknown static counts as the mean, and its indicator is a feature.
    """

    def __init__(self, params: LinearParams):
        super().__init__(params)
        self._models: list[Any] | None = None

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        self._task = task
        rows = self._features(train)
        self._moments = moments(rows)
        rows, valid_rows = self._scaled(rows), self._scaled(self._features(valid))
        truth = train.targets[task.name]
        chosen = selection(task, valid.targets[task.name])
        penalties = sorted(self.params.penalties)
        candidates = [
            [self._learn(rows, label, penalty) for label in labels_of(self._task, truth)]
            for penalty in (penalties if chosen else penalties[:1])
        ]
        ranks = [chosen.rank(self._outputs(models, valid_rows)) for models in candidates] if chosen else [(0.0, 0.0)]
        best = max(range(len(ranks)), key=ranks.__getitem__)
        self._models, self.penalty = candidates[best], penalties[best]

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        if self._models is None:
            raise NotFitted("Linear: fit comes before predict")
        if len(cohort) == 0:
            return np.zeros((0, self._task.outputs), np.float32)
        return self._outputs(self._models, self._scaled(self._features(cohort)))

    def parameters(self) -> int:
        """Coefficients and intercepts."""
        return sum(np.size(m.coef_) + np.size(m.intercept_) for m in self._models or () if hasattr(m, "coef_"))

    def _features(self, cohort: Cohort) -> np.ndarray:
        require_complete(cohort, "linear")
        return features(cohort)[0].astype(np.float64)

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        center, scale = self._moments
        scaled = np.nan_to_num((rows - center) / scale, nan=0.0)
        clipped: np.ndarray = np.clip(scaled, -self.params.clip, self.params.clip)
        return clipped

    def _learn(self, rows: np.ndarray, label: np.ndarray, penalty: float) -> Any:
        if self._task.kind == "regression":
            return Ridge(alpha=1 / (2 * penalty)).fit(rows, label)
        model = LogisticRegression(C=penalty, max_iter=ITERATIONS)
        return classifier(rows, label, lambda: model.fit(rows, label))

    def _outputs(self, models: list[Any], rows: np.ndarray) -> np.ndarray:
        regression = self._task.kind == "regression"
        predictions = [m.predict(rows) if regression else m.predict_proba(rows) for m in models]
        return outputs_of(self._task, models, predictions)
