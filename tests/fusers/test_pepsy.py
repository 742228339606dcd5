"""`pepsy-like`: embeddings and controls of a record by hand, the matching of controls with known
answers, and a pool whose size changes from round to round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.components import Context
from bench.federated.rounds import Client, Rounds, federate
from bench.learner import Plan, Reply
from bench.registry import NoParams
from bench_federations.averaging import FedAvg
from bench_fusers.contrast import within_records
from bench_fusers.pepsy.fuser import CONTROLS, USED, Pepsy
from bench_fusers.pepsy.matching import Slots, assigned, matched
from bench_fusers.pepsy.network import Network, attended, choose
from bench_fusers.pepsy.plugin import PepsyParams
from support.fuser_cohorts import BINARY, build, cohort, unfilled, without

CONTEXT = Context(seed=2)
TRAIN = unfilled(cohort(26, absent=0.3))
E = np.e


def begun(**chosen: Any) -> tuple[Pepsy, Network]:
    made = build("pepsy-like", **{"epochs": 1, "batch_size": 13, "width": 4, "hidden": 3, "repeats": 2, **chosen})
    assert isinstance(made, Pepsy)
    made.begin(made.summary(TRAIN, BINARY), CONTEXT)
    made.learnt = True
    return made, made.network


def reply(controls: np.ndarray, used: Any) -> Reply:
    return Reply({CONTROLS: np.float32(controls), USED: np.array(used, np.int64)}, {}, {}, {}, {})


def rng(seed: int = 0) -> np.random.Generator:
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


# What a record's embeddings are


def test_the_controls_nearest_to_a_records_queries_are_its_own_by_hand() -> None:
    controls = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [1.0, 1.0]])
    queries = torch.tensor([[[5.0, 0.0], [5.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], [[-2.0, 0.0], [0.0, -1.0]]])
    chosen = choose(queries, controls, 2)
    # Mean cosines: 1, 0, -1, 0.71; 0.5, 0.5, -0.5, 0.71; -0.5, -0.5, 0.5, -0.71.
    assert chosen.places[0].tolist() == [0, 3]
    assert chosen.places[1, 0] == 3
    assert chosen.places[2, 0] == 2
    assert chosen.mean[0].tolist() == [1.5, 0.5]
    assert chosen.near[0] == pytest.approx((1 + np.sqrt(0.5)) / 2)


def test_attention_by_hand() -> None:
    w = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])
    near, far = E / (E + 1), 1 / (E + 1)
    assert attended(w)[0].numpy() == pytest.approx(np.array([[2 * near, far], [2 * far, near]]), abs=1e-6)


def test_an_absent_modality_has_the_mean_of_those_that_are_there() -> None:
    _, network = begun()
    z = torch.tensor([[[1.0, 2, 3, 4], [3.0, 4, 5, 6]], [[1.0, 2, 3, 4], [0.0] * 4], [[0.0] * 4, [0.0] * 4]])
    here = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    w, chosen = network.embeddings(z, here)
    assert w.shape == (3, 2, 12)
    assert torch.equal(w[0, :, 4:8], z[0])
    assert torch.equal(w[1, :, 4:8], z[1, :1].expand(2, 4))
    assert not w[2, :, 4:8].any()
    assert torch.equal(w[..., :4], network.modality.expand(3, 2, 4))
    for record in range(3):
        assert torch.equal(w[record, :, 8:], chosen.mean[record].expand(2, 4))
    assert chosen.places.shape == (3, 3)


def test_a_gate_weighs_embeddings_and_what_attention_makes_of_them() -> None:
    _, network = begun()
    network.gate.weight.data.zero_()
    network.gate.bias.data.fill_(float(np.log(3.0)))
    w = torch.randn(5, 2, 12)
    assert torch.allclose(network.fused(w), 0.75 * w + 0.25 * attended(w), atol=1e-6)


def test_what_is_added_to_the_loss_while_it_trains() -> None:
    made, network = begun(contrast=0.5, attract=2.0)
    batch = made._batch(TRAIN, np.arange(26), "cpu")
    network.train()
    z = network.extractors.whole(batch)
    here = torch.tensor(np.stack([series.available for series in TRAIN.modalities.values()], axis=1)).float()
    w, chosen = network.embeddings(z, here)
    losses = within_records(z, here, 0.2) + within_records(w, torch.ones(26, 2), 0.2)
    outputs = network(batch)
    assert isinstance(outputs, tuple)
    wanted = 0.5 * losses - 2.0 * chosen.near.mean()
    assert float(outputs[1].detach()) == pytest.approx(float(wanted.detach()), abs=1e-5)
    network.eval()
    assert isinstance(network(batch), torch.Tensor)


def test_chosen_controls_come_nearer_to_the_queries_that_they_attract() -> None:
    near = {}
    for attract in (0.0, 3.0):
        made, network = begun(attract=attract, contrast=0.0, average=0.0)
        made.local(TRAIN, Plan(epochs=8), CONTEXT)
        batch = made._batch(TRAIN, np.arange(26), "cpu")
        with torch.no_grad():
            here = torch.tensor(np.stack([s.available for s in TRAIN.modalities.values()], axis=1)).float()
            near[attract] = float(network.embeddings(network.extractors.whole(batch), here)[1].near.mean())
    assert near[3.0] > near[0.0] + 0.1


def test_a_prediction_depends_on_no_other_record() -> None:
    made, _ = begun(extractor="inception", filters=2)
    whole = made.predict(TRAIN, CONTEXT)
    assert made.predict(TRAIN.take(np.arange(3)), CONTEXT) == pytest.approx(whole[:3], abs=1e-6)


# Sizes, and who owns what


def test_parameters_by_hand() -> None:
    made, network = begun()
    extractors = sum(weight.numel() for weight in network.extractors.parameters())
    table, pool, query = 2 * 4, 10 * 4, 8 * 4
    gate, classifier = 24 * 12 + 12, (24 * 3 + 3) + (3 * 1 + 1)
    assert made.parameters() == extractors + table + pool + query + gate + classifier


def test_the_pool_is_the_published_one_unless_chosen() -> None:
    params = PepsyParams()
    assert (params.pool, params.chosen, params.width, params.repeats) == (10, 3, 128, 10)
    _, network = begun()
    assert network.controls.abs().max() <= 1
    assert network.query.bias is None


def test_a_pool_that_is_too_small_or_too_large_is_refused() -> None:
    for chosen in ({"pool": 2}, {"largest": 9}):
        with pytest.raises(ValueError, match="give numbers in this order"):
            PepsyParams(**chosen)


def test_extractors_belong_to_modalities_and_the_pool_is_merged_by_the_method() -> None:
    groups = begun()[0].groups()
    own = {"mod/vitals", "mod/labs", "buffer/vitals", "buffer/labs"}
    assert set(groups.values()) == {*own, "shared", "own"}
    assert {name for name, group in groups.items() if group == "own"} == {CONTROLS, USED}
    assert all((group in own) == (".encoder." in name) for name, group in groups.items())


def test_a_client_without_a_modality_sends_nothing_of_it() -> None:
    made, _ = begun()
    sent = made.local(without(TRAIN, "labs"), Plan(epochs=1), CONTEXT).arrays
    assert not any("/labs/" in name for name in sent)
    assert any("/vitals/" in name for name in sent)


def test_a_client_says_which_controls_its_records_chose() -> None:
    made, network = begun()
    network.used.fill_(1)
    two = TRAIN.take(np.arange(2))
    sent = made.local(two, Plan(steps=1), CONTEXT).arrays
    assert 3 <= sent[USED].sum() <= 6
    assert sent[CONTROLS].shape == (10, 4)


# The matching of controls


def even(start: Any) -> Slots:
    """Slots of standard deviation 0.5 that a client uses or not alike."""
    slots = Slots(torch.tensor(start), hidden=2)
    for network in (slots.scale, slots.usage):
        for weight in network.parameters():
            weight.data.zero_()
    return slots


def test_gains_and_likelihood_by_hand() -> None:
    slots = even([[0.0, 0.0], [1.0, 2.0]])
    gains = slots.gains(torch.tensor([[0.0, 1.0]], dtype=torch.float64)).detach().numpy()[0]
    constant = -np.log(2 * np.pi) + 2 * np.log(2)
    assert gains == pytest.approx([constant - 2, constant - 4])
    likelihood = slots.likelihood(torch.tensor([[0.0, 1.0]], dtype=torch.float64), np.array([1]))
    assert float(likelihood.detach()) == pytest.approx(constant - 4 + 2 * np.log(0.5))


def test_a_slot_that_is_used_gains_by_its_odds() -> None:
    slots = even([[0.0, 0.0], [0.0, 0.0]])
    bias = slots.usage[2].bias
    assert isinstance(bias, torch.Tensor)
    bias.data.fill_(float(np.log(3.0)))
    one = torch.zeros(1, 2, dtype=torch.float64)
    assert float(slots.gains(one)[0, 0].detach()) == pytest.approx(-np.log(2 * np.pi) + 2 * np.log(2) + np.log(3))


def test_the_assignment_is_the_best_in_all_and_not_the_best_for_each_in_turn() -> None:
    gains = np.array([[10.0, 9.0, 0.0], [10.0, 1.0, 0.0]])
    assert assigned(gains).tolist() == [1, 0]
    assert assigned(np.array([[0.0, 5.0, 3.0], [1.0, 4.0, 0.0], [9.0, 0.0, 1.0]])).tolist() == [2, 1, 0]


def test_controls_far_apart_all_stay() -> None:
    one, other = np.float32([[0, 0], [9, 0]]), np.float32([[0, 9], [9, 9]])
    merged = matched([one, other], 10, 100, rng())
    assert merged.shape == (4, 2)
    assert np.abs(merged - np.concatenate([one, other])).max() < 0.03  # 20 steps of at most 1e-3, or little more


def test_a_slot_that_all_like_better_is_shared() -> None:
    pools = [np.zeros((1, 2), np.float32), np.full((1, 2), 1e-4, np.float32)]
    sizes = {len(matched(pools, repeats, 100, rng(seed))) for repeats in (1, 10) for seed in range(6)}
    assert 1 in sizes
    assert sizes <= {1, 2}


def test_merged_controls_stay_near_to_what_was_sent() -> None:
    generator = np.random.default_rng(3)
    pools = [generator.uniform(-1, 1, (6, 4)).astype(np.float32) for _ in range(3)]
    merged = matched(pools, 5, 100, rng())
    assert 6 <= len(merged) <= 18
    distances = np.abs(merged[:, None] - np.concatenate(pools)[None]).max(axis=2).min(axis=1)
    assert distances.max() < 0.03


def test_of_more_slots_than_a_pool_may_hold_the_first_of_the_most_used_stay() -> None:
    pools = [np.float32([[0, 0], [9, 0]]), np.float32([[0, 9], [9, 9]])]
    merged = matched(pools, 3, 3, rng())
    assert np.abs(merged - np.float32([[0, 0], [9, 0], [0, 9]])).max() < 0.02


def test_only_what_was_used_is_matched_and_the_order_of_answers_changes_no_bit() -> None:
    made, _ = begun()
    pools = np.random.default_rng(0).uniform(-9, 9, (3, 5, 4))
    replies = {k: reply(pools[k], [1, 1, 1, 0, k % 2]) for k in range(3)}
    one, other = made.merge_own(4, replies), made.merge_own(4, dict(reversed(replies.items())))
    assert np.array_equal(one[CONTROLS], other[CONTROLS])
    assert one[CONTROLS].shape == (10, 4)
    assert one[CONTROLS].dtype == np.float32
    assert one[USED].tolist() == [0] * 10
    again = made.merge_own(5, replies)
    assert not np.array_equal(one[CONTROLS], again[CONTROLS])


def test_the_pool_of_an_only_client_is_taken_as_it_is() -> None:
    made, _ = begun()
    pool = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32)
    assert np.array_equal(made.merge_own(1, {7: reply(pool, [1, 0, 0, 0, 0])})[CONTROLS], pool)


# In a federation


def test_the_pool_changes_its_size_and_clients_go_on_from_it() -> None:
    made, _ = begun(width=8)
    clients = {k: Client(cohort(9 + k, seed=k), cohort(5, seed=9 + k)) for k in range(3)}
    state = federate(made, FedAvg(NoParams()), clients, Rounds(number=3, select="last"), CONTEXT, BINARY)
    size = len(state.arrays[CONTROLS])
    assert 3 <= size != 10
    assert made.network.controls.shape == (size, 8)
    assert np.isfinite(made.predict(TRAIN, CONTEXT)).all()


def test_one_client_is_central_training() -> None:
    chosen = {"optimizer": "sgd", "average": 0.0}
    made, _ = begun(**chosen)
    empty = TRAIN.take(np.arange(0))
    federate(made, FedAvg(NoParams()), {0: Client(TRAIN, empty)}, Rounds(number=3, epochs=1), CONTEXT, BINARY)
    central, _ = begun(**chosen)
    central.local(TRAIN, Plan(epochs=3), CONTEXT)
    one, other = made.get(), central.get()
    assert all(np.array_equal(one[name], other[name]) for name in one if name != USED)
