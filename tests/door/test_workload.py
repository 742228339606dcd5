"""`bench.workload`: what a training comes to, and what that takes. Laws; how fast a machine is,
is no test.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.components import Context
from bench.train_params import TrainParams
from bench.training import train
from bench.workload import Workload, effort, training_seconds

RECORDS = st.integers(1, 10**6)
COSTS = {"step": 0.01, "visit": 0.001}


def work(records: int) -> Workload:
    return Workload(records=records, channels={"vitals": 10})


@pytest.mark.parametrize("steps", [None, 7])
@pytest.mark.parametrize("items", [1, 9, 10, 11])
def test_an_effort_is_what_the_training_loop_does_without_patience(items: int, steps: int | None) -> None:
    params = TrainParams(epochs=3, batch_size=5, steps=steps, patience=0)
    module, visits = nn.Linear(1, 1), []

    def loss(batch: np.ndarray) -> torch.Tensor:
        visits.append(len(batch))
        return module(torch.ones(len(batch), 1)).square().mean()

    done = train(module, items, loss, params, Context(seed=1), validate=lambda: 0.0)
    expected = effort(items, epochs=3, batch_size=5, steps=steps)
    assert (expected.steps, expected.passes) == (len(visits), len(done.history))
    assert expected.visits == pytest.approx(sum(visits), abs=params.batch_size)


@given(RECORDS, st.integers(1, 10**5))
def test_a_budget_of_steps_costs_in_proportion_to_it(records: int, steps: int) -> None:
    one, two, three = (training_seconds(TrainParams(steps=n * steps), work(records), **COSTS) for n in (1, 2, 3))
    assert one < two < three
    passes = effort(work(records).train, epochs=1, batch_size=64, steps=steps).passes
    assert (three - two) == pytest.approx(two - one, rel=2 / passes)  # a pass that was begun is validated whole


@given(RECORDS, st.integers(1, 100))
def test_epochs_cost_in_proportion_to_them(records: int, epochs: int) -> None:
    one, two, three = (training_seconds(TrainParams(epochs=n * epochs), work(records), **COSTS) for n in (1, 2, 3))
    assert three - two == pytest.approx(two - one)
    assert two > one


@given(RECORDS)
def test_more_records_never_cost_less_and_twice_as_many_at_most_about_twice(records: int) -> None:
    one, two = (training_seconds(TrainParams(), work(n), **COSTS) for n in (records, 2 * records))
    assert one <= two <= 2.5 * one + COSTS["step"] * TrainParams().epochs


@given(RECORDS, st.integers(1, 1000))
def test_small_batches_cost_more_steps_and_the_same_visits(records: int, batch_size: int) -> None:
    small, large = (effort(records, epochs=2, batch_size=size) for size in (batch_size, 2 * batch_size))
    assert small.steps >= large.steps
    assert small.visits == large.visits == 2 * records


@given(RECORDS)
def test_parts_are_never_more_than_the_records(records: int) -> None:
    assert work(records).train >= 1
    assert work(records).train + work(records).valid <= math.ceil(0.9 * records) + 1
