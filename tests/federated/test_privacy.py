"""Differential privacy of clients: changes are cut, noise is as large as said, epsilon is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from bench.components import Context
from bench.errors import UsageError
from bench.federated.privacy import SERVER, check, epsilon, private
from bench.federated.rounds import Client, federate
from bench.federated.settings import Privacy, Rounds
from bench.learner import Reply
from bench.registry import NoParams
from bench_federations.averaging import FedAvg, FedNova
from support.fuser_cohorts import BINARY, build, cohort

SGD = {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 8, "patience": 0, "average": 0.0, "dropout": 0.2}

SHAPES = {"shared/w": (40, 50), "shared/b": (50,), "mod/labs/w": (30,)}
BEFORE = {name: np.ones(shape, np.float32) for name, shape in SHAPES.items()}


def reply(change: float, names: Any = SHAPES, n: int = 5) -> Reply:
    arrays = {name: BEFORE[name] + np.float32(change) for name in names}
    sums = {"loss": np.array(2.0), "count": np.array(float(n))}
    return Reply(arrays, dict.fromkeys(arrays, n), dict.fromkeys(arrays, n), sums, {})


def noisy(replies: dict[int, Reply], seed: int = 0, **privacy: float) -> dict[str, np.ndarray]:
    answer = private(BEFORE, replies, Privacy(**{"clip": 1.0, "noise": 1e-9, **privacy}), np.random.default_rng(seed))
    assert list(answer) == [SERVER]
    return {name: array.astype(np.float64) - BEFORE[name] for name, array in answer[SERVER].arrays.items()}


def size(change: dict[str, np.ndarray]) -> float:
    return float(np.sqrt(sum((each**2).sum() for each in change.values())))


@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=5), st.floats(0.01, 100))
def test_no_client_moves_the_mean_by_more_than_its_share_of_the_clip(changes, clip):
    replies = {client: reply(change) for client, change in enumerate(changes)}
    for client in replies:
        other = {**replies, client: reply(-changes[client])}
        moved = {name: noisy(replies, clip=clip)[name] - noisy(other, clip=clip)[name] for name in SHAPES}
        assert size(moved) <= 2 * clip / len(replies) + 1e-4 * max(1, clip)


def test_a_change_below_the_clip_stays_and_counts_of_records_tell_nothing():
    small = {0: reply(0.001, n=5), 1: reply(0.003, n=500)}
    assert all(np.allclose(each, 0.002, atol=1e-6) for each in noisy(small).values())


def test_the_noise_of_the_mean_has_the_deviation_that_was_asked_for():
    replies = {client: reply(0.0, SHAPES if client else ("shared/w",)) for client in range(4)}
    noise = noisy(replies, clip=2.0, noise=3.0)
    assert np.std(noise["shared/w"]) == pytest.approx(3.0 * 2.0 / 4, rel=0.05)
    assert np.std(noise["mod/labs/w"]) == pytest.approx(3.0 * 2.0 / 3, rel=0.5)  # three clients sent it
    assert abs(np.mean(noise["shared/w"])) < 0.15


def test_an_array_that_no_client_sent_stays_as_it_was():
    assert "mod/labs/w" not in noisy({0: reply(0.1, ("shared/w",))})


@pytest.mark.parametrize(("noise", "rounds"), [(4.0, 1), (10.0, 30), (20.0, 70), (0.5, 3)])
def test_epsilon_is_the_one_at_which_noise_of_all_rounds_hides_a_client_but_for_delta(noise, rounds):
    """Delta is what of one density stands above exp(epsilon) times the other, here summed up."""
    told = epsilon(Privacy(clip=1.0, noise=noise), rounds)
    mu = 2 * np.sqrt(rounds) / noise
    places = np.linspace(-12, mu + 12, 2_000_001)
    above = norm.pdf(places, mu) - np.exp(told + norm.logpdf(places))
    assert np.trapezoid(np.maximum(above, 0), places) == pytest.approx(1e-5, rel=1e-3)


def test_so_much_noise_that_delta_is_enough_costs_nothing():
    assert epsilon(Privacy(clip=1.0, noise=1e6), 1) == 0


def test_less_noise_and_more_rounds_cost_more():
    costs = [epsilon(Privacy(clip=1.0, noise=noise), rounds) for noise, rounds in ((20, 5), (10, 5), (10, 10))]
    assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": "shared", "b": "buffer"}, "group buffer, which noise does not cover"),
        ({"a": "own"}, "group own, which noise does not cover"),
    ],
)
def test_what_noise_does_not_cover_is_refused(groups, message):
    with pytest.raises(UsageError, match=message):
        check(groups)
    check({"a": "shared", "b": "mod/labs", "c": "local"})


def test_rounds_with_privacy_repeat_bit_by_bit_and_validate_nothing():
    clients = {k: Client(cohort(20, seed=k), cohort(8, seed=9 + k)) for k in range(2)}
    rounds, privacy = Rounds(number=2, select="last"), Privacy(clip=0.1, noise=0.5)
    first, second = (
        federate(build("gru", **SGD), FedAvg(NoParams()), clients, rounds, Context(seed=3), BINARY, privacy)
        for _ in range(2)
    )
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)
    assert [done.valid_loss for done in first.history] == [None, None]


def test_all_averaging_federations_see_the_noisy_mean_alone():
    clients = {k: Client(cohort(20 + 9 * k, seed=k), cohort(8, seed=9 + k)) for k in range(2)}
    rounds, privacy = Rounds(number=2, select="last"), Privacy(clip=0.1, noise=0.5)
    one, other = (
        federate(build("gru", **SGD), rule(NoParams()), clients, rounds, Context(seed=3), BINARY, privacy)
        for rule in (FedAvg, FedNova)
    )
    assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)
