"""`fedmm-like`: modalities that learn apart, prototypes that no division of records among clients
changes, and the weight that draws to them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.federated.rounds import Client, Rounds, federate
from bench.learner import Plan, Reply
from bench.registry import NoParams
from bench_federations.averaging import FedAvg
from bench_fusers.fedmm.fuser import COUNTS, SUMS, FedMM, distance, memberships
from support.fuser_cohorts import BINARY, MULTICLASS, MULTILABEL, REGRESSION, build, cohort, unfilled, without

CONTEXT = Context(seed=2)
TRAIN, VALID = unfilled(cohort(26, absent=0.3)), unfilled(cohort(10, seed=1, absent=0.3))
FAST = {"epochs": 1, "batch_size": 13, "width": 4}


def begun(task: Task = BINARY, **chosen: Any) -> FedMM:
    made = build("fedmm-like", **{**FAST, **chosen})
    assert isinstance(made, FedMM)
    made.begin(made.summary(TRAIN, task), CONTEXT)
    return made


# What is predicted


def test_heads_of_the_modalities_that_are_there_are_averaged() -> None:
    made = begun()
    made.learnt = True
    alone = {}
    for place, name in enumerate(TRAIN.modalities):
        made.network.heads[place].weight.data.zero_()
        made.network.heads[place].bias.data.fill_(place + 1.0)
        alone[name] = TRAIN.modalities[name].available
    vitals, labs = alone["vitals"], alone["labs"]
    logit = np.select([vitals & labs, vitals, labs], [1.5, 1.0, 2.0], default=0.0)
    assert len(set(logit)) >= 3
    assert made.predict(TRAIN, CONTEXT)[:, 0] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


def test_the_representation_of_an_absent_modality_is_0() -> None:
    made = begun()
    made.learnt = True
    rows = made.embed(TRAIN, CONTEXT)
    assert rows is not None
    absent = ~TRAIN.modalities["labs"].available
    assert rows.shape == (26, 8)
    assert not rows[absent, 4:].any()
    assert rows[~absent, 4:].any(axis=1).all()


def test_a_modality_learns_as_if_there_were_no_other() -> None:
    one, other = begun(average=0.0), begun(average=0.0)
    vitals = TRAIN.modalities["vitals"]
    moved = replace(vitals, grid=np.where(vitals.observed, vitals.grid + np.float32(2), vitals.grid))
    one.local(TRAIN, Plan(), CONTEXT)
    other.local(TRAIN.with_modalities({**TRAIN.modalities, "vitals": moved}), Plan(), CONTEXT)
    first, second = one.get(), other.get()
    changed = {name for name in first if not name.startswith("own/") and not np.array_equal(first[name], second[name])}
    assert changed
    assert all("/vitals/" in name for name in changed)


# Prototypes


def test_a_client_sends_sums_and_counts_of_its_representations_by_class() -> None:
    made = begun(MULTICLASS)
    reply = made.local(TRAIN, Plan(), CONTEXT)
    rows = made.embed(TRAIN, CONTEXT)
    assert rows is not None
    classes = TRAIN.targets["multiclass"]
    for place, series in enumerate(TRAIN.modalities.values()):
        for label in range(3):
            own = (classes == label) & series.available
            assert reply.arrays[COUNTS][place, label] == own.sum()
            wanted = rows[own, 4 * place : 4 * place + 4].sum(axis=0, dtype=np.float64)
            assert reply.arrays[SUMS][place, label] == pytest.approx(wanted, abs=1e-5)


@given(cut=st.integers(0, 26), swapped=st.booleans())
@settings(max_examples=10, deadline=None)
def test_prototypes_are_those_of_all_records_however_these_are_divided(cut: int, swapped: bool) -> None:
    made = begun(MULTICLASS)
    made.module.eval()  # type: ignore[union-attr]

    def counted(train: Cohort) -> Reply:
        made._count(train, CONTEXT)
        return Reply({name: made.get()[name] for name in (SUMS, COUNTS)}, {}, {}, {}, {})

    halves = [counted(TRAIN.take(index)) for index in np.split(np.arange(26), [cut])]
    if swapped:
        halves.reverse()
    merged, whole = made.merge_own(1, dict(enumerate(halves))), counted(TRAIN).arrays
    assert np.array_equal(merged[COUNTS], whole[COUNTS])
    assert np.allclose(merged[SUMS], whole[SUMS], atol=1e-5)


def test_the_order_in_which_clients_answer_changes_no_bit() -> None:
    made = begun()
    rng = np.random.default_rng(0)
    replies = {k: Reply({SUMS: rng.normal(size=(2, 2, 4)), COUNTS: np.ones((2, 2))}, {}, {}, {}, {}) for k in range(5)}
    one, other = made.merge_own(1, replies), made.merge_own(1, dict(reversed(replies.items())))
    assert np.array_equal(one[SUMS], other[SUMS])


def test_the_distance_by_hand() -> None:
    z = torch.tensor([[1.0, 2.0], [0.0, 0.0], [5.0, 5.0]])
    prototypes = torch.tensor([[1.0, 0.0], [3.0, 4.0], [9.0, 9.0]])
    known = torch.tensor([1.0, 1.0, 0.0])
    classes = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1]])
    # 4; the mean of 1 and 25; and 0 for a class without a prototype.
    assert float(distance(z, classes, prototypes, known)) == pytest.approx((4 + 13 + 0) / 3)


def test_a_class_belongs_to_a_record_and_each_label_to_those_that_have_it() -> None:
    assert memberships(BINARY, np.array([1.0, 0.0])).tolist() == [[0, 1], [1, 0]]
    assert memberships(MULTICLASS, np.array([2.0])).tolist() == [[0, 0, 1]]
    assert memberships(MULTILABEL, np.array([[1.0, 1.0], [0.0, 0.0]])).tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("after", "rounds", "weight"), [(0, 1, 0), (0, 9, 0), (1, 9, 1 / 3), (2, 9, 2 / 3), (3, 9, 1), (8, 9, 1), (1, 2, 1)]
)
def test_the_pull_grows_over_the_first_third_of_the_rounds(after: int, rounds: int, weight: float) -> None:
    made = begun(pull=0.5)
    made.local(TRAIN, Plan(steps=1, after=after, rounds=rounds), CONTEXT)
    assert made.weight == pytest.approx(0.5 * weight)


def test_representations_end_nearer_to_prototypes_that_pull() -> None:
    far = {}
    for pull in (0.0, 1.0):
        made = begun(pull=pull, average=0.0)
        made.set({SUMS: np.full((2, 2, 4), 3.0), COUNTS: np.ones((2, 2))})
        made.local(TRAIN, Plan(epochs=6, after=1, rounds=3), CONTEXT)
        rows = made.embed(TRAIN, CONTEXT)
        assert rows is not None
        there = np.repeat([series.available for series in TRAIN.modalities.values()], 4, axis=0).T
        far[pull] = float(np.square(rows - 3)[there].mean())
    assert far[1.0] < far[0.0] / 2


@pytest.mark.parametrize("extractor", ["inception", "small"])
def test_both_extractors_give_a_vector_per_record_that_depends_on_no_other(extractor: str) -> None:
    made = begun(extractor=extractor, filters=2)
    made.learnt = True
    rows, alone = made.embed(TRAIN, CONTEXT), made.embed(TRAIN.take(np.arange(3)), CONTEXT)
    assert rows is not None
    assert rows.shape == (26, 8)
    assert alone == pytest.approx(rows[:3], abs=1e-5)


def test_a_regression_has_no_prototypes_and_is_learnt() -> None:
    made = begun(REGRESSION)
    assert not any(name.startswith("own/") for name in made.groups())
    clients = {k: Client(TRAIN, VALID) for k in range(2)}
    federate(made, FedAvg(NoParams()), clients, Rounds(number=2), CONTEXT, REGRESSION)
    assert np.isfinite(made.predict(VALID, CONTEXT)).all()


# In a federation


def test_all_but_sums_and_counts_belongs_to_modalities() -> None:
    made = begun()
    groups = made.groups()
    assert set(groups.values()) == {"mod/vitals", "mod/labs", "buffer/vitals", "buffer/labs", "own"}
    assert {name for name, group in groups.items() if group == "own"} == {SUMS, COUNTS}
    assert all(("running" in name or "tracked" in name) == group.startswith("buffer") for name, group in groups.items())


@pytest.mark.parametrize("task", [BINARY, MULTICLASS, MULTILABEL], ids=lambda task: task.kind)
def test_a_client_without_a_modality_changes_nothing_of_it(task: Task) -> None:
    made = begun(task)
    start = made.get()
    poor = without(TRAIN, "labs")
    clients = {k: Client(poor, poor, ("vitals",)) for k in range(2)}
    state = federate(made, FedAvg(NoParams()), clients, Rounds(number=2, select="last"), CONTEXT, task)
    for name, array in state.arrays.items():
        if name.startswith(("mod/labs", "buffer/labs")):
            assert np.array_equal(array, start[name]), name
    assert not state.arrays[COUNTS][1].any()
    assert state.arrays[COUNTS][0].sum() > 0
    assert not np.array_equal(state.arrays["mod/vitals/heads.0.weight"], start["mod/vitals/heads.0.weight"])


def test_owners_of_different_modalities_leave_each_other_alone() -> None:
    clients = {0: without(TRAIN, "labs"), 1: without(TRAIN, "vitals")}
    made = begun(average=0.0)
    state = federate(
        made,
        FedAvg(NoParams()),
        {k: Client(train, train) for k, train in clients.items()},
        Rounds(number=1, select="last"),
        CONTEXT,
        BINARY,
    )
    alone = begun(average=0.0)
    reply = alone.local(clients[1], Plan(epochs=1, name="client1"), CONTEXT)
    for name, array in reply.arrays.items():
        if not name.startswith("own/"):
            assert np.array_equal(state.arrays[name], array), name
