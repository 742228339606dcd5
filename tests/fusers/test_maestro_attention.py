"""MAESTRO's sparse attention: budgets by masking, limits in which it is known what comes out,
half as many tokens.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from bench_fusers.maestro.attention import Budget, Dense, SparseAttention, SparseLayer


def budget(b: int, factor: float, learnt: bool = False) -> Budget:
    return Budget(torch.full((b,), factor), math.ceil(factor), 1.0, learnt)


def full_attention(layer: SparseAttention, x: torch.Tensor) -> torch.Tensor:
    parts = (p(x).unflatten(2, (layer.heads, -1)).transpose(1, 2) for p in (layer.query, layer.key, layer.value))
    made: torch.Tensor = layer.out(functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))
    return made


@pytest.mark.parametrize("n", [1, 2, 3, 4, 12, 48, 128])
@pytest.mark.parametrize("factor", [0.001, 1.0, 2.5, 5.0])
def test_the_budget_is_the_published_one_and_never_nothing(n: int, factor: float) -> None:
    published = min(math.ceil(factor) * math.ceil(math.log(n)), n)
    assert budget(1, factor).queries(torch.tensor([float(n)])).tolist() == [max(1, published)]


def test_a_record_without_tokens_has_a_budget_of_one() -> None:
    assert budget(1, 5.0).queries(torch.zeros(1)).tolist() == [1]


def test_with_a_budget_for_all_it_is_full_attention() -> None:
    torch.manual_seed(0)
    layer, x = SparseAttention(16, 4).eval(), torch.randn(3, 20, 16)
    assert torch.allclose(layer(x, torch.ones(3, 20), budget(3, 100.0)), full_attention(layer, x), atol=1e-5)


def test_queries_beyond_the_budget_output_the_mean_of_the_values() -> None:
    torch.manual_seed(0)
    layer, x = SparseAttention(16, 1).eval(), torch.randn(2, 20, 16)
    made = layer(x, torch.ones(2, 20), budget(2, 1.0))
    mean = layer.out(layer.value(x).mean(dim=1, keepdim=True))
    attends = (made - mean).abs().amax(dim=2) > 1e-5
    assert attends.sum(dim=1).tolist() == [3, 3]  # ceil(ln 20)
    assert torch.allclose(made[attends], full_attention(layer, x)[attends], atol=1e-5)


def test_the_queries_that_attend_stand_out_most_from_their_mean_product() -> None:
    torch.manual_seed(0)
    layer, x = SparseAttention(16, 1).eval(), torch.randn(1, 20, 16)
    products = layer.query(x)[0] @ layer.key(x)[0].T
    best = (products.amax(dim=1) - products.mean(dim=1)).topk(3).indices
    made = layer(x, torch.ones(1, 20), budget(1, 1.0))
    mean = layer.out(layer.value(x).mean(dim=1, keepdim=True))
    assert set(best.tolist()) == set(((made - mean).abs().amax(dim=2) > 1e-5)[0].nonzero().flatten().tolist())


def test_each_record_keeps_its_own_budget_in_one_batch() -> None:
    torch.manual_seed(0)
    layer, x = SparseAttention(16, 1).eval(), torch.randn(4, 20, 16)
    factors = torch.tensor([0.5, 1.5, 2.5, 5.0])
    made = layer(x, torch.ones(4, 20), Budget(factors, 5))
    mean = layer.out(layer.value(x).mean(dim=1, keepdim=True))
    assert ((made - mean).abs().amax(dim=2) > 1e-5).sum(dim=1).tolist() == [3, 6, 9, 15]
    alone = torch.cat([layer(x[k : k + 1], torch.ones(1, 20), Budget(factors[k : k + 1], 5)) for k in range(4)])
    assert torch.allclose(made, alone, atol=1e-6)


def test_masked_tokens_are_neither_keys_nor_queries_nor_in_the_mean() -> None:
    torch.manual_seed(0)
    layer, x = SparseAttention(16, 2), torch.randn(2, 20, 16)
    mask = torch.ones(2, 20)
    mask[:, 12:] = 0
    other = torch.where(mask[..., None] > 0, x, 100.0)
    layer.eval()
    short = layer(x[:, :12], torch.ones(2, 12), budget(2, 1.0))
    assert torch.allclose(layer(other, mask, budget(2, 1.0))[:, :12], short, atol=1e-5)
    assert torch.isfinite(layer(x, torch.zeros(2, 20), budget(2, 1.0))).all()
    layer.train()
    for _ in range(5):
        assert torch.isfinite(layer(other, mask, budget(2, 1.0))).all()


def test_a_learnt_budget_computes_what_the_whole_number_says_and_gets_the_gradient_of_the_soft_one() -> None:
    rank, readable = torch.arange(20.0).view(1, 1, 20), torch.tensor([20.0])
    factor = torch.tensor([1.7], requires_grad=True)
    weights = Budget(factor, 5, 1.0, learnt=True).weights(rank, readable)
    assert torch.allclose(weights, (rank < 6).float(), atol=1e-6)
    (slope,) = torch.autograd.grad(weights.sum(), factor)
    soft = torch.sigmoid(1.7 * 3 - rank)
    assert float(slope) == pytest.approx(float((soft * (1 - soft) * 3).sum()), rel=1e-4)


def test_a_layer_halves_the_tokens_and_leaves_fewer_than_four_as_they_are() -> None:
    layer = SparseLayer(16, 2, Dense(16, 0.0)).eval()
    for n, after in ((48, 24), (5, 3), (4, 2), (3, 3), (1, 1)):
        x, mask = layer(torch.randn(2, n, 16), torch.ones(2, n), budget(2, 2.0))
        assert x.shape == (2, after, 16)
        assert mask.shape == (2, after)


def test_a_shorter_token_is_readable_where_any_of_its_three_was_and_otherwise_zero() -> None:
    layer = SparseLayer(8, 2, Dense(8, 0.0)).eval()
    mask = torch.tensor([[0.0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0]])
    x, shorter = layer(torch.randn(2, 8, 8) * mask[..., None], mask, budget(2, 2.0))
    assert shorter.tolist() == [[0, 0, 1, 1], [0, 0, 0, 0]]
    assert (x[shorter == 0] == 0).all()
    assert torch.isfinite(x).all()
