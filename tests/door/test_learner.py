"""Learners: every torch method is built from sums alone, and trains, travels and comes back as
named arrays.
"""

from __future__ import annotations

import functools
import operator
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.cohort import Cohort, Task
from bench.components import Context, NotFitted
from bench.learner import Learner, Plan, Reply
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench.train_params import TorchFuserParams
from support.central_training import IMPUTERS, records
from support.central_training import cases as pinned
from support.fuser_cohorts import BINARY, MULTICLASS, MULTILABEL, REGRESSION, build, cohort

N = 61  # of no other meaning, so that an array with an axis of it holds records
CONTEXT = Context(seed=4)
PLAN = Plan(steps=3, name="client0.round1")
METHODS = sorted({(kind, name) for kind, name, _, _ in pinned().values()})
every_method = pytest.mark.parametrize(("kind", "name"), METHODS, ids=[name for _, name in METHODS])


def learner(kind: str, name: str, **params: Any) -> Any:
    if kind == "fuser":
        return build(name, **{"batch_size": 16, "steps": 3} | params)
    spec = IMPUTERS.get("imputer", name)
    return spec.build({**spec.test_params, "batch_size": 16, "steps": 3, **params})


def data(kind: str, n: int = N, seed: int = 0) -> tuple[Cohort, Task | None]:
    return (cohort(n, seed=seed), BINARY) if kind == "fuser" else (records(n, seed), None)


def answers(made: Any, kind: str) -> dict[str, np.ndarray]:
    fresh = data(kind, 7, 1)[0].without_targets()
    return {"": made.predict(fresh, CONTEXT)} if kind == "fuser" else made.impute(fresh, 2, CONTEXT)


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def begun(kind: str, name: str, **params: Any) -> Any:
    made = learner(kind, name, **params)
    made.begin(made.summary(*data(kind)), CONTEXT)
    return made


@every_method
def test_it_is_built_from_sums_that_hold_no_record_and_travel_as_bytes(kind: str, name: str) -> None:
    sums = learner(kind, name).summary(*data(kind))
    arrays = [*sums.totals.values(), *(a for m in sums.moments.values() for a in (m.count, m.total, m.squares))]
    assert all(N not in array.shape and array.dtype == np.float64 for array in arrays)
    made = learner(kind, name)
    made.begin(pickle.loads(pickle.dumps(sums)), CONTEXT)
    assert len(pickle.dumps(sums.form)) < 1000
    assert same(made.get(), begun(kind, name).get())


