"""The products of TFN and their low-rank form: order, the rule of the cap, what low rank is
equal to.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_fusers.tfn.tensor import NARROWEST, LowRank, Tensor, outer, plan


def vectors(widths: tuple[int, ...], n: int = 5) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(n, width) for width in widths]


def test_all_products_stand_with_the_first_modality_slowest_and_the_last_fastest() -> None:
    a, v, t = torch.tensor([[2.0]]), torch.tensor([[3.0]]), torch.tensor([[5.0, 7.0]])
    tensor = Tensor((1, 1, 2), 4, 0.0, ones_last=False)
    assert tensor.products([a, v, t]).tolist() == [[1, 5, 7, 3, 15, 21, 2, 10, 14, 6, 30, 42]]
    assert Tensor((1, 1), 4, 0.0, ones_last=True).products([a, v]).tolist() == [[6, 2, 3, 1]]


def test_the_outer_product_is_that_of_einsum() -> None:
    parts = vectors((3, 2, 4))
    assert torch.allclose(outer(parts), torch.einsum("bi,bj,bk->bijk", *parts).flatten(1))


def test_an_absent_modality_leaves_the_tensor_of_the_others_embedded_in_the_larger_one() -> None:
    a, v, t = vectors((3, 2, 4))
    whole = Tensor((3, 2, 4), 1, 0.0, ones_last=False).products([a, torch.zeros_like(v), t]).reshape(5, 4, 3, 5)
    without = Tensor((3, 4), 1, 0.0, ones_last=False).products([a, t]).reshape(5, 4, 5)
    assert torch.equal(whole[:, :, 0], without)
    assert (whole[:, :, 1:] == 0).all()


@pytest.mark.parametrize(("modalities", "width"), [(2, 386), (3, 52), (4, 18), (5, 9), (6, 6), (7, 4)])
def test_under_the_stated_cap_equal_widths_shrink_to_those_of_the_specification(modalities: int, width: int) -> None:
    made = plan([1000] * modalities, 150_000, False)
    assert made.widths == (width,) * modalities
    assert not made.low_rank


def test_beyond_seven_modalities_low_rank_takes_over_with_the_widths_as_they_are() -> None:
    made = plan([16] * 8, 150_000, False)
    assert made.low_rank
    assert made.widths == (16,) * 8


def test_widths_that_fit_stay_and_none_ever_grows() -> None:
    assert plan([32, 128, 32], 150_000, False).widths == (32, 128, 32)
    assert plan([4, 1000, 1000], 150_000, False).widths == (4, 52, 52)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=9), st.integers(2, 200_000))
def test_a_full_tensor_never_has_more_products_than_the_cap(widths: list[int], cap: int) -> None:
    made = plan(widths, cap, False)
    assert made.low_rank or math.prod(width + 1 for width in made.widths) <= cap
    if made.low_rank:
        side = NARROWEST + 1
        assert side ** len(widths) > cap
    elif made.widths != tuple(widths):
        largest = max(made.widths)
        assert (largest + 2) ** len(widths) > cap


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 5), st.booleans())
def test_low_rank_is_a_linear_map_of_all_products_whose_weights_have_that_rank(
    widths: list[int], rank: int, ones_last: bool
) -> None:
    torch.manual_seed(1)
    low, full = LowRank(widths, 3, rank, ones_last), Tensor(widths, 3, 0.0, ones_last)
    with torch.no_grad():
        low.bias.copy_(torch.randn(3))
        full.map.bias.copy_(low.bias)
        terms = []
        for r in range(rank):
            factors = [factor[r].T for factor in low.factors]  # [outputs, width + 1]
            terms.append(low.weights[0, r] * outer(factors))
        full.map.weight.copy_(torch.stack(terms).sum(dim=0))
    parts = vectors(tuple(widths))
    assert torch.allclose(low(parts), full(parts), atol=1e-5)
    first = full.map.weight[0].detach().reshape(widths[0] + 1, -1)
    assert np.linalg.matrix_rank(first.numpy(), tol=1e-5) <= rank


def test_low_rank_costs_what_the_specification_says_and_all_of_it_is_trained() -> None:
    widths, rank, outputs = (3, 5, 2), 8, 7
    low = LowRank(widths, outputs, rank, ones_last=False)
    assert sum(p.numel() for p in low.parameters()) == rank * outputs * sum(w + 1 for w in widths) + rank + outputs
    low(vectors(widths)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in low.parameters())
