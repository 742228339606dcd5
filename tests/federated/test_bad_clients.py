"""Clients that have too little, and partitions that these data cannot have: one clear line, as
early as it can be known.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser
from bench.errors import UsageError
from bench.federated.client import Client
from bench.federated.methods import Apart, shares_of
from bench.federated.partition import Clients, check_subjects
from bench.federated.rounds import federate
from bench.federated.settings import Partition, Rounds
from bench.registry import NoParams
from bench.run.prepare import prepare
from bench_federations.averaging import FedAvg
from support.fuser_cohorts import BINARY, build, cohort
from support.inline import SUITE, prepared, registry, run

KNOWN = registry()
TOO_MANY = "partition.clients=999 is more than the 100 subjects of the data, and each client needs one"
WORDS = (
    "federation=fedavg",
    "imputer=mean",
    "fuser=gru",
    "fuser.gru.hidden=4",
    "fuser.gru.epochs=1",
    "rounds.number=1",
)


class Needs(Fuser[NoParams]):
    """Breaks where there is one class alone, or nothing to validate."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        if len(np.unique(train.targets[task.name])) < 2 or not len(valid):
            raise ValueError("cannot fit")

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        return np.zeros((len(cohort), 1), np.float32)


def of_one_class(data: Cohort) -> Cohort:
    return replace(data, targets={name: np.zeros_like(target) for name, target in data.targets.items()})


def alone(train: Cohort, valid: Cohort) -> str:
    """What a client is told that trains by itself, and has all of these records."""
    clients = Clients(
        dict.fromkeys(train.groups.tolist() + valid.groups.tolist(), 0), {}, {0: tuple(train.modalities)}, ("0",)
    )
    with pytest.raises(UsageError) as refused:
        Apart(lambda: Needs(NoParams()), clients, {}).fit(train, valid, Context(), BINARY)
    return str(refused.value)


def test_a_client_of_one_class_that_cannot_train_by_itself_is_named_with_what_to_change() -> None:
    assert alone(of_one_class(cohort(20, seed=1)), cohort(8, seed=2)) == (
        "client 0 cannot train by itself: its training records have one class alone; give another partition, such as a larger "
        "partition.alpha"
    )


def test_a_client_without_a_validation_record_that_cannot_train_by_itself_is_named_with_what_to_change() -> None:
    data = cohort(20, seed=1)
    assert alone(data, data.take(np.arange(0))) == (
        "client 0 cannot train by itself: it has no validation record; give fewer partition.clients"
    )


def test_what_a_method_breaks_at_otherwise_is_its_own_error() -> None:
    class Broken(Needs):
        def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
            raise ValueError("of its own")

    data = cohort(20, seed=1)
    clients = Clients(dict.fromkeys(data.groups.tolist(), 0), {}, {0: tuple(data.modalities)}, ("0",))
    with pytest.raises(ValueError, match="of its own"):
        Apart(lambda: Broken(NoParams()), clients, {}).fit(data, data, Context(), BINARY)


def test_rounds_train_a_client_of_one_class_and_validate_by_the_clients_that_can() -> None:
    nothing = cohort(8, seed=3).take(np.arange(0))
    poor, rich = Client(of_one_class(cohort(20, seed=1)), nothing), Client(cohort(24, seed=2), cohort(9, seed=4))
    losses = []
    for clients in ({0: poor, 1: rich}, {0: replace(poor, valid=rich.valid), 1: replace(rich, valid=nothing)}):
        state = federate(build("gru", patience=0), FedAvg(NoParams()), clients, Rounds(number=1), Context(), BINARY)
        assert all(count > 0 for count in state.history[0].steps.values())
        losses.append(state.history[0].valid_loss)
    assert losses[0] is not None
    assert losses[0] == losses[1]  # the same records validate, whoever has them


def test_a_cell_where_no_client_has_a_training_record_says_so() -> None:
    data = cohort(8, seed=1)
    with pytest.raises(UsageError, match="no client has a training record"):
        shares_of(Clients({}, {}, {0: ()}, ("0",)), data, data)


def test_more_clients_than_subjects_are_refused_before_any_cell_is_tried(tmp_path: Path) -> None:
    made = prepared(tmp_path, KNOWN, *WORDS, "partition.clients=999")
    with pytest.raises(UsageError) as refused:
        run(made)
    assert str(refused.value) == TOO_MANY
    assert not made.ledger.load()


def test_once_the_subjects_are_known_the_plan_says_it_too(tmp_path: Path) -> None:
    assert run(prepared(tmp_path, KNOWN, "imputer=mean", "fuser=level")).counts["ok"] == 1
    with pytest.raises(UsageError, match=TOO_MANY):
        prepared(tmp_path, KNOWN, *WORDS, "partition.clients=999")


def test_a_suite_that_carries_such_a_partition_for_later_runs_without_a_federation(tmp_path: Path) -> None:
    made = prepared(tmp_path, KNOWN, "imputer=mean", "fuser=level", suite=SUITE + "[partition]\nclients = 999\n")
    assert run(made).counts["ok"] == 1
    assert prepare(made.request, KNOWN).plan.cells


@pytest.mark.parametrize(
    ("rule", "columns", "message"),
    [
        ({"clients": 4}, {}, "partition.clients=4 is more than the 3 subjects of the data"),
        ({"by": "site"}, {"site": ["n", "", "s"]}, "the column site is unknown for 1 of 3 records"),
        ({"by": "site", "clients": 3}, {"site": ["n", "n", "s"]}, "the column site has 2 values"),
    ],
)
def test_what_subjects_and_columns_tell_is_asked_of_them_alone(
    rule: dict[str, Any], columns: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_subjects(Partition(**rule), ["a", "b", "c"], columns)
    check_subjects(Partition(clients=3), ["a", "b", "c"], columns)
