"""A grid with federations: which cells there are, what is in their keys, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.config.request import request
from bench.errors import UsageError
from bench.grid.plan import plan
from bench.registry import discover
from bench.stages.order import STAGES
from bench.testing.toy import TOY_TASK, toy_cohort
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
    planned = prepared(tmp_path, SUITE.replace("clients = 3", ""), COHORT)[0].cells
    assert [cell.coordinates.federation for cell in planned] == ["central"]


def test_the_controls_are_in_every_grid_that_has_a_federation(tmp_path):
    assert [*by_federation(cells(tmp_path, "federation=fedavg"))] == ["fedavg", "central", "local"]


def test_a_central_cell_has_the_keys_that_it_has_without_federations(tmp_path):
    (alone,) = prepared(tmp_path, SUITE.replace("clients = 3", "") + "rounds = { number = 99 }", COHORT)[0].cells
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
        (("imputer=median", "federation=fedavg"), "fedavg cannot train imputer median, which is not trained step by step"),
        (("fuser=gbm", "federation=fedavg"), "fedavg cannot train fuser gbm, which is not trained step by step"),
        (
            ("federation=fednova",),
            "fednova cannot merge fuser gru: it is defined for sgd, and the clients train with adam; give "
            "fuser.gru.optimizer=sgd",
        ),
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
        (
            ("rounds.needed=4",),
            "rounds.needed=4 is more than the clients, of which there are 3; give rounds.needed=3 or fewer",
        ),
        (("rounds.per_round=4",), "give rounds.per_round=3 or fewer, or rounds.per_round=null for all"),
        (("partition.clients=1", "rounds.needed=2"), "of which there is 1;"),
        (("federation.fedprox.mu=-1", "federation=fedprox"), "mu"),
        (("federation=fedavgg",), 'did you mean "fedavg"'),
        (("federation.fedprox.mu=1",), "fedprox is not in this run"),
    ],
)
def test_what_cannot_be_divided_is_refused_before_any_data_are_read(words, message, tmp_path):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        cells(tmp_path, *dict({word.partition("=")[0]: word for word in ("federation=fedavg", *words)}).values())


@pytest.mark.parametrize("word", ["partition.clients=4", "rounds.number=3"])
def test_words_that_only_clients_would_read_are_refused_where_there_are_none(word, tmp_path):
    with pytest.raises(UsageError) as refused:
        cells(tmp_path, word)
    assert str(refused.value) == (
        f'"{word}" (from the command line) has no effect: no federation is in this run; add one: federation=NAME '
        "(bench list federations shows them)"
    )
    cells(tmp_path, word, "federation=fedavg")


@pytest.mark.parametrize(
    ("word", "beside", "reason"),
    [
        ("privacy.noise=5", (), "no privacy is asked for; add privacy.clip=N"),
        ("privacy.delta=1e-6", (), "no privacy is asked for; add privacy.clip=N"),
        ("partition.alpha=0.1", (), "only partition.by=dirichlet reads it, and partition.by is iid"),
        ("partition.task=toy", (), "only partition.by=dirichlet reads it, and partition.by is iid"),
        (
            "partition.seed=3",
            ("partition.by=site", "partition.clients=null"),
            "nothing is drawn, subjects go by their site",
        ),
        ("partition.unknown=client", (), "partition.by=iid is no column"),
        ("rounds.epochs=3", ("rounds.steps=5",), "rounds.steps=5 takes its place; add rounds.steps=null"),
        ("rounds.number=3", ("federation=local",), "every client of this run trains by itself; add a federation"),
    ],
)
def test_a_word_that_another_leaves_without_effect_is_refused_with_what_to_type(word, beside, reason, tmp_path):
    federation = () if any(each.startswith("federation") for each in beside) else ("federation=fedavg",)
    with pytest.raises(UsageError) as refused:
        prepared(tmp_path, SUITE, COHORT, *federation, *beside, word, columns=("site",))
    assert f'"{word}" (from the command line) has no effect: {reason}' in str(refused.value)


def test_a_word_that_reads_the_other_is_accepted(tmp_path):
    cells(tmp_path, "federation=fedavg", "privacy.clip=1.0", "privacy.noise=5", "rounds.select=last")
    cells(tmp_path, "federation=fedavg", "partition.by=dirichlet", "partition.alpha=0.1")
    cells(tmp_path, "federation=local", "partition.seed=3")


def test_what_noise_does_not_cover_is_skipped_with_its_group_and_only_under_privacy(tmp_path):
    words = ("federation=fedavg", "fuser=fedmsplit-like,gru", "rounds.select=last")
    reason = "noise of privacy.clip does not cover arrays of the group own, which fuser fedmsplit-like sends"
    skips = {(each.fuser.name, each.federation.name): each.skip for each in cells(tmp_path, *words, "privacy.clip=1.0")}
    assert {at for at, skip in skips.items() if skip} == {("fedmsplit-like", "fedavg")}
    assert skips["fedmsplit-like", "fedavg"] == reason
    assert not any(each.skip for each in cells(tmp_path, *words))


def test_a_column_s_unknown_client_is_in_keys_where_it_is_asked_for(tmp_path):
    def keys(*words):
        by = ("partition.by=site", "partition.clients=null", "federation=fedavg")
        planned = prepared(tmp_path, SUITE, COHORT, *by, *words, columns=("site",))[0].cells
        return {name: cell.key for name, cell in by_federation(planned).items()}

    assert keys() == keys("partition.unknown=refuse") != keys("partition.unknown=client")


def test_a_suite_may_hold_what_its_federated_profile_reads(tmp_path):
    held = "rounds = { number = 5 }\nprivacy = { delta = 1e-6 }\n[profiles.clients.grid]\nfederation = ['fedavg']\n"
    planned = [prepared(tmp_path, SUITE + held, COHORT, *words)[0].cells for words in ((), ("profile=clients",))]
    assert [[*by_federation(each)] for each in planned] == [["central"], ["fedavg", "central", "local"]]


def test_a_partition_that_hides_modalities_of_one_place_may_be_set_without_a_federation(tmp_path):
    cells(tmp_path, "partition.visible=1", "partition.seed=3")
    with pytest.raises(UsageError, match="has no effect"):
        cells(tmp_path, "partition.visible=1", "rounds.number=3")


def test_every_federation_is_listed_with_its_parameters():
    registry = discover()
    assert {"central", "local", "fedavg", "fedprox", "fednova", "fedadam", "fedyogi"} <= set(
        registry.names("federation")
    )
    for spec in registry.specs("federation"):
        assert type(spec.build()).__mro__[-1] is object
        assert spec.summary
    assert np.isclose(registry.get("federation", "fedprox").build().params.mu, 0.01)


def test_weights_of_one_place_bear_no_federation_and_what_clients_train_beside_them_does(tmp_path):
    registry = discover()
    registry.dataset("toy", "nowhere:Toy", tasks=[TOY_TASK], modalities=("vitals", "labs"))
    file = tmp_path / "suite.toml"
    file.write_text(SUITE)
    asked = request([f"suite={file}", "federation=fedavg", "imputer=csdi-quick"], registry)
    planned = by_federation(plan(asked.loading({"csdi-quick": "d" * 64}), registry, "toy", "cpu").cells)
    assert {cell.coordinates.imputer for cell in planned.values()} == {"csdi-quick(weights=dddddddd)"}
    assert len({cell.keys["impute"] for cell in planned.values()}) == 1
    assert {name: cell.coordinates.fuser for name, cell in planned.items()} == {
        "fedavg": "gru · fedavg", "local": "gru · local", "central": "gru",
    }  # fmt: skip
