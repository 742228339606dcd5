"""The sparse mixture of experts: gates, experts of which only the chosen are computed, balance
losses, routers.
"""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from bench_fusers import grouped
from bench_fusers.sparse_moe import (
    Experts,
    ModalityMoE,
    Router,
    Routing,
    cv2,
    cv2_balance,
    entropy_balance,
    top_k_routing,
)

GATINGS = ("softmax", "laplace", "gaussian")
ROUTERS = ("joint", "permod", "disjoint")


def routed(tokens: int = 40, width: int = 6, experts: int = 8, k: int = 3, seed: int = 0, **router: object):
    """Tokens [n, width], a router with drawn weights, and its routing at evaluation."""
    torch.manual_seed(seed)
    x = torch.randn(tokens, width)
    gate = Router(width, experts, k, **router)  # type: ignore[arg-type]
    nn.init.normal_(gate.weight)
    return x, gate, gate.eval()(x)


def all_experts(experts: Experts, x: torch.Tensor) -> torch.Tensor:
    """[n, E, out]: every expert computed for every token, in the plainest way."""
    parts = zip(experts.weight_in, experts.bias_in, experts.weight_out, experts.bias_out, strict=True)
    return torch.stack([functional.gelu(x @ a + b) @ c + d for a, b, c, d in parts], dim=1)


@pytest.mark.parametrize("gating", GATINGS)
@pytest.mark.parametrize("training", [False, True])
def test_rows_of_the_gates_sum_to_one_with_exactly_k_that_are_not_zero(gating: str, training: bool) -> None:
    x, gate, _ = routed(gating=gating)
    dense = gate.train(training)(x).dense()
    assert torch.allclose(dense.sum(dim=1), torch.ones(len(x)))
    assert ((dense > 0).sum(dim=1) == 3).all()


def test_logits_are_the_distances_up_to_a_constant_of_each_token() -> None:
    x, gate, laplace = routed(gating="laplace")
    apart = torch.cdist(x.double(), gate.weight.double())
    assert torch.allclose(laplace.logits.double(), x.double().norm(dim=1, keepdim=True) - apart, atol=1e-5)
    gate.gating = "gaussian"
    assert torch.allclose(gate(x).logits.double(), x.double().square().sum(1, keepdim=True) - apart**2, atol=1e-4)


def test_distances_keep_their_digits_far_from_the_origin() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 6000)
    gate = Router(6000, 8, 2, "laplace").eval()
    nn.init.normal_(gate.weight, std=1e-4)
    exact = x.double().norm(dim=1, keepdim=True) - torch.cdist(x.double(), gate.weight.double())
    naive = -torch.cdist(x, gate.weight) + x.norm(dim=1, keepdim=True)
    error = (gate(x).logits - exact).abs().max()
    assert error < 1e-8
    assert error * 100 < (naive - exact).abs().max()


