"""An honest fuser, and a liar for each promise of fusers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.cohort import Cohort, Series, Task
from bench.components import Context, Fuser, NotFitted
from bench.errors import UsageError
from bench.registry import NoParams


class HonestFuser(Fuser[NoParams]):
    """Ridge regression on the mean over time of every channel, squashed to a probability."""

    width = 0

    def __init__(self, params: NoParams):
        super().__init__(params)
        self.weights: np.ndarray | None = None

    def features(self, cohort: Cohort) -> np.ndarray:
        columns = [np.ones((len(cohort), 1)), np.nan_to_num(cohort.statics)]
        for name, series in cohort.modalities.items():
            columns.append(self.channel_means(name, series))
        return np.concatenate(columns, axis=1)

    def channel_means(self, name: str, series: Series) -> np.ndarray:
        if np.isnan(series.grid).any():
            raise UsageError(f"the grid of {name} holds NaN")
        there = series.present[:, None]
        return np.where(there, series.grid.mean(axis=1, dtype=np.float64), 0)

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        if task.kind != "binary":
            raise UsageError(f"takes binary tasks only, not {task.kind}")
        x, y = self.features(train), train.targets[task.name] * 2 - 1
        self.weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        if self.weights is None:
            raise NotFitted("fit first")
        return (1 / (1 + np.exp(-2 * self.features(cohort) @ self.weights))).astype(np.float32)[:, None]


class HonestAtEveryTask(HonestFuser):
    """The same for tasks of every kind: one ridge regression per output."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        self.kind, truth = task.kind, train.targets[task.name]
        if task.kind == "multiclass":
            truth = np.eye(task.outputs)[truth.astype(int)]
        y = truth.reshape(len(train), -1) * (1 if task.kind == "regression" else 2)
        y = y if task.kind == "regression" else y - 1
        x = self.features(train)
        self.weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        if self.weights is None:
            raise NotFitted("fit first")
        raw = self.features(cohort) @ self.weights
        if self.kind == "regression":
            return raw.astype(np.float32)
        p = 1 / (1 + np.exp(-2 * raw))
        return (p / p.sum(axis=1, keepdims=True) if self.kind == "multiclass" else p).astype(np.float32)


class BelievesInEveryClass(HonestAtEveryTask):
    """Thinks that a class it never saw is due."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        super().fit(train, valid, task, context)
        counts = np.bincount(train.targets[task.name].reshape(-1).astype(int).clip(0), minlength=task.outputs)
        self.unseen = (counts[: task.outputs] == 0) if task.kind == "multiclass" else np.zeros(task.outputs, bool)

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        p = super().predict(cohort, context)
        if self.kind == "multiclass":
            p = p + self.unseen
            p = p / p.sum(axis=1, keepdims=True)
        return p.astype(np.float32)


class ForgetsTheScale(HonestAtEveryTask):
    """Takes every target of a regression for standardised."""

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        outputs = super().predict(cohort, context)
        return np.clip(outputs, -5, 5) if self.kind == "regression" else outputs


class NeedsBothLabels(HonestFuser):
    """Knows nothing where a label never varies."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        super().fit(train, valid, task, context)
        assert self.weights is not None
        self.weights *= np.ptp(train.targets[task.name])


