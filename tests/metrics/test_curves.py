"""Scores that are computed here are those of scikit-learn, bit by bit."""

from __future__ import annotations

import numpy as np
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.curves import precision_recall
from bench.metrics.scoring import value

LEVELS = st.sampled_from([1, 2, 5, 50, 10**6])
"""How many different outputs there are: few make many ties."""


@settings(max_examples=300)
@given(st.integers(0, 10**6), st.integers(2, 300), LEVELS, st.sampled_from([0.05, 0.4, 0.9]), st.booleans())
def test_of_one_label(seed: int, n: int, levels: int, rate: float, signed: bool) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < rate).astype(np.float32)
    truth[:2] = 0, 1
    score = (rng.integers(0, levels, n) / levels - signed / 2).astype(np.float32)
    precision, recall, at = sk.precision_recall_curve(truth, score)
    expected = {
        "auroc": sk.roc_auc_score(truth, score),
        "auprc": sk.average_precision_score(truth, score),
        "f1": sk.f1_score(truth, score >= 0.5),
        "accuracy": sk.accuracy_score(truth, score >= 0.5),
        "recall_at_precision_80": recall[precision >= 0.8].max(),
    }
    assert {name: value(name, truth, score[:, None]) for name in expected} == expected
    ours = precision_recall(truth > 0.5, score)
    assert all(np.array_equal(*pair) for pair in zip(ours, (precision, recall, at), strict=True))


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(8, 80), LEVELS)
def test_of_several_labels_or_classes(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, levels, (n, 3)) / levels).astype(np.float32)
    labels, classes = (rng.random((n, 3)) < 0.5).astype(np.float32), rng.integers(0, 3, n).astype(np.float32)
    labels[:2], classes[:3] = [[0], [1]], [0, 1, 2]
    assert value("accuracy", labels, scores) == sk.accuracy_score(labels, scores >= 0.5)
    assert value("accuracy", classes, scores) == sk.accuracy_score(classes, scores.argmax(axis=1))
    for name, of_one in (("auroc", sk.roc_auc_score), ("auprc", sk.average_precision_score)):
        for truth, columns in ((labels, labels.T > 0), (classes, classes == np.arange(3)[:, None])):
            assert value(name, truth, scores) == np.mean(
                [of_one(*pair) for pair in zip(columns, scores.T, strict=True)]
            )
    assert value("f1", labels, scores) == sk.f1_score(labels, scores >= 0.5, average="macro")
    assert value("f1", classes, scores) == sk.f1_score(classes, scores.argmax(axis=1), average="macro")
