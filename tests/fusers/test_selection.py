"""By what validation score fusers select, and when the loss stands in for it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.cohort import Task
from bench.selection import mean_loss, selection
from support.fuser_cohorts import BINARY, MULTICLASS, MULTILABEL, REGRESSION


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def test_the_primary_metric_decides_where_it_is_defined() -> None:
    chosen = selection(BINARY, np.array([0, 1, 1]))
    assert chosen is not None
    assert (chosen.name, chosen.higher) == ("auroc", True)
    assert chosen.measure(column(0.1, 0.9, 0.8)) == 1


@pytest.mark.parametrize(
    ("task", "truth"),
    [
        (BINARY, np.array([0, 0])),
        (MULTICLASS, np.array([0, 2, 2])),
        (MULTILABEL, np.array([[0, 1], [1, 1]])),
    ],
)
def test_the_loss_decides_where_a_class_is_missing(task: Task, truth: np.ndarray) -> None:
    chosen = selection(task, truth)
    assert chosen is not None
    assert (chosen.name, chosen.higher) == ("loss", False)


@pytest.mark.parametrize("task", [BINARY, REGRESSION])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_output_that_is_no_finite_number_has_no_score(task: Task, value: float) -> None:
    chosen = selection(task, np.array([0, 1, 1], np.float32))
    assert chosen is not None
    assert np.isnan(chosen.measure(column(0.1, value, 0.8)))


def test_regression_needs_no_classes() -> None:
    chosen = selection(REGRESSION, np.array([5.0]))
    assert chosen is not None
    assert (chosen.name, chosen.higher) == ("mae", False)
    assert chosen.rank(column(4.5)) > chosen.rank(column(6.0))


def test_nothing_can_be_selected_on_an_empty_part() -> None:
    assert selection(BINARY, np.array([])) is None


def test_the_loss_breaks_ties_of_the_score() -> None:
    chosen = selection(BINARY, np.array([0, 1]))
    assert chosen is not None
    sure, unsure, wrong = column(0.1, 0.9), column(0.4, 0.6), column(0.6, 0.4)
    assert chosen.measure(sure) == chosen.measure(unsure)
    assert chosen.rank(sure) > chosen.rank(unsure) > chosen.rank(wrong)


def test_losses_are_mean_negative_log_likelihoods_and_squared_errors() -> None:
    assert mean_loss(BINARY, np.array([1, 0]), column(0.5, 0.2)) == pytest.approx(-np.log([0.5, 0.8]).mean())
    classes = np.array([[0.2, 0.3, 0.5]], np.float32)
    assert mean_loss(MULTICLASS, np.array([2]), classes) == pytest.approx(-np.log(0.5))
    labels = np.array([[0.9, 0.4]], np.float32)
    assert mean_loss(MULTILABEL, np.array([[1, 0]]), labels) == pytest.approx(-np.log([0.9, 0.6]).mean())
    assert mean_loss(REGRESSION, np.array([1, 2]), column(2, 4)) == pytest.approx(2.5)
