"""The mixture of experts of TRACE: its published sizes, its formula, and the laws of its
weights.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.layers import ExpertMixture
from bench_imputers.diffusion.trace import Trace
from bench_imputers.diffusion.trace_context import ExpertContext
from bench_imputers.diffusion.trace_params import TraceParams
from support.trace_networks import AROUND, answer, count, network, pooled, shape, told

CLINICAL = {"notes": 768, "cxr": 1024, "ecg": 256}
NULL = 128
"""Our own vector for records without any other modality; the public code has none."""

laws = settings(max_examples=30, deadline=None)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def clinical(**chosen: object) -> CsdiDenoiser:
    """The network for 30 vital signs over 48 hours beside notes, X-rays and ECGs."""
    with torch.device("meta"):
        made = Trace(TraceParams(**chosen)).build(shape(30, 48, CLINICAL))  # type: ignore[arg-type]
    assert isinstance(made, CsdiDenoiser)
    return made


def mixture(experts: int = 4, **chosen: bool) -> ExpertMixture:
    return ExpertMixture(9, 8, 7, 6, experts, **chosen)


# Sizes


@pytest.mark.parametrize(
    ("experts", "whole", "mixed"),
    [(2, 2_147_779, None), (3, 2_706_244, 2_200_707), (5, 3_823_174, 3_317_637), (7, 4_940_104, None)],
)
def test_it_has_as_many_parameters_as_the_public_network(experts: int, whole: int, mixed: int | None) -> None:
    made = clinical(experts=experts)
    assert isinstance(made.context, ExpertContext)
    assert count(made) - NULL == whole
    assert mixed is None or count(made.context.mixture) == mixed


@pytest.mark.parametrize(("experts", "mebibytes"), [(3, 10.348), (5, 14.609)])
def test_with_its_table_of_steps_it_has_the_published_bytes(experts: int, mebibytes: float) -> None:
    made = clinical(experts=experts)
    numbers = count(made) - NULL + made.table.numel()  # type: ignore[operator, union-attr]
    assert round(4 * numbers / 2**20, 3) == mebibytes


def test_three_experts_round_to_both_published_figures_and_the_default_is_five() -> None:
    assert round((count(clinical(experts=3)) - NULL) / 1e6, 1) == 2.7
    assert count(clinical()) == count(clinical(experts=5))


def test_the_experts_take_any_modalities_and_widths_with_one_flag_each() -> None:
    for around in ({"a": 1}, {"a": 3, "b": 4}, {"a": 2, "b": 5, "c": 1, "d": 9}):
        made = network(context=around).context
        assert isinstance(made, ExpertContext)
        assert made.mixture.experts[0][0].in_features == sum(around.values()) + len(around)


def test_one_expert_as_wide_as_five_has_their_weights_but_for_the_gate_and_their_output_biases() -> None:
    five, wide = clinical(), clinical(experts=1, expert_width=5 * 256)
    assert isinstance(five.context, ExpertContext)
    assert count(five) - count(wide) == count(five.context.mixture.gate) + 4 * 128


# Formula


def test_the_context_is_its_formula() -> None:
    made = network().context
    assert isinstance(made, ExpertContext)
    gate, experts = made.mixture.gate, made.mixture.experts
    assert gate is not None
    there = [[True, True, True], [True, False, True], [False, True, False]]
    given_ = told(3, pooled(3, there))
    for record, flags in enumerate(there):
        v = torch.cat(
            [
                *[given_.context[name].values[record] if seen else torch.zeros(size)
                  for (name, size), seen in zip(AROUND.items(), flags, strict=True)],
                torch.tensor([0.0 if seen else 1.0 for seen in flags]),
            ]
        )  # fmt: skip
        weights = gate(v).softmax(0)
        expected = sum(weights[k] * expert(v) for k, expert in enumerate(experts))
        assert torch.allclose(made(given_)[record], expected, atol=1e-6)


def test_its_weights_have_the_names_of_the_public_code() -> None:
    layers = ["gate.0", "gate.2", *(f"experts.{k}.{layer}" for k in range(3) for layer in (0, 2))]
    names = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert mixture(3).state_dict().keys() == names
    made = clinical(experts=3).state_dict().keys()
    assert {name.removeprefix("context.mixture.") for name in made if name.startswith("context.mixture.")} == names


# Laws of a mixture


@given(seed=st.integers(0, 999), experts=st.integers(1, 6), scale=st.sampled_from([0.1, 1.0, 30.0]))
@laws
def test_the_weights_of_a_record_sum_to_one(seed: int, experts: int, scale: float) -> None:
    inputs = scale * torch.randn(5, 9, generator=torch.Generator().manual_seed(seed))
    weights = mixture(experts).weights(inputs)
    assert weights.shape == (5, experts)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(1), torch.ones(5), atol=1e-6)


@given(order=st.permutations(range(4)))
@laws
def test_experts_in_another_order_with_their_rows_of_the_gate_are_the_same_function(order: list[int]) -> None:
    made, other = mixture(), mixture()
    assert made.gate is not None
    assert other.gate is not None
    other.gate.load_state_dict(made.gate.state_dict())
    with torch.no_grad():
        other.gate[2].weight.copy_(made.gate[2].weight[list(order)])
        other.gate[2].bias.copy_(made.gate[2].bias[list(order)])
    for place, expert in zip(order, other.experts, strict=True):
        expert.load_state_dict(made.experts[place].state_dict())
    inputs = torch.randn(5, 9)
    assert torch.allclose(made(inputs), other(inputs), atol=1e-6)


def test_a_single_expert_is_itself_without_a_gate() -> None:
    made, inputs = mixture(1), torch.randn(5, 9)
    assert made.gate is None
    assert torch.equal(made(inputs), made.experts[0](inputs))


def test_equal_weights_are_the_mean_of_the_experts_without_a_gate() -> None:
    made, inputs = mixture(equal=True), torch.randn(5, 9)
    assert made.gate is None
    assert torch.allclose(made(inputs), torch.stack([e(inputs) for e in made.experts]).mean(0), atol=1e-6)


def test_experts_that_are_all_the_same_need_no_gate() -> None:
    made, inputs = mixture(), torch.randn(5, 9)
    for expert in made.experts:
        expert.load_state_dict(made.experts[0].state_dict())
    assert torch.allclose(made(inputs), made.experts[0](inputs), atol=1e-6)


@pytest.mark.parametrize("chosen", [{}, {"preset": "trace-small"}, {"variant": "fixed-weight"}, {"experts": 1}])
def test_every_expert_and_the_gate_learn_from_every_batch(chosen: dict[str, object]) -> None:
    made = network(**chosen)
    assert isinstance(made.context, ExpertContext)
    answer(made, told(6), torch.randn(6, 3, 5)).square().sum().backward()
    for name, weight in made.context.mixture.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_it_is_trained_towards_what_the_modalities_say_together() -> None:
    """A product of two modalities, which no sum of what each says by itself can be."""
    made = network().context
    assert isinstance(made, ExpertContext)
    head = nn.Linear(6, 1)
    optimiser = torch.optim.Adam([*made.parameters(), *head.parameters()], 1e-2)
    losses = []
    for _ in range(400):
        given_ = told(64, pooled(64, [[True] * 3] * 64))
        goal = given_.context["notes"].values[:, 0] * given_.context["images"].values[:, 0]
        loss = (head(made(given_))[:, 0] - goal).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) / 20 < 0.5