@every_method
def test_sums_of_clients_in_order_are_those_of_all_their_records(kind: str, name: str) -> None:
    made, (whole, task) = learner(kind, name), data(kind)
    clients = [whole.take(index) for index in np.split(np.arange(N), [0, 11, 40])]
    merged = functools.reduce(operator.add, [made.summary(client, task) for client in clients])
    wanted = made.summary(whole, task)
    assert (merged.form, merged.task) == (wanted.form, wanted.task)
    for key, total in wanted.totals.items():
        np.testing.assert_allclose(merged.totals[key], total, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("task", [BINARY, MULTICLASS, MULTILABEL], ids=lambda task: task.kind)
def test_weights_of_classes_from_the_counts_of_clients_are_exactly_those_of_all_records(task: Task) -> None:
    whole = cohort(N)
    for cuts in ([], [5, 9], [30]):
        made: Any = build("gru", balance=True)
        sums = [made.summary(whole.take(index), task) for index in np.split(np.arange(N), cuts)]
        made.begin(functools.reduce(operator.add, sums), CONTEXT)
        labels = np.eye(3)[whole.targets["multiclass"].astype(int)] if task is MULTICLASS else whole.targets[task.name]
        counts = labels.reshape(N, -1).sum(axis=0, dtype=np.float64)
        assert np.array_equal(made._weight, N / (3 * counts) if task is MULTICLASS else (N - counts) / counts)


def sent_of(made: Any, train: Cohort) -> dict[str, np.ndarray]:
    """What a client sends: without what belongs to a modality that none of its records has."""
    absent = {name for name, series in train.modalities.items() if not series.available.any()}
    return {name: array for name, array in made.get().items() if not absent & set(made.groups()[name].split("/"))}


@every_method
def test_central_training_is_that_of_one_client(kind: str, name: str) -> None:
    (train, task), (valid, _) = data(kind), data(kind, 20, 2)
    central, client = learner(kind, name), begun(kind, name)
    with pytest.raises(NotFitted):
        answers(client, kind)
    central.fit(train, valid, *([task] if task else []), CONTEXT)
    reply = client.local(train, Plan(valid=valid), CONTEXT)
    assert same(central.get(), client.get())
    assert same(sent_of(central, train), dict(reply.arrays))
    assert same(answers(central, kind), answers(client, kind))


@every_method
def test_what_was_learnt_travels_and_an_average_of_one_client_is_that_client(kind: str, name: str) -> None:
    trained = begun(kind, name)
    reply = trained.local(data(kind)[0], PLAN, CONTEXT)
    assert same(dict(reply.arrays), sent_of(trained, data(kind)[0]))
    assert not same(trained.get(), begun(kind, name).get())
    assert all(each.startswith(f"{group}/") for each, group in trained.groups().items())
    assert {group.partition("/")[0] for group in trained.groups().values()} <= {
        "shared",
        "buffer",
        "mod",
        "pair",
        "own",
    }
    averaged = {each: array.astype(np.float64) * reply.n[each] / reply.n[each] for each, array in reply.arrays.items()}
    for arrays in (reply.arrays, averaged):
        other = begun(kind, name)
        other.set(arrays)
        assert same(sent_of(other, data(kind)[0]), sent_of(trained, data(kind)[0]))
        if reply.arrays.keys() == trained.get().keys():  # else what was not sent is as it was built
            assert same(answers(other, kind), answers(trained, kind))


def test_arrays_are_copies_and_of_one_form() -> None:
    made = begun("fuser", "gru")
    before = made.get()
    made.get()["shared/absent"][:] = 7
    assert same(made.get(), before)
    with pytest.raises(ValueError, match=r"shared/absent has the shape \(1,\), not \(2, "):
        made.set({"shared/absent": np.zeros(1)})
    with pytest.raises(KeyError, match="shared/present"):
        made.set({"shared/present": np.zeros(1)})


def test_running_statistics_are_buffers_and_counts_that_were_averaged_are_whole_again() -> None:
    made = begun("imputer", "condi")
    counted = [each for each, group in made.groups().items() if each.endswith("num_batches_tracked")]
    assert counted
    assert {made.groups()[each] for each in counted} == {"buffer"}
    assert all(each.startswith("buffer/joint/") for each in counted)
    made.set({each: np.array(2.6) for each in counted})
    assert {int(made.get()[each]) for each in counted} == {3}


def test_a_plan_says_how_long_and_under_which_name() -> None:
    train, _ = data("fuser")
    replies = [
        begun("fuser", "gru", epochs=9, steps=None).local(train, plan, CONTEXT)
        for plan in (PLAN, PLAN, replace(PLAN, name="client1.round1"), Plan(epochs=2), Plan())
    ]
    assert [set(reply.steps.values()) for reply in replies] == [{3}, {3}, {3}, {8}, {36}]
    assert {count for reply in replies for count in reply.n.values()} == {N}
    assert same(dict(replies[0].arrays), dict(replies[1].arrays))
    assert not same(dict(replies[0].arrays), dict(replies[2].arrays))
    assert replies[0].sums["count"] == N
    assert replies[4].sums["loss"] < replies[0].sums["loss"]


def test_a_plan_with_epochs_is_not_cut_short_by_patience() -> None:
    (train, _), (valid, _) = data("fuser"), data("fuser", 20, 2)
    made = begun("fuser", "gru", patience=1, learning_rate=0.3)
    made.local(train, Plan(valid=valid, epochs=8), CONTEXT)
    assert made.results[""].steps == 32
    assert made.results[""].best_step < 24


@pytest.mark.parametrize(("kind", "name"), [("fuser", "gru"), ("imputer", "csdi")])
def test_the_validation_loss_is_a_sum_and_a_count(kind: str, name: str) -> None:
    made = begun(kind, name)
    made.local(data(kind)[0], PLAN, CONTEXT)
    (valid, _) = data(kind, 20, 2)
    whole = made.validate(valid, CONTEXT)
    assert same(whole, made.validate(valid, CONTEXT))
    assert float(whole["loss"]) > 0
    if kind == "fuser":  # a denoising loss draws masks and noise by the place of a record
        halves = [made.validate(valid.take(index), CONTEXT) for index in np.split(np.arange(20), 2)]
        for key, total in whole.items():
            np.testing.assert_allclose(sum(half[key] for half in halves), total, rtol=1e-6)
        assert made.validate(valid.take(np.arange(0)), CONTEXT)["count"] == 0


def test_what_a_client_has_nothing_to_learn_from_is_not_sent() -> None:
    whole, _ = data("imputer")
    blind = replace(whole.modalities["labs"], observed=np.zeros_like(whole.modalities["labs"].observed))
    made = begun("imputer", "csdi")
    reply = made.local(whole.with_modalities({**whole.modalities, "labs": blind}), PLAN, CONTEXT)
    assert {each.split("/")[1] for each in reply.arrays} == {"vitals"}
    assert {each.split("/")[1] for each in made.get()} == {"vitals", "labs"}
    assert reply.n.keys() == reply.steps.keys() == reply.arrays.keys()


class Personal(TorchFuser[TorchFuserParams]):
    """A linear map of the statics, whose bias stays at the client."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        class Module(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.map = nn.Linear(inputs.statics, task.outputs)

            def forward(self, batch: Batch) -> torch.Tensor:
                logits: torch.Tensor = self.map(batch.statics)
                return logits

        return Module()

    def group(self, module: str, weight: str) -> str:
        return "local" if weight == "map.bias" else super().group(module, weight)


def personal(train: Cohort, task: Task = BINARY, **params: Any) -> Personal:
    made = Personal(TorchFuserParams(**{"batch_size": N, "clip": 0.0, "optimizer": "sgd", **params}))
    made.begin(made.summary(train, task), CONTEXT)
    return made


def test_local_arrays_are_never_sent_and_come_back_as_state() -> None:
    train, _ = data("fuser")
    first, second = personal(train), personal(train)
    reply = first.local(train, PLAN, CONTEXT)
    assert set(reply.arrays) == {"shared/map.weight"}
    assert set(reply.state) == {"local/map.bias"}
    second.set(reply.arrays)
    assert not same(second.get(), first.get())
    again = [made.local(train, Plan(steps=2), CONTEXT, reply.state) for made in (first, second)]
    assert same(dict(again[0].state), dict(again[1].state))
    assert same(first.get(), second.get())


def proximal(mu: float) -> Callable[[nn.Module], Callable[[], torch.Tensor]]:
    """The term of FedProx: mu / 2 times the squared distance to the weights the training starts
    from.
    """

    def penalty(module: nn.Module) -> Callable[[], torch.Tensor]:
        start = [weight.detach().clone() for weight in module.parameters()]
        return lambda: (
            mu / 2 * sum((w - s).square().sum() for w, s in zip(module.parameters(), start, strict=True))  # type: ignore[return-value]
        )

    return penalty


def test_a_proximal_term_holds_the_weights_where_they_started() -> None:
    train, _ = data("fuser")
    start = personal(train).get()["shared/map.weight"]
    moved = []
    for mu in (None, 0.0, 10.0, 1000.0):
        made = personal(train, learning_rate=1e-3)
        plan = Plan(steps=100, penalty=None if mu is None else proximal(mu))
        made.local(train, plan, CONTEXT)
        moved.append(float(np.abs(made.get()["shared/map.weight"] - start).max()))
    assert moved[0] == moved[1] > moved[2] > moved[3]
    assert moved[3] < moved[0] / 50


def test_a_learner_has_nothing_to_merge_by_itself_unless_it_says_so() -> None:
    reply = Reply({}, {}, {}, {}, {})
    assert isinstance(personal(data("fuser")[0]), Learner)
    assert personal(data("fuser")[0]).merge_own(1, {0: reply}) == {}


def test_the_target_of_a_regression_is_standardised_by_the_sums_of_all_clients() -> None:
    whole = cohort(N)
    made = personal(whole, REGRESSION)
    truth = whole.targets["regression"].astype(np.float64)
    assert [float(part) for part in made.target] == pytest.approx([truth.mean(), truth.std()])


class Table(TorchFuser[TorchFuserParams]):
    """A linear map of the statics, and a table whose length is merged."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        class Module(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.map = nn.Linear(inputs.statics, task.outputs)
                self.inner = nn.ParameterDict({"table": torch.ones(4, 2)})
                self.register_buffer("seen", torch.zeros(4, dtype=torch.int64))

            def forward(self, batch: Batch) -> torch.Tensor:
                logits: torch.Tensor = self.map(batch.statics) + self.inner["table"].sum()
                return logits

        return Module()

    def group(self, module: str, weight: str) -> str:
        return {"inner.table": "own/labs", "seen": "own"}.get(weight, "shared")


def test_what_a_learner_merges_by_itself_may_change_its_shape() -> None:
    train, _ = data("fuser")
    made = Table(TorchFuserParams(batch_size=N, optimizer="sgd"))
    made.begin(made.summary(train, BINARY), CONTEXT)
    table = np.arange(14, dtype=np.float32).reshape(7, 2) / 100
    made.set({"own/labs/inner.table": table, "own/seen": np.arange(7)})
    assert same(made.get(), made.get() | {"own/labs/inner.table": table, "own/seen": np.arange(7)})
    reply = made.local(train, PLAN, CONTEXT)
    assert reply.arrays["own/labs/inner.table"].shape == (7, 2)
    assert not np.array_equal(reply.arrays["own/labs/inner.table"], table)
    assert made.parameters() == 14 + sum(weight.numel() for weight in made.module.map.parameters())  # type: ignore
    with pytest.raises(ValueError, match=r"shared/map\.bias has the shape"):
        made.set({"shared/map.bias": np.zeros(2)})


def test_what_a_modality_owns_of_it_is_not_sent_without_the_modality() -> None:
    train, _ = data("fuser")
    bare = replace(train.modalities["labs"], available=np.zeros(N, bool))
    made = Table(TorchFuserParams(batch_size=N))
    made.begin(made.summary(train, BINARY), CONTEXT)
    assert "own/labs/inner.table" in made.local(train, PLAN, CONTEXT).arrays
    sent = made.local(train.with_modalities({**train.modalities, "labs": bare}), PLAN, CONTEXT).arrays
    assert "own/labs/inner.table" not in sent
    assert "own/seen" in sent
