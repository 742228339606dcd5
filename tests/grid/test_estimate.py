"""Estimates: what the ledger saw counts before what is declared, and what is declared grows with
the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cohort import Task
from bench.config.command import Variant
from bench.federated.settings import Partition, Rounds
from bench.grid.estimate import Estimates
from bench.registry import Registry, Spec, discover
from bench.results.federated import Done, Federated, Trained
from bench.train_params import TrainParams
from bench.workload import Workload
from support.fake_exports import make_record
from tests.support.fake_cells import fake_cell

SIZES = (1, 10, 1000, 10**6)
CHANNELS = {"vitals": 10, "labs": 20, "notes": 768}
KNOWN = discover()
SPECS = [spec for kind in ("dataset", "scenario", "imputer", "fuser") for spec in KNOWN.specs(kind)]
METHODS = [spec for spec in SPECS if spec.kind in ("imputer", "fuser")]
TORCH = [spec for spec in METHODS if issubclass(spec.params, TrainParams)]
name = "{0.kind} {0.name}".format


def work(records: int = 1000, channels: dict[str, int] = CHANNELS, **more: int) -> Workload:
    return Workload(records=records, channels=channels, **more)


def presets(spec: Spec) -> Iterator[dict[str, str]]:
    yield {}
    if spec.presets:
        yield from ({spec.presets.parameter: preset} for preset, _ in spec.presets.items())


def test_there_are_methods_to_ask():
    assert len(METHODS) > 60
    assert len(TORCH) > 10


@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_every_estimate_is_finite_and_positive_and_never_falls_with_records(spec):
    for values in presets(spec):
        for channels in ({"vitals": 10}, {"notes": 768}, CHANNELS):
            seconds = [spec.expected_seconds(values, work(records, channels, draws=3)) for records in SIZES]
            assert all(0 < each < math.inf for each in seconds), (values, channels)
            assert seconds == sorted(seconds), (values, channels)


@pytest.mark.parametrize("spec", TORCH, ids=name)
def test_twice_the_steps_cost_more_and_never_more_than_twice(spec):
    one, two, three = (spec.expected_seconds({"steps": steps}, work()) for steps in (700, 1400, 2100))
    assert one < two < 2 * one
    assert three - two == pytest.approx(two - one, rel=0.01)


@pytest.mark.parametrize("spec", TORCH, ids=name)
def test_twice_the_epochs_cost_more_where_no_budget_of_steps_is_given(spec):
    one, two = (spec.expected_seconds({"epochs": epochs, "steps": None}, work()) for epochs in (10, 20))
    assert one < two < 2 * one


@pytest.mark.parametrize("spec", [spec for spec in METHODS if "draws" in spec.tags], ids=name)
def test_draws_cost_and_the_training_before_them_only_once(spec):
    one, two = (spec.expected_seconds({}, work(draws=draws)) for draws in (1, 2))
    assert one < two < 2 * one


@pytest.mark.parametrize("method", ["linear", "gbm", "haim"])
def test_every_label_costs_a_fit_of_its_own(method):
    spec = discover().get("fuser", method)
    one, many = (spec.expected_seconds({}, work(labels=labels)) for labels in (1, 25))
    assert many == pytest.approx(25 * one)


LARGER = {
    "fusemoe": ("small", "paper"),
    "mists": ("small", "published"),
    "mult": ("small", "trace-mosi", "trace-mimic"),
    "tfn": ("small", "mists"),
}


@pytest.mark.parametrize(("method", "sizes"), LARGER.items())
def test_a_larger_preset_costs_more(method, sizes):
    spec = discover().get("fuser", method)
    seconds = [spec.expected_seconds({"preset": size}, work()) for size in sizes]
    assert seconds == sorted(set(seconds))


def registry_of(task: Task) -> Registry:
    """A dataset with that task, and methods that take as many seconds as there is to do."""
    registry = Registry()
    registry.dataset("dataset", "a:b", tasks=[task], modalities=["vitals"])
    registry.scenario("scenario", "a:b")
    for kind in (registry.imputer, registry.fuser):
        kind(kind.__name__, "a:b", seconds=lambda params, work: work.records * work.width * work.labels)
    return registry


@pytest.fixture
def registry() -> Registry:
    return registry_of(Task("toy", "binary", ("auroc",), eligible=0.5))


def cell():
    made = fake_cell()
    variants = {kind: Variant(kind, kind, kind, {}) for kind in ("scenario", "imputer", "fuser")}
    variants["federation"] = Variant("federation", "central", "central", {})
    return msgspec.structs.replace(
        made, chosen={**made.chosen, **variants, "dataset": Variant("dataset", "dataset", "toy", {})}
    )


def test_labels_are_problems_of_their_own_and_the_values_of_a_regression_are_one():
    one, labels, values = (
        Estimates(registry_of(Task("toy", kind, (metric,), outputs=outputs)), 1000, {}).of("fuse", cell())
        for kind, metric, outputs in (("binary", "auroc", 1), ("multilabel", "auroc", 25), ("regression", "mse", 25))
    )
    assert one == values < labels / 20


def test_a_fuser_has_to_do_with_the_records_whose_outcome_is_known(registry):
    estimates = Estimates(registry, 1000, {"vitals": 10})
    assert 1.5 < estimates.of("impute", cell()) / estimates.of("fuse", cell()) < 2.5


def test_a_cohort_that_turns_out_larger_or_wider_makes_what_is_declared_longer(registry):
    estimates = Estimates(registry, 1000, {})
    before = estimates.of("fuse", cell())
    estimates.resize(2000, {"vitals": 10}, 48)
    larger = estimates.of("fuse", cell())
    estimates.resize(2000, {"vitals": 30}, 48)
    assert before < larger < estimates.of("fuse", cell())


def test_what_was_seen_counts_before_what_is_declared_as_its_median(registry):
    estimates = Estimates(registry, 1000, {})
    for seconds in (5.0, 1.0, 3.0):
        estimates.see("fuse", cell(), seconds)
    assert estimates.of("fuse", cell()) == 3.0
    assert estimates.of("impute", cell()) > 3.0


def trained(
    federation: str, fuser: str = "gru", length: int = 48, partition: Partition | None = None, **rounds
) -> float:
    """Seconds of a fuser that clients train."""
    registry = KNOWN
    made = cell()
    variants = {kind: Variant(kind, name, name, {}) for kind, name in (("fuser", fuser), ("federation", federation))}
    data = Variant("dataset", "physionet2012", "physionet2012", {})
    made = msgspec.structs.replace(made, chosen={**made.chosen, **variants, "dataset": data})
    made = msgspec.structs.replace(made, coordinates=msgspec.structs.replace(made.coordinates, task="ihm"))
    estimates = Estimates(registry, 4000, {"vitals": 10}, length=length, rounds=Rounds(**rounds), partition=partition)
    return estimates.of("fuse", made)


@given(st.integers(1, 200))
def test_more_rounds_never_cost_less_and_twice_as_many_train_twice_as_long(number):
    one, two, three = (trained("fedavg", number=times * number) for times in (1, 2, 3))
    assert one < two < 2 * one
    assert three - two == pytest.approx(two - one, rel=1e-6)


@given(st.integers(1, 50), st.integers(2, 8))
def test_steps_of_a_round_count_for_every_client_that_is_chosen(steps, clients):
    partition = Partition(clients=clients)
    one, two = (trained("fedavg", steps=steps, per_round=chosen, partition=partition) for chosen in (1, 2))
    assert one < two
    same = trained("fedavg", steps=steps, per_round=99, partition=partition)
    assert same == trained("fedavg", steps=steps, partition=partition)


@pytest.mark.parametrize("federation", ["central", "local"])
def test_rounds_cost_nothing_where_none_is_held(federation):
    assert trained(federation, number=1) == trained(federation, number=100)


@pytest.mark.parametrize("federation", ["fedavg", "local"])
def test_a_client_that_has_all_records_trains_as_long_as_one_place(federation):
    epochs = discover().get("fuser", "gru").parameters({}).epochs
    assert trained(federation, number=epochs, partition=Partition(clients=1)) == pytest.approx(trained("central"))


@pytest.mark.parametrize("federation", ["fedavg", "local"])
def test_small_clients_take_more_steps_than_one_place_since_their_batches_are_not_full(federation):
    epochs = discover().get("fuser", "gru").parameters({}).epochs
    few, many = (trained(federation, number=epochs, partition=Partition(clients=number)) for number in (10, 1000))
    assert trained("central") < few < many


@pytest.mark.parametrize("federation", ["central", "fedavg"])
def test_what_a_method_declares_grows_in_proportion_to_the_length_of_series(federation):
    one, two, three = (trained(federation, length=48 * times) for times in (1, 2, 3))
    assert one < two < 2 * one
    assert three - two == pytest.approx(two - one)


def test_what_was_seen_of_another_federation_or_of_fewer_rounds_is_not_taken_for_this_one():
    registry = discover()
    estimates = Estimates(registry, 1000, {}, rounds=Rounds(number=20))
    at = fake_cell().coordinates
    done = Done(
        number=1, chosen=[], dropped=[], slow=[], train_loss=0, valid_loss=None, steps={}, up={}, down={}, seconds=1
    )
    kept = Federated(partition="", rule="", metric="", clients=[], fuser=Trained(rounds=[done] * 10))
    labelled = msgspec.structs.replace(at, fuser="gru · fedavg", federation="fedavg")
    record = make_record(labelled, 0.5, costs={"fit_seconds": 100.0}, federated=kept)
    estimates.learn(at.suite, [record])
    [(key, [seconds])] = [(key, value) for key, value in estimates.seen.items() if key[0] == "fuse" and key[1]]
    assert key[2] == "gru · fedavg"
    assert seconds == pytest.approx(estimates._whole(200.0))
