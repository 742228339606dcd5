"""A learner that merges by itself: what is the same for all, and what is one client's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.components import Context, Interrupted
from bench.federated.rounds import Client, federate
from bench.federated.settings import Rounds
from bench.learner import Arrays, Plan, Reply
from bench.registry import NoParams
from bench_federations.averaging import FedAvg
from bench_fusers.gru.fuser import GRU
from bench_fusers.gru.plugin import GRUParams
from support.fuser_cohorts import BINARY, cohort

CLIENTS = {k: Client(cohort(8 + k, seed=k), cohort(6, seed=9 + k)) for k in range(3)}
NAME = "own/head.3.bias"


class Personal(GRU):
    """Client k of those that answer is sent k + 1 for a bias, all others 9.

    - stop_at: the training that is interrupted.
    - received: of each one before, the client and what it was sent of the bias.
    """

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__(GRUParams(hidden=4, epochs=1, batch_size=8))
        self.stop_at = stop_at
        self.received: list[tuple[int, float]] = []

    def group(self, module: str, weight: str) -> str:
        return "own" if weight == "head.3.bias" else super().group(module, weight)

    def local(self, train: Cohort, plan: Plan, context: Context, state: Arrays | None = None) -> Reply:
        if len(self.received) == self.stop_at:
            raise Interrupted
        self.received.append((len(train) - 8, float(self.get()[NAME][0])))
        return super().local(train, plan, context, state)

    def merge_own(self, round: int, replies: Mapping[int, Reply]) -> Mapping[str | int, np.ndarray | Arrays]:
        personal = {client: {NAME: np.float32([client + 1])} for client in replies}
        return {NAME: np.float32([9]), **personal}


def run(context: Context = Context(seed=1), stop_at: int | None = None, **rounds: Any) -> tuple[Personal, Any]:
    made = Personal(stop_at)
    settings = Rounds(**{"number": 3, "per_round": 1, "select": "last", **rounds})
    return made, federate(made, FedAvg(NoParams()), CLIENTS, settings, context, BINARY)


def test_a_client_is_sent_what_is_its_own_and_else_what_is_for_all() -> None:
    made, state = run(number=6)
    trained: set[int] = set()
    for round, (client, bias) in enumerate(made.received):
        start = 9.0 if round else pytest.approx(made.received[0][1])
        assert bias == (client + 1 if client in trained else start)
        trained.add(client)
    assert len(trained) > 1
    assert len(trained) < len(made.received)
    assert {client: float(arrays[NAME][0]) for client, arrays in state.personal.items()} == {k: k + 1 for k in trained}


def test_what_is_for_all_predicts() -> None:
    made, state = run()
    assert state.arrays[NAME].tolist() == [9.0]
    assert made.get()[NAME].tolist() == [9.0]


def test_what_is_a_clients_own_outlives_an_interruption(tmp_path: Path) -> None:
    whole, wanted = run(number=4)
    with pytest.raises(Interrupted):
        run(Context(seed=1, scratch=tmp_path), stop_at=2, number=4)
    again, state = run(Context(seed=1, scratch=tmp_path), number=4)
    assert again.received == whole.received[2:]
    assert {bias for _, bias in again.received} != {9.0}
    assert all(np.array_equal(state.arrays[name], array) for name, array in wanted.arrays.items())
