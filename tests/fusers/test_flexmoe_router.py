"""Flex-MoE's combinations, banks and routers, in cases whose answer is known."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch.nn import functional

from bench_fusers.flexmoe.bank import AdditiveBank, Combinations, FullBank
from bench_fusers.flexmoe.router import Gate, MixedExperts, Records, router_loss
from bench_fusers.sparse_moe import Routing, cv2, top_k_routing


@pytest.mark.parametrize("m", [1, 2, 3, 4, 7])
def test_combinations_are_numbered_by_falling_size_and_then_in_order(m: int) -> None:
    subsets = [subset for size in range(m, 0, -1) for subset in combinations(range(m), size)]
    present = torch.zeros(len(subsets) + 1, m)
    for row, subset in enumerate(subsets):
        present[row, list(subset)] = 1
    assert Combinations(m)(present).tolist() == list(range(2**m))  # the last, without any, is a number of its own


def test_sixty_modalities_are_still_numbered() -> None:
    present = torch.ones(2, 60)
    present[1, :59] = 0
    assert Combinations(60)(present).tolist() == [0, 2**60 - 2]


def test_the_full_bank_has_a_row_for_each_combination_and_modality() -> None:
    bank = FullBank(4, 16, 128)
    assert bank.rows.numel() == 122_880
    numbers = torch.tensor([3, 14])
    assert torch.equal(bank(numbers, torch.ones(2, 4)), bank.rows[numbers])


def test_the_additive_bank_sums_over_what_is_observed() -> None:
    bank = AdditiveBank(3, 2, 4)
    torch.nn.init.normal_(bank.others)
    made = bank(torch.zeros(1).long(), torch.tensor([[1.0, 0.0, 1.0]]))
    assert torch.allclose(made[0, 1], bank.own[1] + bank.others[0, 1] + bank.others[2, 1], atol=1e-6)


def records(target: list[int], complete: list[int]) -> Records:
    whole = torch.tensor(complete).float()
    return Records(whole, 1 - whole, torch.tensor(target))


def routing(logits: torch.Tensor) -> Routing:
    return top_k_routing(logits, 2)


def test_the_loss_of_complete_records_is_the_balance_alone() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2 * 3 * 4, 5)
    made = router_loss(routing(logits), logits, records([-1, -1], [1, 1]), 3)
    expected = torch.zeros(())
    for number in range(3):
        tokens = logits.view(2, 3, 4, 5)[:, number].flatten(0, 1)
        expected += cv2(routing(tokens).dense().sum(0)) + cv2(routing(tokens).load.sum(0))
    assert torch.allclose(made, expected, atol=1e-5)


def test_the_loss_of_incomplete_records_adds_the_cross_entropy_and_leaves_expert_0_out_of_the_balance() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3 * 2 * 4, 5)
    made = router_loss(routing(logits), logits, records([-1, 2, 4], [1, 0, 0]), 2)
    expected = torch.zeros(())
    for number in range(2):
        whole, first, second = logits.view(3, 2, 4, 5)[:, number]
        expected += cv2(routing(whole).dense().sum(0)) + cv2(routing(whole).load.sum(0))
        rest = routing(torch.cat([first, second]))
        expected += cv2(rest.dense().sum(0)[1:]) + cv2(rest.load.sum(0)[1:])
        goals = torch.tensor([2] * 4 + [4] * 4)
        expected += functional.cross_entropy(torch.cat([first, second]), goals)
    assert torch.allclose(made, expected, atol=1e-5)


def test_without_targets_there_is_no_cross_entropy_and_records_without_modalities_count_nowhere() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2 * 1 * 4, 5)
    nobody = Records(torch.tensor([1.0, 0.0]), torch.zeros(2), torch.tensor([-1, -1]))
    alone = router_loss(routing(logits[:4]), logits[:4], records([-1], [1]), 1)
    assert torch.allclose(router_loss(routing(logits), logits, nobody, 1), alone, atol=1e-6)


def test_forced_routing_sends_every_token_of_an_incomplete_record_to_its_expert_and_to_the_best_of_the_rest() -> None:
    torch.manual_seed(0)
    gate, x = Gate(8, 6, 3).eval(), torch.randn(40, 8)
    forced = torch.tensor([5] * 20 + [-1] * 20)
    made, logits = gate(x, forced)
    free, _ = gate(x)
    assert (made.chosen[:20] == 5).any(dim=1).all()
    assert torch.equal(made.chosen[20:], free.chosen[20:])
    rest = logits[:20].clone()
    rest[:, 5] = -torch.inf
    best = torch.cat([rest.topk(2, dim=1).indices, torch.full((20, 1), 5)], dim=1)
    assert torch.equal(made.chosen[:20].sort(dim=1).values, best.sort(dim=1).values)
    assert torch.allclose(made.gates.sum(dim=1), torch.ones(40))


def test_noise_is_in_training_only_and_its_spread_is_as_stated() -> None:
    torch.manual_seed(0)
    gate = Gate(8, 6, 2)
    x = torch.randn(1, 8).expand(20_000, 8)
    made, noisy = gate(x)
    stated = functional.softplus(x[0] @ gate.spread) + 0.01
    assert torch.allclose((noisy - made.logits).std(dim=0), stated, rtol=0.05)
    assert torch.allclose(gate.eval()(x)[1], x @ gate.weight)


def test_only_the_chosen_experts_make_the_result_each_weighed_by_its_gate() -> None:
    torch.manual_seed(0)
    layer = MixedExperts(8, 6, 2, forced=False).eval()
    x = torch.randn(3, 2, 4, 8)
    made, loss = layer(x, records([-1, -1, -1], [1, 1, 1]))
    flat = x.flatten(0, 2)
    gates = layer.gate(flat)[0].dense()
    e = layer.experts
    each = torch.stack(
        [functional.gelu(flat @ e.weight_in[k] + e.bias_in[k]) @ e.weight_out[k] + e.bias_out[k] for k in range(6)], 1
    )
    assert torch.allclose(made.flatten(0, 2), (gates[..., None] * each).sum(dim=1), atol=1e-5)
    assert loss.item() == 0
