"""`fedmsplit-like`: the attention mixture by hand for two and three clients, what is mixed with
whom, and a model for all that is the plain mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort
from bench.components import Context
from bench.federated.rounds import Client, Rounds, federate
from bench.learner import Plan, Reply
from bench.registry import NoParams
from bench_federations.averaging import FedAvg
from bench_fusers.fedmsplit.fuser import FedMSplit, Network, both, proximal
from bench_fusers.fedmsplit.mixture import attention, averaged, edges, mixed, plain
from support.fuser_cohorts import BINARY, build, cohort, unfilled, without

CONTEXT = Context(seed=2)
TRAIN = unfilled(cohort(26, absent=0.3))
FIRST = "own/vitals/extractors.0.encoder.map.bias"
HEAD = "own/classifier.0.weight"


def begun(**chosen: Any) -> tuple[FedMSplit, Network]:
    made = build("fedmsplit-like", **{"epochs": 1, "batch_size": 13, "width": 4, "hidden": 3, **chosen})
    assert isinstance(made, FedMSplit)
    made.begin(made.summary(TRAIN, BINARY), CONTEXT)
    made.learnt = True
    assert isinstance(made.module, Network)
    return made, made.module


def weights(name: str) -> bool:
    return not name.endswith(("mean", "seen"))


def softmax(*values: float) -> np.ndarray:
    raised = np.exp(np.array(values))
    return np.asarray(raised / raised.sum())


# Attention, edges, mixtures


def test_attention_of_two_clients_by_hand() -> None:
    # Standardised, both rows are (-1, 1) up to the sign: products 2 and -2, over the root of 2.
    root = np.sqrt(2.0)
    wanted = [softmax(root, -root), softmax(-root, root)]
    assert attention(np.array([[0.0, 4.0], [7.0, 1.0]])) == pytest.approx(np.array(wanted))


def test_attention_of_three_clients_by_hand() -> None:
    rows = np.array([[1.0, -1.0, 1.0, -1.0], [3.0, 3.0, 1.0, 1.0], [5.0, 5.0, 5.0, 5.0]])
    # Standardised: (1, -1, 1, -1), (1, 1, -1, -1), and 0 for one whose weights are all alike.
    wanted = [softmax(2, 0, 0), softmax(0, 2, 0), softmax(0, 0, 0)]
    assert attention(rows) == pytest.approx(np.array(wanted))


@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 100))
@settings(max_examples=20, deadline=None)
def test_neither_size_nor_offset_of_weights_matters(shift: float, scale: float) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 7))
    moved = rows * np.array([[1.0], [scale], [1.0]]) + np.array([[0.0], [0.0], [shift]])
    assert attention(moved) == pytest.approx(attention(rows))


def test_an_edge_counts_all_blocks_that_both_clients_sent_by_hand() -> None:
    views = [
        {(0, 0): 0.6, (0, 1): 0.4, (1, 0): 0.5, (1, 1): 0.5},  # a modality that both have
        {(1, 1): 1.0},  # one that the second has alone
        {(0, 0): 0.8, (0, 1): 0.2, (1, 0): 0.1, (1, 1): 0.9},  # the classifier
    ]
    raw = np.array([[0.6 * 0.7, 0.4 * 0.3], [0.5 * 0.3, 0.5 * 0.8]])
    assert edges(views, [0, 1], 0) == pytest.approx(raw / raw.sum(axis=1, keepdims=True))
    assert edges(views, [1], 1).tolist() == [[1.0]]


def test_a_mixture_of_two_clients_by_hand() -> None:
    root = np.sqrt(2.0)
    near, far = softmax(root, -root)
    blocks = {
        "own": {0: {"own/w": np.float32([0, 4])}, 1: {"own/w": np.float32([7, 1])}},
        "own/labs": {1: {"own/labs/w": np.float32([1, 2]), "own/labs/mean": np.float32([8])}},
    }
    mixtures = mixed(blocks, weights)
    # They share one block, so an edge is the square of its attention. The second client's edge to
    # itself counts both of its blocks.
    own = near**2 / (near**2 + far**2)
    assert mixtures[0]["own/w"] == pytest.approx(np.array([7 * (1 - own), 4 * own + 1 - own]), rel=1e-6)
    own = near * (near + 1) / 2 / (near * (near + 1) / 2 + far**2)
    assert mixtures[1]["own/w"] == pytest.approx(np.array([7 * own, own + 4 * (1 - own)]), rel=1e-6)
    assert set(mixtures[0]) == {"own/w"}
    assert np.array_equal(mixtures[1]["own/labs/w"], np.float32([1, 2]))
    assert mixtures[1]["own/w"].dtype == np.float32


def test_running_statistics_are_mixed_and_compare_nothing() -> None:
    sent = {
        k: {"own/w": np.float32([0, 1 + k]), "own/mean": np.float32([k]), "own/seen": np.array(5 - k)} for k in (0, 1)
    }
    mixtures = mixed({"own": sent}, weights)
    # Weights (0, 1) and (0, 2) are alike once standardised: all edges are a half.
    assert mixtures[0]["own/mean"].tolist() == mixtures[1]["own/mean"].tolist() == [0.5]
    assert mixtures[0]["own/w"].tolist() == [0, 1.5]
    assert mixtures[0]["own/seen"] == 5


@given(seed=st.integers(0, 99), clients=st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_equal_clients_are_mixed_to_themselves(seed: int, clients: int) -> None:
    array = np.random.default_rng(seed).normal(size=(5, 3)).astype(np.float32)
    mixtures = mixed({"own": {k: {"own/w": array} for k in range(clients)}}, weights)
    assert all(mixtures[k]["own/w"] == pytest.approx(array, abs=1e-7) for k in range(clients))


def test_a_plain_mean_counts_each_client_once() -> None:
    replies = {0: {"a": np.float32([1, 2])}, 1: {"a": np.float32([3, 6]), "b": np.float32([5])}}
    means = plain(replies, ["a", "b", "c"])
    assert {name: array.tolist() for name, array in means.items()} == {"a": [2, 4], "b": [5]}
    assert averaged([np.array(3), np.array(9)], [0.5, 0.5]) == 9


# What a learner merges


def replies(made: FedMSplit, *trains: Cohort) -> dict[int, Reply]:
    answers = {}
    start = made.get()
    for client, train in enumerate(trains):
        made.set(start)
        answers[client] = made.local(train, Plan(epochs=1, name=f"client{client}"), CONTEXT)
    return answers


def test_each_client_is_sent_its_mixture_and_all_others_the_mean_of_these() -> None:
    made, _ = begun(average=0.0)
    own = made.merge_own(1, replies(made, cohort(9, seed=1), cohort(9, seed=2), without(cohort(9, seed=3), "vitals")))
    assert {client: FIRST in own[client] for client in range(3)} == {0: True, 1: True, 2: False}
    assert all(HEAD in own[client] for client in range(3))
    assert not np.array_equal(own[0][HEAD], own[1][HEAD])
    assert own[HEAD] == pytest.approx(np.mean([own[client][HEAD] for client in range(3)], axis=0), abs=1e-7)
    assert own[FIRST] == pytest.approx(np.mean([own[client][FIRST] for client in range(2)], axis=0), abs=1e-7)
    assert {name for name in own if isinstance(name, str)} == set(made.groups())


def test_the_order_in_which_clients_answer_changes_no_bit() -> None:
    made, _ = begun()
    answers = replies(made, cohort(9, seed=1), cohort(9, seed=2), cohort(9, seed=3))
    one, other = made.merge_own(1, answers), made.merge_own(1, dict(reversed(answers.items())))
    assert one.keys() == other.keys()
    for key, each in one.items():
        pairs = [(each, other[key])] if isinstance(key, str) else [(each[name], other[key][name]) for name in each]
        assert all(np.array_equal(first, second) for first, second in pairs)


def test_a_client_without_a_modality_sends_nothing_of_it() -> None:
    made, _ = begun()
    sent = made.local(without(TRAIN, "labs"), Plan(epochs=1), CONTEXT).arrays
    assert not any("/labs/" in name for name in sent)
    assert FIRST in sent


def test_all_arrays_are_merged_by_the_method() -> None:
    made, _ = begun(extractor="inception", filters=2)
    assert set(made.groups().values()) == {"own", "own/vitals", "own/labs"}


def test_a_modality_that_no_client_of_a_round_has_stays_as_it_was() -> None:
    made, _ = begun()
    start = made.get()
    poor = without(TRAIN, "labs")
    clients = {k: Client(poor, poor, ("vitals",)) for k in range(2)}
    state = federate(made, FedAvg(NoParams()), clients, Rounds(number=2, select="last"), CONTEXT, BINARY)
    assert all(np.array_equal(state.arrays[name], start[name]) for name in start if name.startswith("own/labs"))
    assert not np.array_equal(state.arrays[FIRST], start[FIRST])
    assert set(state.personal) == {0, 1}
    assert not any(name.startswith("own/labs") for arrays in state.personal.values() for name in arrays)


# The proximal term


def test_the_proximal_term_by_hand() -> None:
    module = torch.nn.Linear(1, 1)
    near = proximal(0.5)
    distance, sum_of_both = near(module), both(proximal(2.0), near)(module)
    assert float(distance().detach()) == 0
    module.weight.data += 3.0
    module.bias.data -= 1.0
    assert float(distance().detach()) == pytest.approx(0.5 * (9 + 1), rel=1e-5)
    assert float(sum_of_both().detach()) == pytest.approx(2.5 * (9 + 1), rel=1e-5)


def test_it_holds_from_the_second_round_on() -> None:
    moved = {}
    for after in (0, 1):
        for weight in (0.0, 10.0):
            made, _ = begun(proximal=weight, average=0.0, learning_rate=0.02)
            start = made.get()[HEAD]
            made.local(TRAIN, Plan(epochs=3, after=after, rounds=2), CONTEXT)
            moved[after, weight] = float(np.abs(made.get()[HEAD] - start).max())
    assert moved[0, 10.0] == moved[0, 0.0]
    assert moved[1, 10.0] < moved[1, 0.0] / 2


# What is predicted


def test_the_sum_of_what_is_there_is_classified() -> None:
    made, network = begun()
    rows = made.embed(TRAIN, CONTEXT)
    with torch.no_grad():
        whole = network.extractors.whole(made._batch(TRAIN, np.arange(26), "cpu")).numpy()
    absent = ~TRAIN.modalities["labs"].available
    assert absent.any()
    assert rows == pytest.approx(whole.sum(axis=1), abs=1e-6)
    assert not whole[absent, 1].any()


def test_parameters_by_hand() -> None:
    made, network = begun()
    extractors = sum(weight.numel() for weight in network.extractors.parameters())
    assert made.parameters() == extractors + (4 * 3 + 3) + (3 * 1 + 1)


def test_a_prediction_depends_on_no_other_record() -> None:
    made, _ = begun(extractor="inception", filters=2)
    whole = made.predict(TRAIN, CONTEXT)
    assert made.predict(TRAIN.take(np.arange(3)), CONTEXT) == pytest.approx(whole[:3], abs=1e-6)
