"""Rounds of a federation keep what every federated result is believed by: audits 3, 5, 6, 7, 10 and
11 of the design, and that who is chosen depends on no method.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.components import Context, Interrupted
from bench.errors import UsageError
from bench.federated.client import Client, Order, sent_of
from bench.federated.merging import merged
from bench.federated.rounds import Here, federate
from bench.federated.settings import Privacy, Rounds
from bench.federated.state import State
from bench.federation import Federation
from bench.learner import Plan, Reply
from bench.registry import NoParams
from bench_federations.adaptive import FedAdam, FedYogi
from bench_federations.averaging import FedAvg, FedNova, FedProx
from bench_federations.params import AdaptiveParams, FedProxParams
from support.fuser_cohorts import BINARY, build, cohort

SGD = {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 8, "patience": 0, "average": 0.0, "dropout": 0.2}
FEDERATIONS: dict[str, Any] = {
    "fedavg": lambda: FedAvg(NoParams()),
    "fedprox": lambda: FedProx(FedProxParams(mu=0.1)),
    "fednova": lambda: FedNova(NoParams()),
    "fedadam": lambda: FedAdam(AdaptiveParams()),
    "fedyogi": lambda: FedYogi(AdaptiveParams()),
}
every_federation = pytest.mark.parametrize("name", FEDERATIONS)


def clients(number: int = 4, equal: bool = False) -> dict[int, Client]:
    sizes = [24] * number if equal else [24 + 9 * k for k in range(number)]
    return {
        k: Client(cohort(size, seed=0 if equal else k), cohort(12, seed=0 if equal else 50 + k))
        for k, size in enumerate(sizes)
    }


def run(
    federation: Federation, of: dict[int, Client] | None = None, context: Context | None = None, **rounds: Any
) -> tuple[State, Any]:
    learner = build("gru", **SGD)
    settings = Rounds(**{"number": 3, "per_round": 2, **rounds})
    return federate(learner, federation, of or clients(), settings, context or Context(seed=5), BINARY), learner


def same(one: Any, two: Any) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)


def test_one_client_trained_by_sgd_is_central_training_bit_by_bit() -> None:
    data = cohort(29, seed=3)
    _, federated = run(FEDERATIONS["fedavg"](), {0: Client(data, data.take(np.arange(0)))}, number=4, per_round=None)
    central = build("gru", **SGD)
    central.begin(central.summary(data, BINARY), Context(seed=5))
    central.local(data, Plan(epochs=4), Context(seed=5))
    assert same(federated.get(), central.get())


@every_federation
def test_the_order_of_clients_and_of_replies_changes_no_bit(name: str) -> None:
    forward, _ = run(FEDERATIONS[name]())
    backward, _ = run(FEDERATIONS[name](), dict(reversed(clients().items())))
    assert same(forward.arrays, backward.arrays)
    reply = {
        k: Reply({"shared/w": np.float32([k, 1.5])}, {"shared/w": 3 + k}, {"shared/w": 2 + k}, {}, {}) for k in range(3)
    }
    before = {"shared/w": np.float32([9.0, 9.0])}
    one = merged(FEDERATIONS[name](), before, reply, {"shared/w": "shared"})
    two = merged(FEDERATIONS[name](), before, dict(reversed(reply.items())), {"shared/w": "shared"})
    assert same(one, two)


@pytest.mark.parametrize("name", ["fedavg", "fedprox", "fednova"])
def test_equal_answers_merge_to_themselves(name: str) -> None:
    array = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    replies = {k: Reply({"shared/w": array}, {"shared/w": 7 + k}, {"shared/w": 3}, {}, {}) for k in range(6)}
    after = merged(FEDERATIONS[name](), {"shared/w": array - 1}, replies, {"shared/w": "shared"})
    assert np.array_equal(after["shared/w"], array)


def test_fedprox_without_a_weight_is_fedavg_bit_by_bit_and_with_one_stays_nearer() -> None:
    averaged, _ = run(FEDERATIONS["fedavg"]())
    free, _ = run(FedProx(FedProxParams(mu=0.0)))
    held, _ = run(FedProx(FedProxParams(mu=10.0)))
    assert same(averaged.arrays, free.arrays)
    start = build("gru", **SGD)
    start.begin(sum_of(clients(), start), Context(seed=5))
    moved = [sum(np.abs(state.arrays[k] - v).sum() for k, v in start.get().items()) for state in (averaged, held)]
    assert moved[1] < moved[0] / 2


def sum_of(of: dict[int, Client], learner: Any) -> Any:
    first, *others = [learner.summary(client.train, BINARY) for client in of.values()]
    for other in others:
        first = first + other
    return first


def test_fednova_with_equal_steps_is_fedavg_bit_by_bit_and_else_is_not() -> None:
    equal = [run(FEDERATIONS[name](), steps=3)[0].arrays for name in ("fedavg", "fednova")]
    assert same(*equal)
    other = [run(FEDERATIONS[name](), epochs=1)[0].arrays for name in ("fedavg", "fednova")]
    assert not same(*other)


def test_fednova_by_hand() -> None:
    replies = {
        0: Reply({"shared/w": np.float32([1.0])}, {"shared/w": 1}, {"shared/w": 2}, {}, {}),
        1: Reply({"shared/w": np.float32([3.0])}, {"shared/w": 3}, {"shared/w": 6}, {}, {}),
    }
    after = merged(FedNova(NoParams()), {"shared/w": np.float32([5.0])}, replies, {"shared/w": "shared"})
    # Shares 1/4 and 3/4, mean steps 5, changes per step (5 - 1) / 2 and (5 - 3) / 6.
    assert after["shared/w"] == pytest.approx(5 - 5 * (0.5 + 0.25))


def test_fedadam_by_hand() -> None:
    replies = {0: Reply({"shared/w": np.float32([1.5])}, {"shared/w": 1}, {"shared/w": 1}, {}, {})}
    server = FedAdam(AdaptiveParams(learning_rate=0.1, beta1=0.9, beta2=0.99, tau=0.1))
    after = merged(server, {"shared/w": np.float32([1.0])}, replies, {"shared/w": "shared"})
    m, v = 0.1 * 0.5, 0.99 * 0.01 + 0.01 * 0.25
    assert after["shared/w"] == pytest.approx(1 + 0.1 * m / (np.sqrt(v) + 0.1))


def test_a_client_knows_which_round_it_trains_in_and_how_many_there_are() -> None:
    learner, seen = build("gru", **SGD), []
    local = learner.local  # type: ignore[attr-defined]

    def noted(train: Any, plan: Plan, *rest: Any) -> Reply:
        seen.append((plan.after, plan.rounds))
        answer: Reply = local(train, plan, *rest)
        return answer

    learner.local = noted  # type: ignore[attr-defined]
    federate(learner, FEDERATIONS["fedavg"](), clients(2), Rounds(number=3), Context(seed=5), BINARY)
    assert seen == [(number, 3) for number in range(3) for _ in range(2)]
    assert Plan().rounds == 1


def test_an_answer_depends_on_no_client_that_trained_before() -> None:
    learner, data = build("gru", **SGD), clients(2)
    learner.group = lambda module, weight: "local" if weight.endswith("bias") else "shared"  # type: ignore[attr-defined]
    here = Here(learner, FEDERATIONS["fedavg"](), data, Rounds(), Context(seed=5), BINARY)
    learner.begin(sum_of(data, learner), Context(seed=5))
    here.begin(sum_of(data, learner))
    orders = [Order(client=client, round=1, clients=2, arrays=sent_of(learner)) for client in data]
    alone, after = here.train(orders[1:], {})[1], here.train(orders, {})[1]
    assert alone.state
    assert same(alone.arrays, after.arrays)
    assert same(alone.state, after.state)


@every_federation
@pytest.mark.parametrize("stopped", [1, 3, 5])
def test_a_federation_that_was_stopped_ends_with_the_same_bits(tmp_path: Path, name: str, stopped: int) -> None:
    whole, learner = run(FEDERATIONS[name]())
    asked = itertools.count()
    stopping = Context(seed=5, scratch=tmp_path, should_stop=lambda: next(asked) >= stopped)
    with pytest.raises(Interrupted):
        run(FEDERATIONS[name](), context=stopping)
    resumed, again = run(FEDERATIONS[name](), context=Context(seed=5, scratch=tmp_path))
    assert same(whole.arrays, resumed.arrays)
    assert same(learner.get(), again.get())
    assert [done.chosen for done in whole.history] == [done.chosen for done in resumed.history]


def test_whom_a_round_chooses_and_who_fails_depends_on_no_method() -> None:
    words = {"number": 6, "dropout": 0.3, "straggle": 0.4}
    histories = [
        [(done.chosen, done.dropped, done.slow) for done in run(FEDERATIONS[name](), **words)[0].history]
        for name in ("fedavg", "fedadam")
    ]
    assert histories[0] == histories[1]
    assert any(dropped for _, dropped, _ in histories[0])
    assert any(slow for *_, slow in histories[0])
    assert len({tuple(chosen) for chosen, *_ in histories[0]}) > 1


def test_the_round_with_the_least_validation_loss_is_kept() -> None:
    state, learner = run(FEDERATIONS["fedavg"](), number=8, per_round=None)
    losses = [done.valid_loss for done in state.history]
    assert state.best_round == 1 + losses.index(min(losses))
    assert same({name: learner.get()[name] for name in state.best}, state.best)
    last, learner = run(FEDERATIONS["fedavg"](), number=8, per_round=None, select="last")
    assert same(learner.get(), last.arrays)


def test_what_a_round_costs_is_counted() -> None:
    state, learner = run(FEDERATIONS["fedavg"](), number=1, per_round=3, dropout=0.0)
    size = sum(array.nbytes for array in learner.get().values())
    [done] = state.history
    assert sum(done.up.values()) == sum(done.down.values()) == 3 * size
    assert done.steps == {str(client): -(-len(clients()[client].train) // 8) for client in done.chosen}


def test_clients_that_never_answer_end_the_cell_with_what_to_change() -> None:
    with pytest.raises(UsageError, match=r"fewer than 2 of 2 clients answered .* rounds.dropout below 0.999"):
        run(FEDERATIONS["fedavg"](), needed=2, dropout=0.999)


def test_rounds_that_ask_for_more_clients_than_a_column_has_are_refused() -> None:
    Rounds(needed=3, per_round=3).check(Privacy(), 3)
    for asked in ({"needed": 4}, {"per_round": 4}):
        with pytest.raises(UsageError, match="=4 is more than the clients, of which there are 3"):
            Rounds(**asked).check(Privacy(), 3)


def test_fednova_refuses_what_it_is_not_defined_for() -> None:
    with pytest.raises(UsageError, match="defined for sgd, and the clients train with adam; give optimizer=sgd"):
        federate(build("gru"), FEDERATIONS["fednova"](), clients(), Rounds(), Context(), BINARY)


def test_an_array_whose_shape_changes_is_refused() -> None:
    replies = {3: Reply({"shared/w": np.zeros(3, np.float32)}, {"shared/w": 1}, {"shared/w": 1}, {}, {})}
    with pytest.raises(UsageError, match=r"client 3 answered shared/w with the shape \[3\], and it was sent \[2\]"):
        merged(FEDERATIONS["fedavg"](), {"shared/w": np.zeros(2, np.float32)}, replies, {"shared/w": "shared"})


def test_what_only_owners_send_is_merged_among_them_and_else_stays() -> None:
    groups = {"mod/ecg/w": "mod/ecg", "mod/lab/w": "mod/lab", "buffer/seen": "buffer", "local/w": "local"}
    before = {name: np.array([1.0], np.float32) for name in groups} | {"buffer/seen": np.array(2)}
    replies = {
        0: Reply({"mod/ecg/w": np.float32([3.0]), "buffer/seen": np.array(5)}, {"mod/ecg/w": 1, "buffer/seen": 1},
                 {"mod/ecg/w": 1, "buffer/seen": 1}, {}, {}),
        1: Reply({"buffer/seen": np.array(4)}, {"buffer/seen": 9}, {"buffer/seen": 1}, {}, {}),
    }  # fmt: skip
    after = merged(FEDERATIONS["fedavg"](), before, replies, groups)
    assert after == {"mod/ecg/w": [3.0], "mod/lab/w": [1.0], "buffer/seen": 5, "local/w": [1.0]}


def test_which_arrays_are_sent_is_asked_once_and_not_for_each_array(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, asked = build("gru"), []
    learner.begin(learner.summary(cohort(8), BINARY), Context())
    groups = type(learner).groups

    def counted(self: Any) -> dict[str, str]:
        asked.append(self)
        return groups(self)

    monkeypatch.setattr(type(learner), "groups", counted)
    assert sent_of(learner).keys() == groups(learner).keys()
    assert len(asked) == 1
