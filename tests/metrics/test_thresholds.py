"""Decisions at a threshold that was chosen on the validation part, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from bench.cohort import Task
from bench.metrics.decided import thresholds
from bench.metrics.scoring import score

BINARY = Task("t", "binary", ("auroc", "f1", "f1_tuned"))
LABELS = Task("t", "multilabel", ("auroc", "f1_tuned"), outputs=2)


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def test_the_threshold_with_the_best_f1_lies_between_two_outputs() -> None:
    truth = np.array([0, 0, 1, 1, 1], np.float32)
    chosen = thresholds(truth, column(0.1, 0.2, 0.15, 0.3, 0.4))
    assert chosen == pytest.approx([0.125])  # finds all three for one false alarm: 6/7; 0.25 misses one: 4/5


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=30))
def test_no_other_threshold_is_better_on_the_validation_part(rows: list[tuple[bool, int]]) -> None:
    truth = np.array([actual for actual, _ in rows], np.float32)
    outputs = column(*(grade / 20 for _, grade in rows))
    found = thresholds(truth, outputs)
    assert (found is not None) == truth.any()
    if found is None:
        return
    (chosen,) = found
    reached = f1_score(truth, outputs[:, 0] >= chosen, zero_division=0)
    others = np.append(np.unique(outputs), 1.01)  # between two outputs, decisions are the same
    assert all(reached >= f1_score(truth, outputs[:, 0] >= at, zero_division=0) for at in others)


def test_the_test_part_is_decided_at_the_threshold_of_the_validation_part() -> None:
    truth = np.array([0, 1, 1, 0], np.float32)
    outputs = column(0.1, 0.3, 0.4, 0.35)
    at_a_fifth = np.array([0, 1], np.float32), column(0.1, 0.3)
    scores = score(BINARY, truth, outputs, validation=at_a_fifth).values
    assert scores["f1"] == 0
    assert scores["f1_tuned"] == pytest.approx(0.8)
    higher = np.array([0, 1], np.float32), column(0.36, 0.4)
    assert score(BINARY, truth, outputs, validation=higher).values["f1_tuned"] == pytest.approx(2 / 3)


def test_every_label_has_a_threshold_of_its_own() -> None:
    truth = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    outputs = np.array([[0.3, 0.5], [0.1, 0.9], [0.2, 0.6]], np.float32)
    chosen = thresholds(truth, outputs)
    assert chosen == pytest.approx([0.15, 0.75])
    test_truth = np.array([[1, 1], [0, 0]], np.float32)
    test_outputs = np.array([[0.2, 0.8], [0.1, 0.7]], np.float32)
    assert score(LABELS, test_truth, test_outputs, validation=(truth, outputs)).values["f1_tuned"] == 1


def test_a_label_without_positives_has_no_best_threshold_and_so_there_is_no_tuned_score() -> None:
    outputs = np.array([[0.3, 0.9], [0.1, 0.2], [0.2, 0.6]], np.float32)
    assert thresholds(np.array([[1, 0], [0, 0], [1, 0]], np.float32), outputs) is None
    assert thresholds(np.zeros(3, np.float32), outputs[:, :1]) is None


def test_without_a_threshold_the_metric_is_left_out() -> None:
    test = np.array([0, 1], np.float32), column(0.2, 0.7)
    assert "f1_tuned" not in score(BINARY, *test).values
    no_positive = np.zeros(2, np.float32), column(0.2, 0.7)
    assert score(BINARY, *test, validation=no_positive).undefined == ["f1_tuned"]
    assert thresholds(np.zeros(0, np.float32), np.zeros((0, 1), np.float32)) is None
    assert thresholds(np.array([0, 1], np.float32), column(0.2, np.nan)) is None
