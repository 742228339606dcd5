"""What components return is looked at before it is believed: type, dtype, shape, range, size;
the words say what is wrong.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bench.cohort import Task
from bench.errors import PluginError
from bench.metrics.scoring import score
from bench.registry import Registry
from bench.stages.contract import LARGEST, SUM, apart, broken_completion, broken_predictions, moved
from bench.stages.validate import validate
from bench.testing.toy import TOY_TASKS, toy_cohort

FORECAST = Task("forecast", "regression", ("mae", "mse", "rmse"), outputs=3)
TASKS = [*TOY_TASKS.values(), FORECAST]
COHORT = toy_cohort(n=8, length=4)


class Labelled(np.ndarray):
    """An array that means more than its numbers."""


def probabilities(task: Task, n: int, seed: int = 0) -> np.ndarray:
    """Predictions in order, float32 [n, outputs]."""
    made = np.random.default_rng(seed).uniform(0.1, 0.9, (n, task.outputs))
    if task.kind == "multiclass":
        made = made / made.sum(axis=1, keepdims=True)
    return made.astype(np.float32)


@given(task=st.sampled_from(TASKS), n=st.integers(1, 20), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_accepted_can_be_scored_and_is_what_the_contract_says(
    task: Task, n: int, seed: int, data: st.DataObject
) -> None:
    """Any numbers of any form, some of them put into predictions that were in order."""
    outputs = probabilities(task, n, seed)
    if data.draw(st.booleans()):
        values = st.one_of(st.floats(width=32), st.floats(-0.125, 1.125, width=32))
        outputs[data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, task.outputs - 1))] = data.draw(values)
    dtype = data.draw(st.sampled_from([np.float32, np.float32, np.float64, np.int64, ">f4"]))
    with np.errstate(all="ignore"):
        outputs = outputs.astype(dtype)
    shape = data.draw(
        st.sampled_from([outputs.shape, outputs.shape, (n,), (n, task.outputs + 1), (n + 1, task.outputs)])
    )
    outputs = np.resize(outputs, shape)
    right = outputs.dtype == np.float32 and outputs.shape == (n, task.outputs) and bool(np.isfinite(outputs).all())
    right = right and bool((np.abs(outputs) <= LARGEST).all())
    if right and task.kind != "regression":
        right = bool(((outputs >= 0) & (outputs <= 1)).all())
    if right and task.kind == "multiclass":
        right = bool((np.abs(outputs.sum(axis=1, dtype=np.float64) - 1) <= SUM).all())
    problem = broken_predictions(outputs, task, n)
    assert (problem == "") == right, problem
    if right and task.kind == "regression":
        truth = np.zeros(task.target_shape(n), np.float32)
        assert all(np.isfinite(value) for value in score(task, truth, outputs).values.values())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: np.ma.masked_array(p, mask=p > 0.5), "is a masked array; it must be a plain NumPy array, float32"),
        (lambda p: p.view(Labelled), "is of a subclass of NumPy's array; it must be a plain NumPy array"),
        (lambda p: p.tolist(), "is no NumPy array; it must be a plain NumPy array"),
        (lambda p: None, "is no NumPy array; it must be a plain NumPy array"),
        (lambda p: p.astype(np.float64), "is float64 [6, "),
        (lambda p: (p > 0.5).astype(np.int64), "is int64 [6, "),
        (lambda p: p > 0.5, "is bool [6, "),
        (lambda p: p.astype(object), "is of another type [6, "),
        (lambda p: p.ravel()[:3], "is float32 [3]; it must be a plain NumPy array, float32 [6, "),
        (lambda p: np.where(p == p[2], np.float32(np.nan), p), "values that are not finite numbers"),
        (lambda p: np.full_like(p, np.inf), "values that are not finite numbers"),
        (lambda p: np.full_like(p, 3e38), "values beyond 1e+12: too large to compute with, their squares overflow"),
        (lambda p: np.full_like(p, -3e38), "values beyond 1e+12: too large to compute with, their squares overflow"),
    ],
)
def test_each_fault_of_predictions_is_told_as_what_it_is(task: Task, change, said: str) -> None:
    problem = broken_predictions(change(probabilities(task, 6)), task, 6)
    assert said in problem
    assert "class does not occur" not in problem


@pytest.mark.parametrize("kind", ["binary", "multilabel", "multiclass"])
def test_logits_are_no_probabilities(kind: str) -> None:
    task = TOY_TASKS[kind]
    p = probabilities(task, 6)
    assert "are probabilities, from 0 to 1; " in broken_predictions(np.log(p), task, 6)
    if kind == "multiclass":
        assert "must sum to 1; here they are off by up to" in broken_predictions(p * np.float32(0.9), task, 6)


def completion(draws: int = 2) -> dict[str, np.ndarray]:
    return {
        name: np.where(s.observed, s.grid, 0).astype(np.float32)[None].repeat(draws, axis=0)
        for name, s in COHORT.modalities.items()
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: list(c.values()), "an array for each modality it was given (vitals, labs left out)"),
        (lambda c: {"vitals": c["vitals"]}, "an array for each modality it was given (labs left out)"),
        (lambda c: c | {"labs": np.ma.masked_array(c["labs"])}, "labs is a masked array"),
        (lambda c: c | {"labs": c["labs"].astype(np.int32)}, "labs is int32 [2, 8, 4, 2]; it must be"),
        (
            lambda c: c | {"labs": c["labs"][:1]},
            "labs is float32 [1, 8, 4, 2]; it must be a plain NumPy array, float32 [2, 8, 4, 2] (draws",
        ),
        (lambda c: c | {"labs": c["labs"] * np.float32(np.nan)}, "not finite numbers"),
        (
            lambda c: c | {"labs": c["labs"] + np.float32(3e38)},
            "labs has 128 of 128 values beyond 1e+12",
        ),
    ],
)
def test_each_fault_of_a_completion_is_told_as_what_it_is(change, said: str) -> None:
    assert broken_completion(completion(), COHORT, 2, ()) == ""
    assert said in broken_completion(change(completion()), COHORT, 2, ())


def test_a_control_that_leaves_nan_may_leave_nan_and_nothing_else() -> None:
    made = completion()
    made["labs"][0, 0, 0, 0] = np.nan
    assert "not finite" in broken_completion(made, COHORT, 2, ())
    assert broken_completion(made, COHORT, 2, {"leaves_nan"}) == ""
    made["labs"][0, 0, 0, 0] = np.inf
    assert "not finite" in broken_completion(made, COHORT, 2, {"leaves_nan"})


@given(
    changes=arrays.arrays(np.float32, (2, 8, 4, 3), elements=st.sampled_from([0.0, 0.0, 0.0, 1e-3, 2.0, float("nan")])),
)
def test_moved_counts_the_observed_entries_that_changed_and_no_others(changes: np.ndarray) -> None:
    series = COHORT.modalities["vitals"]
    made = completion()["vitals"] + changes
    count, largest = moved(series, made)
    differs = (made != series.grid) & series.observed
    assert count == differs.sum()
    assert (largest == np.inf) == bool((np.isnan(changes) & series.observed).any())
    assert (largest > 0) == bool(count)


@given(
    a=arrays.arrays(np.float32, 5, elements=st.floats(-1e6, 1e6, width=32)),
    off=st.floats(-1e-3, 1e-3),
)
def test_apart_is_zero_up_to_rounding_and_symmetric_about_what_counts(a: np.ndarray, off: float) -> None:
    b = (a + np.float32(off)).astype(np.float32)
    assert (apart(b, a, 1e-5) == 0) == np.allclose(b.astype(np.float64), a, rtol=1e-5, atol=1e-5)
    assert apart(a, np.full_like(a, np.nan), 1e-5) == float("inf")


def test_a_dataset_of_masked_arrays_or_infinite_outcomes_is_refused() -> None:
    """What a mask hides would be read as a value; an infinite outcome makes every error
    infinite.
    """
    registry = Registry()
    task = TOY_TASKS["regression"]
    registry.dataset("toy", "nowhere:Toy", tasks=[task], modalities=("vitals", "labs"))
    spec = registry.get("dataset", "toy")
    cohort = replace(COHORT, targets={task.name: np.ones(8, np.float32)})
    validate(cohort, spec)
    for value in (np.inf, -np.inf, 3e38):
        broken = np.ones(8, np.float32)
        broken[3] = value
        with pytest.raises(PluginError, match="the target has values that are infinite or beyond 1e\\+12"):
            validate(replace(cohort, targets={task.name: broken}), spec)
    vitals = cohort.modalities["vitals"]
    masked = replace(vitals, grid=np.ma.masked_array(vitals.grid))
    with pytest.raises(PluginError, match="grid of vitals must be a plain NumPy array, not a masked array"):
        validate(cohort.with_modalities({**cohort.modalities, "vitals": masked}), spec)
    with pytest.raises(PluginError, match="the target toy_value must be a plain NumPy array, not a masked array"):
        validate(replace(cohort, targets={task.name: np.ma.ones(8, np.float32)}), spec)