class NeedsValidation(HonestFuser):
    """Looks at the first validation record."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        assert valid.ids[0]
        super().fit(train, valid, task, context)


class NeedsSomebody(HonestFuser):
    """Looks at the first record of a batch."""

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        outputs = super().predict(cohort, context)
        assert cohort.ids[0]
        return outputs


class NeedsKnownStatics(HonestFuser):
    """Asks for one static covariate that somebody knows."""

    def features(self, cohort: Cohort) -> np.ndarray:
        if len(cohort) > 1 and cohort.statics.size and np.isnan(cohort.statics).all():
            raise ValueError("no age, no gender")
        return super().features(cohort)


class IgnoresImputed(HonestFuser):
    """Averages over observed entries only."""

    def channel_means(self, name: str, series: Series) -> np.ndarray:
        super().channel_means(name, series)
        counts = np.maximum(series.observed.sum(axis=1), 1)
        return np.where(series.observed, series.grid, 0).sum(axis=1, dtype=np.float64) / counts


class IgnoresOneModality(HonestFuser):
    """Has lost the laboratory values."""

    def channel_means(self, name: str, series: Series) -> np.ndarray:
        return super().channel_means(name, series) * (name != "labs")


class StandardisesBatch(HonestFuser):
    """Standardises by whoever is in the batch."""

    def features(self, cohort: Cohort) -> np.ndarray:
        features = super().features(cohort)
        features[:, 1:] -= features[:, 1:].mean(axis=0)
        return features


class InfersAbsence(HonestFuser):
    """Reads the grid of absent modalities."""

    def channel_means(self, name: str, series: Series) -> np.ndarray:
        return super().channel_means(name, replace(series, filled=~series.available))


class LearnsFromAbsence(HonestFuser):
    """Reads the grid of absent modalities while it learns, and not when it predicts."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        everything = {name: replace(s, filled=~s.available) for name, s in train.modalities.items()}
        super().fit(train.with_modalities(everything), valid, task, context)


class PeeksAtTargets(HonestFuser):
    """Returns the targets where it finds them."""

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        outputs = super().predict(cohort, context)
        return cohort.targets["toy"][:, None] if "toy" in cohort.targets else outputs


class LearnsNothing(HonestFuser):
    """Turns its prediction away from what it learnt."""

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        return 1 - super().predict(cohort, context)


class ReturnsLogits(HonestFuser):
    """Returns log odds."""

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        p = np.clip(super().predict(cohort, context), 1e-6, 1 - 1e-6)
        return np.log(p / (1 - p))


class SwallowsNaN(HonestFuser):
    """Takes NaN for 0 without a word."""

    def channel_means(self, name: str, series: Series) -> np.ndarray:
        return super().channel_means(name, replace(series, grid=np.nan_to_num(series.grid)))


class ReadsEvents(HonestFuser):
    """Reads events without saying so."""

    def channel_means(self, name: str, series: Series) -> np.ndarray:
        means = super().channel_means(name, series)
        values = np.nan_to_num(series.events.values)
        np.add.at(means, series.events.records(), values * 0.05)
        return means


class ReadsEventsUnasked(ReadsEvents):
    """Says that its parameters ask for the grid alone."""

    reads_events = False


class LeavesEvents(HonestFuser):
    """Says so too, and keeps to it."""

    reads_events = False


class InitialisesGlobally(HonestFuser):
    """Starts from NumPy's global generator."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        super().fit(train, valid, task, context)
        assert self.weights is not None
        self.weights += np.random.normal(scale=1e-3, size=self.weights.shape)  # noqa: NPY002


class NeedsBothClasses(HonestFuser):
    """Selects by AUROC on the validation part."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        if task.kind == "binary" and len(np.unique(valid.targets[task.name])) < 2:
            raise ValueError("AUROC is not defined for one class")
        super().fit(train, valid, task, context)


class NeedsFullBatches(HonestFuser):
    """Has batch normalisation and meets a batch of one."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        if len(train) % 64 == 1:
            raise ValueError("expected more than 1 value per channel when training")
        super().fit(train, valid, task, context)


class NeedsEveryModality(HonestFuser):
    """Standardises by the training records that have a modality, of which there may be none."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        if not all(series.present.any() for series in train.modalities.values()):
            raise ValueError("mean of an empty slice")
        super().fit(train, valid, task, context)


class NeedsStatics(HonestFuser):
    """Takes the first static for granted."""

    def features(self, cohort: Cohort) -> np.ndarray:
        return super().features(cohort) + 0 * np.nan_to_num(cohort.statics[:, :1])
