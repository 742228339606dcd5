"""A training that ends by the calibrated clock: it spends its budget, and what was stopped spends
what is left.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import training
from bench.components import Context, Interrupted
from bench.train_params import TrainParams
from bench.training import learning_rate
from support.regression import STEPS_PER_EPOCH, Problem, stopping_after


@pytest.fixture
def tenths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of `tick` is a tenth of a second."""

    class Tenths:
        def __init__(self, device: str, spent: float = 0.0):
            self.spent = spent

        def tick(self) -> float:
            self.spent = round(self.spent + 0.1, 6)
            return self.spent

        def start(self) -> None:
            pass

    monkeypatch.setattr(training, "Clock", Tenths)


def test_a_training_by_seconds_ends_with_its_budget_whatever_epochs_and_patience_say(tenths: None) -> None:
    before = 9.0  # of the validation that loads what it needs before the clock starts
    problem = Problem(scores=[before, 1.0, 2.0, 3.0, 4.0, 5.0])
    result = problem.train(seconds=2.0, epochs=1, patience=1)
    ticks = result.steps + result.steps // STEPS_PER_EPOCH  # each step, and each validation, takes a tenth
    assert ticks in (20, 21)
    assert [each.step for each in result.history] == [5, 10, 15, result.steps]
    assert (result.best, result.best_step) == (1.0, 5)


def test_a_training_by_seconds_makes_the_same_steps_as_one_by_steps(tenths: None) -> None:
    timed, counted = Problem(), Problem()
    steps = timed.train(seconds=1.3).steps
    counted.train(steps=steps)
    assert timed.weights() == counted.weights()


@pytest.mark.parametrize("steps", [1, 4, 5, 6, 11])
def test_a_training_by_seconds_that_was_stopped_spends_what_is_left(tmp_path: Path, tenths: None, steps: int) -> None:
    whole, notes = Problem(), []
    result = whole.train(seconds=1.7, schedule="cosine")
    with pytest.raises(Interrupted, match=f"stopped at step {steps}, second "):
        Problem(stopping_after(steps, tmp_path)).train(seconds=1.7, schedule="cosine")
    resumed = Problem(Context(seed=7, scratch=tmp_path, report=notes.append))
    again = resumed.train(seconds=1.7, schedule="cosine")
    assert (again.steps, again.resumed_from) == (result.steps, steps)
    assert resumed.weights() == whole.weights()
    assert "of 1.7" in notes[0]


def test_the_rate_of_a_training_by_seconds_follows_the_share_that_is_spent() -> None:
    params = TrainParams(learning_rate=0.2, schedule="cosine", seconds=60.0)
    by_steps = [learning_rate(params, step, 4) for step in range(5)]
    assert [learning_rate(params, 15.0 * step, 60.0) for step in range(5)] == pytest.approx(by_steps)


def test_the_shortest_budget_is_a_step_that_is_validated() -> None:
    result = Problem().train(seconds=1e-9)
    assert result.steps == 1
    assert len(result.history) == 1


def test_one_budget_is_enough() -> None:
    with pytest.raises(
        ValueError, match="steps=3 and seconds=2 exclude each other; give one of them, and null for the"
    ):
        TrainParams(steps=3, seconds=2.0)