@pytest.mark.parametrize("combine", ["linear", "log_mixture"])
def test_the_chosen_experts_alone_give_what_all_of_them_give_and_the_same_gradients(combine: str) -> None:
    x, _, routing = routed()
    experts = Experts(8, 6, 5, 7, combine=combine)  # type: ignore[arg-type]
    x, gates = x.requires_grad_(), routing.gates.detach().requires_grad_()
    made = experts(x, routing.chosen, gates)
    inputs = [x, gates, *experts.parameters()]
    found = torch.autograd.grad(made.square().sum(), inputs)

    every = all_experts(experts, x)
    dense = torch.zeros(len(x), 8).scatter(1, routing.chosen, gates)
    if combine == "log_mixture":
        expected = (dense[..., None] * every.log_softmax(dim=2).exp()).sum(dim=1).log()
    else:
        expected = (dense[..., None] * every).sum(dim=1)
    assert torch.allclose(made, expected, atol=1e-5)
    for ours, theirs in zip(found, torch.autograd.grad(expected.square().sum(), inputs), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_log_mixture_is_the_log_of_a_distribution() -> None:
    x, _, routing = routed()
    made = Experts(8, 6, 5, 7, combine="log_mixture")(x, routing.chosen, routing.gates)
    assert torch.allclose(made.exp().sum(dim=1), torch.ones(len(x)))


def test_nothing_is_computed_for_experts_not_chosen() -> None:
    def flops(k: int) -> int:
        x, _, routing = routed(tokens=64, width=32, k=k)
        experts = Experts(8, 32, 16, 32)
        with FlopCounterMode(display=False) as counter:
            experts(x.requires_grad_(), routing.chosen, routing.gates.detach()).sum().backward()
        return counter.get_total_flops()

    assert flops(8) == 64 * 8 * 3 * 2 * (32 * 16 + 16 * 32)  # forward, back to the inputs, back to the weights
    assert flops(2) * 4 == flops(8)


@pytest.mark.skipif(not hasattr(functional, "grouped_mm"), reason="this torch has no grouped product")
def test_the_grouped_product_of_torch_agrees_with_ours() -> None:
    torch.manual_seed(0)
    chosen = torch.randint(0, 3, (20, 1)) * 2  # two experts of five are never chosen
    groups = grouped.grouping(chosen, 5)
    tensors = [torch.randn(20, 16), torch.randn(5, 16, 8), torch.randn(5, 8)]
    x, weight, bias = (tensor.bfloat16().requires_grad_() for tensor in tensors)
    assert grouped.native_fits(x, weight)
    target = torch.randn(20, 8)
    results = []
    for function in (grouped.grouped_native, grouped.grouped_linear):
        made = function(x, weight, bias, groups, spread=True)
        results.append([made, *torch.autograd.grad((made.float() * target).sum(), [x, weight, bias])])
    for native, ours in zip(*results, strict=True):
        assert torch.allclose(native.float(), ours.float(), atol=0.05, rtol=0.02)


def test_an_expert_nobody_chose_gets_a_gradient_of_zeros() -> None:
    experts = Experts(3, 4, 5, 4)
    experts(torch.randn(6, 4), torch.full((6, 1), 1), torch.ones(6, 1)).sum().backward()
    for parameter in experts.parameters():
        assert parameter.grad is not None
        assert [bool(part.abs().sum() > 0) for part in parameter.grad] == [False, True, False]


def test_a_token_alone_gives_what_it_gives_among_others_and_no_token_gives_no_row() -> None:
    x, gate, routing = routed()
    experts = Experts(8, 6, 5, 7)
    together = experts(x, routing.chosen, routing.gates)
    for k in range(0, len(x), 7):
        alone = gate(x[k : k + 1])
        assert torch.allclose(experts(x[k : k + 1], alone.chosen, alone.gates)[0], together[k], atol=1e-6)
    assert experts(x[:0], routing.chosen[:0], routing.gates[:0]).shape == (0, 7)


def test_routing_is_random_in_training_alone() -> None:
    x, gate, routing = routed()
    assert torch.equal(gate(x).gates, routing.gates)
    gate.train()
    assert not torch.equal(gate(x).gates, gate(x).gates)
    quiet = Router(6, 8, 3, noise=False)
    assert torch.equal(quiet(x).gates, quiet(x).gates)


@pytest.mark.parametrize("gating", GATINGS)
def test_the_balance_reaches_the_weights_of_gate_and_noise(gating: str) -> None:
    x, gate, _ = routed(gating=gating)
    cv2_balance(gate.train()(x)).backward()
    assert gate.spread is not None
    for parameter in (gate.weight, gate.spread):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_the_load_of_two_experts_is_the_chance_to_beat_the_other() -> None:
    logits, sd = torch.tensor([[0.3, -0.2]]), torch.tensor([[0.5, 2.0]])
    noisy = torch.tensor([[0.1, 0.7]])
    load = top_k_routing(logits, 1, noisy, sd).load[0]
    normal = torch.distributions.Normal(0, 1)
    assert load[0].item() == pytest.approx(normal.cdf(torch.tensor((0.3 - 0.7) / 0.5)).item(), abs=1e-6)
    assert load[1].item() == pytest.approx(normal.cdf(torch.tensor((-0.2 - 0.1) / 2.0)).item(), abs=1e-6)


def test_the_load_is_a_count_where_all_are_chosen_and_where_there_is_no_noise() -> None:
    x, gate, routing = routed(k=8)
    assert torch.equal(gate.train()(x).load, torch.ones(40, 8))
    assert torch.equal(routing.load, torch.ones(40, 8))
    _, _, some = routed(k=3)
    assert torch.equal(some.load, (some.dense() > 0).float())


def test_a_forced_expert_is_always_among_the_chosen_and_weighed_by_its_logit() -> None:
    x, gate, free = routed()
    worst = free.logits.argmin(dim=1)
    forced = gate(x, torch.where(torch.arange(40) % 2 == 0, worst, -1))
    assert (forced.chosen[::2] == worst[::2, None]).any(dim=1).all()
    assert torch.equal(forced.chosen[1::2], free.chosen[1::2])
    assert torch.allclose(forced.gates, forced.logits.gather(1, forced.chosen).softmax(dim=1))


def test_cv2_of_equal_shares_is_zero_and_of_one_expert_for_all_is_the_number_of_experts() -> None:
    assert cv2(torch.full((6,), 3.5)).item() == 0
    assert cv2(torch.tensor([9.0, 0, 0, 0, 0])).item() == pytest.approx(5)
    assert cv2(torch.tensor([1.0, 3.0])).item() == pytest.approx(2 / 4)
    assert cv2(torch.tensor([4.0])).item() == 0
    assert cv2(torch.zeros(4)).item() == 0


def test_the_balance_is_that_of_counted_tokens_alone() -> None:
    _, _, routing = routed()
    counted = (torch.arange(40) < 15).float()
    part = Routing(routing.chosen[:15], routing.gates[:15], routing.logits[:15])
    assert cv2_balance(routing, counted).item() == pytest.approx(cv2_balance(part).item(), rel=1e-5)
    assert cv2_balance(routing, torch.zeros(40)).item() == 0


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 10**6))
def test_eq_8_lies_between_minus_ln_of_the_fewer_and_zero(modalities: int, experts: int, seed: int) -> None:
    logits = torch.randn(modalities, experts, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 4
    value = entropy_balance(logits.softmax(dim=1)).item()
    assert -math.log(min(modalities, experts)) - 1e-9 <= value <= 1e-9


def test_eq_8_is_zero_for_equal_modalities_and_least_for_confident_experts_of_their_own() -> None:
    assert entropy_balance(torch.tensor([0.2, 0.3, 0.5]).expand(4, 3)).item() == pytest.approx(0, abs=1e-6)
    assert entropy_balance(torch.eye(5)[:3]).item() == pytest.approx(-math.log(3))
    assert entropy_balance(torch.eye(2)[[0, 1, 0, 1]]).item() == pytest.approx(-math.log(2))


def mixture(router: str = "joint", modalities: int = 3, width: int = 5, **params: object) -> ModalityMoE:
    torch.manual_seed(1)
    made = ModalityMoE(modalities, width, 8, 6, 2, router=router, **params)  # type: ignore[arg-type]
    for gate in made.routers:
        nn.init.normal_(gate.weight)
    return made.eval()


@pytest.mark.parametrize("router", ROUTERS)
def test_a_router_over_modalities_is_the_sum_of_its_mixtures(router: str) -> None:
    moe, x = mixture(router), torch.randn(9, 3, 5)
    made, _ = moe(x, torch.ones(9, 3))
    assert made.shape == x.shape
    tokens = [x.flatten(1)] if router == "joint" else list(x.unbind(1))
    expected = torch.zeros(9, 15)
    for number, (token, routing) in enumerate(zip(tokens, moe.route(x), strict=True)):
        every = all_experts(moe.experts, token)
        own = every[:, 2 * number : 2 * number + 2] if router == "disjoint" else every
        expected += (routing.dense()[..., None] * own).sum(dim=1)
    assert torch.allclose(made.flatten(1), expected, atol=1e-5)


@pytest.mark.parametrize("router", ROUTERS)
def test_all_weights_of_the_gates_are_parameters_and_learn(router: str) -> None:
    moe, x = mixture(router).train(), torch.randn(30, 3, 5)
    made, penalty = moe(x, torch.ones(30, 3))
    (made.square().sum() + penalty).backward()
    known = dict(moe.named_parameters())
    gates = {f"routers.{k}.{name}" for k in range(1 if router == "joint" else 3) for name in ("weight", "spread")}
    assert gates <= set(known)
    for name in known:
        gradient = known[name].grad
        assert gradient is not None, name
        assert gradient.abs().sum() > 0, name


def test_eq_8_moves_a_router_of_each_modality_and_says_nothing_to_the_other_two() -> None:
    x, here = torch.randn(30, 3, 5), torch.ones(30, 3)
    assert mixture("joint", balance="entropy")(x, here)[1].item() == pytest.approx(0, abs=1e-6)
    assert mixture("disjoint", balance="entropy")(x, here)[1].item() == pytest.approx(-math.log(3), abs=1e-5)
    moe = mixture("permod", balance="entropy").train()
    optimiser = torch.optim.Adam(moe.parameters(), 0.05)
    for _ in range(200):
        optimiser.zero_grad()
        penalty = moe(x + torch.arange(3)[:, None] * 2, here)[1]
        penalty.backward()
        optimiser.step()
    assert penalty.item() < -0.9 * math.log(3)


@pytest.mark.parametrize("balance", ["cv2", "entropy"])
def test_an_absent_modality_is_not_counted_in_the_balance(balance: str) -> None:
    moe, x = mixture("permod", balance=balance), torch.randn(12, 3, 5)
    here = torch.ones(12, 3)
    here[:5, 1] = 0
    other = x.clone()
    other[:5, 1] = 7.0
    assert moe(x, here)[1].item() == pytest.approx(moe(other, here)[1].item(), abs=1e-6)
    assert moe(x, torch.ones(12, 3))[1].item() != pytest.approx(moe(other, torch.ones(12, 3))[1].item(), abs=1e-4)
    nobody = here.clone()
    nobody[:, 1] = 0
    assert math.isfinite(moe(x, nobody)[1].item())


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="top_k is 5; with 4 experts it may be 1 to 4"):
        Router(3, 4, 5)
    with pytest.raises(ValueError, match="one for each of the 3 modalities"):
        ModalityMoE(3, 4, 2, 4, 1, router="disjoint")


