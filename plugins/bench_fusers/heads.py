"""Between a task's targets and scikit-learn's classifiers: one label vector per model, and back
to probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier

from bench.cohort import Task


def labels_of(task: Task, truth: np.ndarray) -> list[np.ndarray]:
    """One vector [n] for each model: a label each (multilabel), else the targets themselves."""
    return list(truth.T) if task.kind == "multilabel" else [truth]


def classifier(rows: np.ndarray, label: np.ndarray, learn: Callable[[], Any]) -> Any:
    """The fitted model of `learn`, or a constant one where `label` knows a single class and
    nothing can be learnt.
    """
    if len(np.unique(label)) == 1:
        return DummyClassifier(strategy="most_frequent").fit(rows, label)
    return learn()


def outputs_of(task: Task, models: Sequence[Any], predictions: Sequence[np.ndarray]) -> np.ndarray:
    """float32 [n, task.outputs] from each model's own predictions.

    predictions: values [n] or [n, outputs] (regression) or probabilities [n, classes the model
    met]. A class not met has probability 0.
    """
    if task.kind == "regression":
        return predictions[0].reshape(-1, task.outputs).astype(np.float32)
    outputs = np.zeros((len(predictions[0]), task.outputs), np.float32)
    if task.kind == "multiclass":
        outputs[:, models[0].classes_.astype(int)] = predictions[0]
        return outputs
    for column, (model, probabilities) in enumerate(zip(models, predictions, strict=True)):
        for place in np.flatnonzero(model.classes_ == 1):
            outputs[:, column] = probabilities[:, place]
    return outputs
