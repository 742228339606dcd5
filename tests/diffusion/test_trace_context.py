"""The context of TRACE: its formulas, and what it may depend on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.denoiser import Given, Pooled
from bench_imputers.diffusion.trace import Trace
from bench_imputers.diffusion.trace_context import Concatenated, InnerGate, MlpGate, ModalityContext, PooledContext
from bench_imputers.diffusion.trace_params import TRACE_PRESETS
from support.trace_networks import AROUND, WITH_CONTEXT, answer, network, pooled, shape, small, told

laws = settings(max_examples=20, deadline=None)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("gate", [InnerGate(3, 6), MlpGate(3, 6, 10)], ids=["inner", "mlp"])
@given(available=st.lists(st.booleans(), min_size=3, max_size=3).filter(any), seed=st.integers(0, 99))
@laws
def test_modalities_that_are_not_available_weigh_nothing_and_the_others_one(
    gate: nn.Module, available: list[bool], seed: int
) -> None:
    vectors = 3 * torch.randn(1, 3, 6, generator=torch.Generator().manual_seed(seed))
    there = torch.tensor([available])
    weights = gate(vectors, there)[0]
    assert not weights[~there[0]].any()
    assert (weights[there[0]] > 0).all()
    assert weights.sum().item() == pytest.approx(1, abs=1e-6)


def modality_context(equal: bool = False, **chosen: Any) -> ModalityContext:
    return ModalityContext(AROUND, TRACE_PRESETS.over(small(**chosen)), equal=equal)


def test_the_context_of_the_pool_is_its_formula() -> None:
    made = modality_context(preset="trace-pool")
    given_ = told(5, pooled(5, [[True, True, True], [True, False, True], [False, True, False], [True] * 3, [True] * 3]))
    gate, pool = made.gate, made.pool
    assert isinstance(gate, InnerGate)
    assert pool is not None
    assert pool.router is not None
    for record in range(5):
        e, h = [], []
        for i, name in enumerate(AROUND):
            if given_.context[name].available[record]:
                u = made.projections[i](given_.context[name].values[record])
                share = torch.softmax(pool.router.weight @ u, 0)
                e.append(u + sum(r * expert(u) for r, expert in zip(share, pool.experts, strict=True)))
                h.append(gate.weight[i] @ e[-1])
        expected = (torch.stack(h).softmax(0)[:, None] * torch.stack(e)).sum(0)
        assert torch.allclose(made(given_)[record], expected, atol=1e-5)


def test_the_gate_of_the_code_is_its_formula() -> None:
    made = modality_context(preset="trace-code")
    given_ = told(4, pooled(4, [[True, True, True], [True, False, True], [False, True, False], [True] * 3]))
    missing = torch.stack([~given_.context[name].available for name in AROUND], 1).float()
    u = [project(given_.context[name].values) for name, project in zip(AROUND, made.projections, strict=True)]
    assert isinstance(made.gate, MlpGate)
    weights = (made.gate.net(torch.cat([*u, missing], 1)) - 10_000 * missing).softmax(1)
    assert torch.allclose(made(given_), sum(weights[:, [i]] * each for i, each in enumerate(u)), atol=1e-6)
    assert made.pool is None


def test_fixed_weights_of_a_pool_are_equal_shares_and_leave_nothing_to_weigh() -> None:
    made = modality_context(equal=True, preset="trace-pool", experts=3)
    given_ = told(2, pooled(2, [[True, True, False], [False, False, True]]))
    assert made.pool is not None

    def vector(i: int, record: int) -> torch.Tensor:
        u = made.projections[i](given_.context[list(AROUND)[i]].values[record])
        return u + sum(expert(u) for expert in made.pool.experts) / 3  # type: ignore[union-attr]

    assert torch.allclose(made(given_)[0], (vector(0, 0) + vector(1, 0)) / 2, atol=1e-6)
    assert torch.allclose(made(given_)[1], vector(2, 1), atol=1e-6)
    assert {name.split(".")[0] for name, _ in made.named_parameters()} == {"null", "projections", "pool"}


def test_without_experts_and_gate_the_context_is_one_linear_map_of_vectors_and_flags() -> None:
    made = network(variant="no-moe").context
    assert isinstance(made, Concatenated)
    given_ = told(2, pooled(2, [[True, False, True], [True, True, True]]))
    x = torch.cat([given_.context[name].values for name in AROUND], 1)
    expected = made.map(torch.cat([x, torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])], 1))
    assert torch.allclose(made(given_), expected, atol=1e-6)


@pytest.mark.parametrize("chosen", WITH_CONTEXT)
def test_without_any_other_modality_the_context_is_the_null_vector(chosen: dict[str, Any]) -> None:
    made = network(**chosen).context
    assert isinstance(made, PooledContext)
    given_ = told(3, pooled(3, [[False] * 3, [True, False, False], [False] * 3]))
    assert torch.equal(made(given_)[[0, 2]], made.null.expand(2, -1))
    assert not torch.allclose(made(given_)[1], made.null)


def test_the_null_vector_starts_at_zero_and_is_trained() -> None:
    made = Trace(small()).build(shape())
    assert isinstance(made, CsdiDenoiser)
    assert made.context is not None
    assert not made.context.null.any()
    nn.init.normal_(made.output.weight)
    answer(made, told(2, pooled(2, [[False] * 3] * 2)), torch.randn(2, 3, 5)).square().sum().backward()
    assert made.context.null.grad.abs().sum() > 0
    assert all(torch.isfinite(p.grad).all() for p in made.parameters() if p.grad is not None)


@pytest.mark.parametrize("chosen", WITH_CONTEXT)
@pytest.mark.parametrize("junk", [7.0, float("inf"), float("nan")])
def test_what_an_absent_modality_holds_has_no_effect(chosen: dict[str, Any], junk: float) -> None:
    made = network(**chosen)
    context = pooled(3, [[True, False, True], [False, False, True], [False] * 3])
    soiled = {
        name: Pooled(torch.where(each.available[:, None], each.values, junk), each.available)
        for name, each in context.items()
    }
    clean = told(3, context)
    state = torch.randn(3, 3, 5)
    assert torch.equal(answer(made, clean, state), answer(made, Given(clean.values, clean.conditioning, soiled), state))


@pytest.mark.parametrize("chosen", WITH_CONTEXT)
def test_absence_is_read_from_the_flag_and_not_from_zeros(chosen: dict[str, Any]) -> None:
    made = network(**chosen).context
    assert made is not None
    zeros = {name: torch.zeros(1, size) for name, size in AROUND.items()}

    def context_of(available: list[bool]) -> torch.Tensor:
        flags = zip(zeros.items(), available, strict=True)
        said: torch.Tensor = made(
            told(1, {name: Pooled(values, torch.tensor([flag])) for (name, values), flag in flags})
        )
        return said

    assert not torch.allclose(context_of([True, True, True]), context_of([True, False, True]))


@pytest.mark.parametrize("chosen", WITH_CONTEXT)
def test_every_available_modality_reaches_the_output(chosen: dict[str, Any]) -> None:
    made = network(**chosen)
    context = {
        name: Pooled(each.values.requires_grad_(), each.available)
        for name, each in pooled(2, [[True, True, False], [False, True, True]]).items()
    }
    answer(made, told(2, context), torch.randn(2, 3, 5))[:, 1, 2].sum().backward()
    for each in context.values():
        assert each.values.grad is not None
        assert torch.equal(each.values.grad.abs().sum(1) > 0, each.available)


def test_the_context_of_the_pool_is_the_same_in_whatever_order_modalities_come() -> None:
    """Where weights go with their modality, which experts and gates that read all of them
    together do not allow.
    """
    choice = TRACE_PRESETS.over(small(preset="trace-pool"))
    order = ["waves", "notes", "images"]
    made = ModalityContext(AROUND, choice, equal=False)
    other = ModalityContext({name: AROUND[name] for name in order}, choice, equal=False)
    places = [list(AROUND).index(name) for name in order]
    weights = dict(made.state_dict())
    weights["gate.weight"] = weights["gate.weight"][places]
    for new, old in enumerate(places):
        for key in ("0.weight", "0.bias", "2.weight", "2.bias"):
            weights[f"projections.{new}.{key}"] = made.state_dict()[f"projections.{old}.{key}"]
    other.load_state_dict(weights)
    given_ = told(6)
    assert torch.allclose(made(given_), other(given_), atol=1e-6)


@pytest.mark.parametrize("chosen", [*WITH_CONTEXT, {"variant": "uni"}, {"variant": "unconditional"}])
def test_records_of_a_batch_do_not_touch_each_other(chosen: dict[str, Any]) -> None:
    made = network(**chosen).train()
    made.apply(lambda module: setattr(module, "dropout", 0.0) if hasattr(module, "dropout") else None)
    whole, state = told(4), torch.randn(4, 3, 5)
    alone = Given(
        whole.values[1:2],
        whole.conditioning[1:2],
        {name: Pooled(each.values[1:2], each.available[1:2]) for name, each in whole.context.items()},
    )
    assert torch.allclose(answer(made, whole, state)[1], answer(made, alone, state[1:2])[0], atol=1e-5)