@pytest.mark.parametrize(("modalities", "least", "most"), [(2, 0.60e9, 0.61e9), (4, 1.20e9, 1.22e9)])
def test_the_three_layers_of_table_6_have_0_6_to_1_2_billion_parameters(modalities: int, least: float, most: float):
    with torch.device("meta"):
        moe = ModalityMoE(modalities, 48 * 128, 16, 512, 4, gating="laplace")
    width = 48 * 128 * modalities
    count = sum(parameter.numel() for parameter in moe.parameters())
    assert count == 16 * (2 * width * 512 + 512 + width) + 2 * 16 * width
    assert least < 3 * count < most


def specialised(experts: int, k: int) -> tuple[float, torch.Tensor]:
    """Tokens of four kinds, each kind with a linear map of its own, learnt -> error as a share
    of variance, kind x expert.
    """
    torch.manual_seed(0)
    kinds, width = 4, 6
    centres, maps = torch.eye(kinds, width) * 6, torch.randn(kinds, width, width)
    kind = torch.randint(0, kinds, (400,))
    x = centres[kind] + torch.randn(400, width)
    y = torch.einsum("nw,nwo->no", x - centres[kind], maps[kind])
    gate, network = Router(width, experts, k, "laplace"), Experts(experts, width, 6, width)
    optimiser = torch.optim.Adam([*gate.parameters(), *network.parameters()], 0.03)
    for _ in range(200):
        optimiser.zero_grad()
        routing = gate(x)
        error = (network(x, routing.chosen, routing.gates) - y).square().mean()
        (error + 0.01 * cv2_balance(routing)).backward()
        optimiser.step()
    with torch.no_grad():
        routing = gate.eval()(x)
        left = (network(x, routing.chosen, routing.gates) - y).square().mean() / y.var()
    dense = routing.dense()
    return left.item(), torch.stack([dense[kind == k].mean(dim=0) for k in range(kinds)])


def test_experts_specialise_in_kinds_of_tokens_and_one_expert_of_their_size_cannot() -> None:
    left, used = specialised(8, 2)
    alone, _ = specialised(1, 1)
    assert left < 0.05
    assert alone > 0.3
    shared = used.T / used.sum(dim=0).clamp_min(1e-9)[:, None]
    weight = used.sum(dim=0) / used.sum()
    assert (shared.amax(dim=1) * weight).sum() > 0.9  # of what an expert does, most is for one kind
