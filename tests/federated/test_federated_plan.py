"""A grid with federations: which cells there are, what is in their keys, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.errors import UsageError
from bench.registry import discover
from bench.stages.order import STAGES
from bench.testing.toy import toy_cohort
from support.toy_stages import prepared

COHORT = replace(toy_cohort(n=40, absent=0.0), splits={})
SUITE = """
name = "clients"
title = "t"
dataset = "toy"
grid = { task = ["toy"], scenario = ["mcar"], imputer = ["locf"], fuser = ["gru"], seed = [1] }
controls = { imputer = [], fuser = [] }
audits = { cells = [] }
scenario = { mcar = { rate = 0.4 } }
partition = { clients = 3 }
"""


def cells(folder, *words):
    return prepared(folder, SUITE, COHORT, *words)[0].cells


def by_federation(planned):
    return {cell.coordinates.federation: cell for cell in planned}


def test_a_grid_without_a_federation_has_no_control_of_one_and_needs_no_clients(tmp_path):
    assert [cell.coordinates.federation for cell in cells(tmp_path, "partition.clients=null")] == ["central"]


def test_the_controls_are_in_every_grid_that_has_a_federation(tmp_path):
    assert [*by_federation(cells(tmp_path, "federation=fedavg"))] == ["fedavg", "central", "local"]


def test_a_central_cell_has_the_keys_that_it_has_without_federations(tmp_path):
    (alone,) = cells(tmp_path, "partition.clients=null", "rounds.number=99")
    assert by_federation(cells(tmp_path, "federation=fedavg"))["central"].keys == alone.keys


@pytest.mark.parametrize(
    ("imputer", "federation", "first"),
    [
        ("locf", "fedavg", "fuse"), ("locf", "local", "fuse"), ("zero", "local", "fuse"), ("median", "local", "impute"),
        ("csdi-quick", "fedavg", "impute"), ("csdi-quick", "local", "impute"),
    ],
)  # fmt: skip
def test_a_federation_is_in_the_keys_of_what_it_trains_and_of_nothing_else(imputer, federation, first, tmp_path):
    planned = by_federation(cells(tmp_path, f"federation={federation}", f"imputer={imputer}"))
    names = [stage.name for stage in STAGES]
    moved = [name for name in names if planned[federation].keys[name] != planned["central"].keys[name]]
    assert moved == names[names.index(first) :]
    labels = planned[federation].coordinates.imputer, planned[federation].coordinates.fuser
    assert labels == (f"{imputer} · {federation}" if first == "impute" else imputer, f"gru · {federation}")


@pytest.mark.parametrize(
    ("word", "moves"),
    [
        ("rounds.number=3", {"fedavg"}), ("rounds.dropout=0.5", {"fedavg"}), ("partition.seed=7", {"fedavg", "local"}),
        ("partition.clients=4", {"fedavg", "local"}), ("partition.visible=1", {"fedavg", "local", "central"}),
         ("privacy.noise=3.0", set()),
    ],
)  # fmt: skip
def test_partition_and_rounds_move_the_keys_of_those_that_they_concern(word, moves, tmp_path):
    before = by_federation(cells(tmp_path, "federation=fedavg"))
    after = by_federation(cells(tmp_path, "federation=fedavg", word))
    assert {name for name in before if before[name].key != after[name].key} == moves


def test_privacy_moves_the_keys_of_what_rounds_train(tmp_path):
    last = ("federation=fedavg", "rounds.select=last")
    before, after = by_federation(cells(tmp_path, *last)), by_federation(cells(tmp_path, *last, "privacy.clip=1.0"))
    assert {name for name in before if before[name].key != after[name].key} == {"fedavg"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("imputer=median", "federation=fedavg"), "fedavg cannot train imputer median, which is not tagged learner"),
        (("fuser=gbm", "federation=fedavg"), "fedavg cannot train fuser gbm, which is not tagged learner"),
        (("federation=fednova",), "fednova cannot merge fuser gru: it is defined for sgd"),
        (("federation=fednova", "fuser.gru.optimizer=sgd"), ""),
        (("federation=local", "fuser=gbm", "imputer=median"), ""),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_by_clients_is_skipped_with_its_reason(words, reason, tmp_path):
    planned = by_federation(cells(tmp_path, *words))
    name = next(word.removeprefix("federation=") for word in words if word.startswith("federation="))
    assert planned[name].skip.startswith(reason)
    assert bool(planned[name].skip) == bool(reason)
    assert not planned["central"].skip
    assert not planned["local"].skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("partition.clients=null",), "give partition.clients=N"),
        (
            ("partition.by=ward",),
            'partition.by="ward" is no rule and no column of the dataset toy; accepted: iid, dirichlet',
        ),
        (("partition.by=dirichlet", "partition.task=other"), '"partition.task" = other is no task of toy'),
        (("partition.visible=3",), "partition.visible=3 is more than the 2 modalities of the set all"),
        (("privacy.clip=1.0",), "give rounds.select=last"),
        (("rounds.needed=3", "rounds.per_round=2"), "rounds.needed=3 is more than rounds.per_round=2"),
        (("federation.fedprox.mu=-1", "federation=fedprox"), "mu"),
        (("federation=fedavgg",), 'did you mean "fedavg"'),
        (("federation.fedprox.mu=1",), "fedprox is not in this run"),
    ],
)
def test_what_cannot_be_divided_is_refused_before_any_data_are_read(words, message, tmp_path):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        cells(tmp_path, *dict({word.partition("=")[0]: word for word in ("federation=fedavg", *words)}).values())


def test_every_federation_is_listed_with_its_parameters():
    registry = discover()
    assert {"central", "local", "fedavg", "fedprox", "fednova", "fedadam", "fedyogi"} <= set(
        registry.names("federation")
    )
    for spec in registry.specs("federation"):
        assert type(spec.build()).__mro__[-1] is object
        assert spec.summary
    assert np.isclose(registry.get("federation", "fedprox").build().params.mu, 0.01)
