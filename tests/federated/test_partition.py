"""Partitions: complete, by subject, the same for all parts and methods, and clear about what cannot
be divided.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.federated.partition import UNKNOWN, Clients, check_subjects, classes_of, divide
from bench.federated.settings import Partition

MODALITIES = ("ecg", "labs", "notes")


def groups_of(subjects: int, records: int = 2) -> list[str]:
    return [f"p{number % subjects}" for number in range(subjects * records)]


rules = st.builds(
    Partition,
    by=st.sampled_from(["iid", "dirichlet", "site"]),
    clients=st.none(),
    alpha=st.floats(0.3, 100.0),
    seed=st.integers(0, 50),
    visible=st.none() | st.integers(1, 3),
    overlap=st.floats(0.0, 0.5),
)


def drawn(rule: Partition, subjects: int, clients: int) -> tuple[list[str], Clients]:
    groups = groups_of(subjects)
    classes = np.array([hash_of(subject) % 3 for subject in groups])
    sites = np.array([f"s{hash_of(subject) % clients}" for subject in groups])
    if rule.by != "site":
        rule = Partition(**{**{f: getattr(rule, f) for f in rule.__struct_fields__}, "clients": clients})
    return groups, divide(rule, groups, MODALITIES, classes=classes, columns={"site": sites})


def hash_of(subject: str) -> int:
    return int(subject[1:]) * 7919 % 101


@given(rule=rules, subjects=st.integers(40, 120), clients=st.integers(2, 6))
def test_every_subject_has_one_client_and_every_client_a_subject(rule: Partition, subjects: int, clients: int) -> None:
    groups, made = drawn(rule, subjects, clients)
    everyone = range(len(made.names))
    assert made.owner.keys() == set(groups)
    assert set(made.owner.values()) == set(everyone) == set(made.owned)
    own = np.concatenate([made.of(groups, client) for client in everyone])
    assert sorted(own) == list(range(len(groups)))
    for client in everyone:
        assert {made.owner[groups[index]] for index in made.of(groups, client)} == {client}
        assert len(made.owned[client]) == (rule.visible or len(MODALITIES))


@given(rule=rules, subjects=st.integers(40, 120), clients=st.integers(2, 6), seed=st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(rule: Partition, subjects: int, clients: int, seed: object) -> None:
    groups, made = drawn(rule, subjects, clients)
    order = list(range(len(groups)))
    seed.shuffle(order)  # type: ignore[attr-defined]
    classes = np.array([hash_of(subject) % 3 for subject in groups])[order]
    sites = np.array([f"s{hash_of(subject) % clients}" for subject in groups])[order]
    if rule.by != "site":
        rule = Partition(**{**{f: getattr(rule, f) for f in rule.__struct_fields__}, "clients": clients})
    again = divide(rule, [groups[index] for index in order], MODALITIES, classes=classes, columns={"site": sites})
    assert (again.digest, again.owner) == (made.digest, made.owner)


@given(subjects=st.integers(20, 200), clients=st.integers(1, 9), seed=st.integers(0, 20))
def test_an_even_draw_is_even(subjects: int, clients: int, seed: int) -> None:
    made = divide(Partition(clients=clients, seed=seed), groups_of(subjects), MODALITIES)
    sizes = Counter(made.owner.values()).values()
    assert max(sizes) - min(sizes) <= 1


def test_the_smaller_alpha_the_more_clients_differ_in_their_classes() -> None:
    groups = [f"p{number}" for number in range(3000)]
    classes = np.arange(3000) % 4

    def spread(alpha: float) -> float:
        made = divide(Partition(by="dirichlet", clients=5, alpha=alpha), groups, MODALITIES, classes=classes)
        shares = [np.bincount(classes[made.of(groups, client)], minlength=4) for client in range(5)]
        return float(np.mean([np.std(share / share.sum()) for share in shares]))

    assert spread(0.1) > 3 * spread(10.0) > 3 * spread(1000.0)


@given(overlap=st.floats(0.05, 0.9), clients=st.integers(2, 6))
def test_a_shared_subject_is_trained_on_by_one_more_client_and_tested_by_its_own(overlap: float, clients: int) -> None:
    groups = groups_of(60)
    made = divide(Partition(clients=clients, overlap=overlap), groups, MODALITIES)
    assert len(made.second) == round(overlap * 60)
    assert all(made.owner[subject] != client for subject, client in made.second.items())
    trained = sum(len(made.of(groups, client, training=True)) for client in range(clients))
    assert trained == len(groups) + 2 * len(made.second)


def test_two_partitions_have_two_digests_and_none_names_a_subject() -> None:
    groups = groups_of(30)
    digests = {
        divide(Partition(clients=3, seed=seed, visible=visible), groups, MODALITIES).digest
        for seed in range(3)
        for visible in (None, 2)
    }
    assert len(digests) == 6
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


def test_a_subject_with_several_values_goes_where_most_of_its_records_are() -> None:
    groups = ["a", "a", "a", "b", "b", "c"]
    sites = np.array(["x", "y", "y", "y", "x", "x"])
    made = divide(Partition(by="site"), groups, MODALITIES, columns={"site": sites})
    assert (made.owner, made.names, made.divided) == ({"a": 1, "b": 0, "c": 0}, ("x", "y"), 2)


@given(values=st.lists(st.sampled_from(["", "x", "y"]), min_size=12, max_size=12))
def test_subjects_without_any_value_are_those_of_a_client_of_their_own(values: list[str]) -> None:
    """Every other subject is where its known values put it, as if its gaps were not there."""
    groups, rule = groups_of(6), Partition(by="site", unknown="client")
    clients = divide(rule, groups, MODALITIES, columns={"site": np.array(values)})
    known = [place for place, value in enumerate(values) if value]
    without = set(groups) - {groups[place] for place in known}
    assert clients.owner.keys() == set(groups)
    assert (UNKNOWN in clients.names) == bool(without)
    assert {subject for subject, client in clients.owner.items() if clients.names[client] == UNKNOWN} == without
    assert check_subjects(rule, groups, {"site": values}) == len(clients.names)
    if known:
        columns = {"site": np.array(values)[known]}
        alone = divide(Partition(by="site"), [groups[place] for place in known], MODALITIES, columns=columns)
        named = {subject: clients.names[client] for subject, client in clients.owner.items() if subject not in without}
        assert named == {subject: alone.names[client] for subject, client in alone.owner.items()}
        assert alone.divided == clients.divided


def test_a_draw_that_leaves_a_client_without_a_subject_is_refused_as_soon_as_classes_are_known() -> None:
    rule, groups = Partition(by="dirichlet", clients=4, alpha=1e-9), groups_of(8)
    assert check_subjects(rule, groups, {}) == 4
    classes = classes_of(np.array([0, 1, np.nan, 0] * 4, np.float32))
    assert classes.tolist()[:3] == [0, 1, -1]
    with pytest.raises(UsageError, match="left a client of 4 without a subject in 1000 draws"):
        check_subjects(rule, groups, {}, classes)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"clients": 9}, "partition.clients=9 is more than the 4 subjects of the data"),
        ({}, "give partition.clients=N"),
        ({"by": "dirichlet", "clients": 4, "alpha": 1e-6}, "left a client of 4 without a subject"),
        (
            {"by": "ward"},
            'partition.by="ward" is no rule and no column of the dataset; accepted: iid, dirichlet, full, gaps',
        ),
        ({"by": "gaps"}, "the column gaps is unknown for 1 of 4 records; give partition.unknown=client"),
        ({"by": "full", "clients": 3}, "the column full has 2 values, and partition.clients=3 is given; leave it out"),
        ({"clients": 2, "visible": 4}, "partition.visible=4 is more than the 3 modalities"),
        ({"clients": 1, "overlap": 0.5}, "needs two clients, and there is one"),
    ],
)
def test_what_cannot_be_divided_is_one_clear_line(rule: dict[str, object], message: str) -> None:
    columns = {"gaps": np.array(["x", "", "y", "x"]), "full": np.array(["x", "x", "y", "x"])}
    with pytest.raises(UsageError, match=re.escape(message)) as refused:
        divide(Partition(**rule), ["a", "b", "c", "d"], MODALITIES, classes=np.zeros(4, int), columns=columns)
    assert "\n" not in str(refused.value)


def test_classes_are_needed_where_they_divide() -> None:
    with pytest.raises(UsageError, match=r"the task has none; give partition\.by=iid"):
        divide(Partition(by="dirichlet", clients=2), ["a", "b"], MODALITIES)
