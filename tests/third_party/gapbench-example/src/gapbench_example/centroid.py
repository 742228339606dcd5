"""Nearest class centroid on a few summaries."""

from __future__ import annotations

import numpy as np

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser, NotFitted
from bench.errors import UsageError
from gapbench_example.plugin import CentroidParams


class Centroid(Fuser[CentroidParams]):
    """Class probabilities fall with the mean squared distance to the class's centroid, in training
    standard deviations.

    The features are the mean over time of every channel, whether each modality is there, and the
    statics.
    """

    def __init__(self, params: CentroidParams):
        super().__init__(params)
        self._centroids: np.ndarray | None = None

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        if task.kind not in ("binary", "multiclass"):
            raise UsageError(f'fuser "centroid" takes binary and multiclass tasks; task "{task.name}" is {task.kind}')
        features, classes = self._features(train), train.targets[task.name].astype(int)
        self._binary = task.kind == "binary"
        self._centre = features.mean(axis=0)
        self._scale = np.maximum(features.std(axis=0), 1e-3)
        nowhere = np.full(features.shape[1], np.inf)  # of a class without records: infinitely far from everybody
        self._centroids = np.stack(
            [
                ((features[classes == k] - self._centre) / self._scale).mean(axis=0)
                if (classes == k).any()
                else nowhere
                for k in range(2 if self._binary else task.outputs)
            ]
        )

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        if self._centroids is None:
            raise NotFitted("fit the fuser first")
        features = (self._features(cohort) - self._centre) / self._scale
        distances = ((features[:, None] - self._centroids) ** 2).mean(axis=2)
        nearness = np.exp(-self.params.sharpness * (distances - distances.min(axis=1, keepdims=True)))
        probabilities = (nearness / nearness.sum(axis=1, keepdims=True)).astype(np.float32)
        return probabilities[:, 1:] if self._binary else probabilities

    def parameters(self) -> int:
        return 0 if self._centroids is None else self._centroids.size

    def _features(self, cohort: Cohort) -> np.ndarray:
        """float64 [n, features]; an absent modality that nobody filled counts as average."""
        columns = []
        for name, series in cohort.modalities.items():
            if np.isnan(series.grid).any():
                raise UsageError(f'fuser "centroid" needs a completed grid; modality "{name}" holds NaN')
            there = series.present[:, None]
            columns += [np.where(there, series.grid.mean(axis=1, dtype=np.float64), 0), series.available[:, None]]
        return np.concatenate([*columns, np.nan_to_num(cohort.statics)], axis=1, dtype=np.float64)
