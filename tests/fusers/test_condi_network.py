"""Phase B of CondI against numbers worked out by hand: the gradient of equation 4, the contrastive
loss, and what the encoders read.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.torch_fuser import Batch, Inputs, ModalityView
from bench_fusers.condi.head import condition
from bench_fusers.condi.network import CondiNetwork, Labelled, contrastive
from bench_fusers.condi.plugin import CondiHeadParams
from bench_imputers.diffusion.condi_context import ConditionTable

SIZES = {"flow": 1, "vitals": 2, "labs": 1}
LENGTH, WIDTH = 5, 4


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def network(**chosen: Any) -> CondiNetwork:
    params = CondiHeadParams(**({"width": WIDTH, "filters": 4, "main_width": 6, "hidden": 8} | chosen))
    inputs = Inputs({name: (LENGTH, size) for name, size in SIZES.items()}, statics=0, bin_hours=1.0)
    built = CondiNetwork(inputs, 3, params, list(SIZES))
    if not params.no_condi:
        built.condition = condition(built)
    return built


def batch(records: int = 4, absent: dict[int, str] | None = None, filled: bool = False) -> Batch:
    """absent: record -> a modality that it lacks."""
    views = {}
    for name, size in SIZES.items():
        observed = (torch.rand(records, LENGTH, size) < 0.6).float()
        observed[:, 0] = 1
        available = torch.ones(records)
        for record, missing in (absent or {}).items():
            if missing == name:
                observed[record], available[record] = 0, 0
        values = torch.randn(records, LENGTH, size)
        views[name] = ModalityView(values, observed, torch.arange(LENGTH), available, (1 - available) * filled)
    return Batch(views, torch.zeros(records, 0), torch.zeros(records, 0))


# Equation 4


def gradient(present: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the table [i, m, D], under a loss whose gradient by w_cond [m, D] comes with it."""
    table, weights = ConditionTable(3, 2), torch.randn(3, 2)
    (weights * table.routed(torch.tensor([present]).float())[0]).sum().backward()
    assert table.table.grad is not None
    return table.table.grad, weights


def test_where_all_modalities_are_present_the_diagonal_alone_learns() -> None:
    grad, weights = gradient([1, 1, 1])
    assert torch.equal(grad, torch.diag_embed(weights.T).permute(1, 2, 0))


def test_where_one_is_absent_those_that_are_there_share_its_gradient() -> None:
    grad, weights = gradient([1, 0, 1])
    expected = torch.zeros(3, 3, 2)
    expected[0, 0], expected[2, 2] = weights[0], weights[2]
    expected[0, 1] = expected[2, 1] = weights[1] / 2
    assert torch.allclose(grad, expected)


def test_where_none_is_present_nothing_learns_and_the_condition_is_0() -> None:
    grad, _ = gradient([0, 0, 0])
    assert not grad.any()
    assert not ConditionTable(3, 2).routed(torch.zeros(1, 3)).any()


@given(present=st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_the_gradient_of_an_entry_is_its_closed_form_in_any_batch(present: list[list[int]]) -> None:
    built, there = network(), torch.tensor(present).float()
    weights = torch.randn(len(there), 3, WIDTH)
    (weights * built.conditions(torch.zeros_like(weights), there)).sum().backward()
    grad = built.condition.table.grad  # type: ignore[union-attr]
    for i in range(3):
        for m in range(3):
            expected = torch.zeros(WIDTH)
            for r, g in zip(there, weights, strict=True):
                expected += g[m] * (float(i == m) if r[m] else r[i] / r.sum().clamp(min=1))
            assert torch.allclose(grad[i, m], expected, atol=1e-5)


def test_the_condition_is_by_what_was_observed_and_not_by_what_was_filled() -> None:
    built = network().eval()
    read = built.read(batch(2, absent={1: "labs"}, filled=True))
    table = built.condition.table  # type: ignore[union-attr]
    assert torch.equal(read.omega[0, 2, 2 * WIDTH :], table[2, 2])
    assert torch.allclose(read.omega[1, 2, 2 * WIDTH :], (table[0, 2] + table[1, 2]) / 2)
    assert read.instance[1, 2].any()


# The contrastive loss

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def near(expected: float) -> Any:
    """The loss is a difference of float32 numbers near 5, whose steps are 5e-7."""
    return pytest.approx(expected, abs=1e-6)


def loss(vectors: list[Any], labels: list[Any], present: list[Any] | None = None) -> float:
    instance = torch.tensor(vectors)
    there = torch.ones(instance.shape[:2]) if present is None else torch.tensor(present)
    return float(contrastive(instance, torch.tensor(labels), there))


def test_two_records_of_one_label_have_nothing_to_be_told_from() -> None:
    assert loss([[EAST], [NORTH]], [1, 1]) == near(0.0)


def test_a_record_of_another_label_counts_by_its_cosine_over_a_fifth() -> None:
    # Of the first two: ln(e^5 + e^0) - 5. The third has no other of its label.
    assert loss([[EAST], [EAST], [NORTH]], [0, 0, 1]) == near(math.log(1 + math.exp(-5)))
    assert loss([[EAST], [NORTH], [EAST]], [0, 0, 1]) == near((math.log(1 + math.exp(5)) + math.log(2)) / 2)


def test_length_of_a_vector_does_not_count() -> None:
    assert loss([[[3.0, 0.0]], [EAST], [[0.0, 0.1]]], [0, 0, 1]) == near(math.log(1 + math.exp(-5)))


def test_of_several_of_its_label_the_mean_counts() -> None:
    first = math.log(math.exp(5) + 1 + 1) - (5 + 0) / 2
    third = math.log(1 + 1 + math.exp(5)) - 0
    assert loss([[EAST], [EAST], [NORTH], [NORTH]], [0, 0, 0, 1]) == near((2 * first + third) / 3)


def test_modalities_weigh_the_same_and_those_without_a_pair_do_not_count() -> None:
    vectors = [[EAST, EAST, EAST], [EAST, NORTH, EAST], [NORTH, EAST, EAST]]
    one = math.log(1 + math.exp(-5))
    two = (math.log(1 + math.exp(5)) + math.log(2)) / 2
    assert loss(vectors, [0, 0, 1], [[1, 1, 1], [1, 1, 0], [1, 1, 1]]) == near((one + two) / 2)


def test_a_record_that_lacks_the_modality_has_no_part_in_it() -> None:
    assert loss([[EAST], [EAST], [NORTH]], [0, 0, 1], [[1], [1], [0]]) == near(0.0)


def test_several_labels_must_all_agree() -> None:
    vectors = [[EAST], [EAST], [NORTH]]
    assert loss(vectors, [[0, 1], [0, 1], [1, 1]]) == loss(vectors, [0, 0, 1])
    assert loss(vectors, [[0, 1], [0, 0], [1, 1]]) == 0.0


def test_a_step_turns_a_vector_by_the_derivative_of_the_formula() -> None:
    angle = torch.tensor(0.7, requires_grad=True)
    turned = torch.stack([angle.cos(), angle.sin()])
    vectors = torch.stack([torch.tensor(EAST), turned, torch.tensor(NORTH)])[:, None]
    contrastive(vectors, torch.tensor([0, 0, 1]), torch.ones(3, 1)).backward()
    c, s = 5 * math.cos(0.7), 5 * math.sin(0.7)
    p, q = math.exp(c) / (math.exp(c) + 1), math.exp(c) / (math.exp(c) + math.exp(s))
    derivative = ((1 - p) * s + (-q * s + (1 - q) * c + s)) / 2
    assert angle.grad is not None
    assert float(angle.grad) == pytest.approx(derivative, rel=1e-5)
    with torch.no_grad():
        assert float(angle - 0.1 * angle.grad) == pytest.approx(0.7 - 0.1 * derivative, rel=1e-5)


def test_released_adds_a_fifth_of_it_where_labels_are_known() -> None:
    built, told = network(profile="released").eval(), batch()
    labels = torch.tensor([0, 0, 1, 1])
    built.reader.train()
    torch.manual_seed(1)
    outputs = built(Labelled(told.modalities, told.statics, told.statics_observed, labels))
    torch.manual_seed(1)
    read = built.read(told)
    assert isinstance(outputs, tuple)
    assert torch.allclose(outputs[1], 0.2 * contrastive(read.instance, labels, read.present))
    assert isinstance(network()(Labelled(told.modalities, told.statics, told.statics_observed, labels)), torch.Tensor)


# What is read


def shifted(told: Batch, name: str = "vitals") -> Batch:
    view = told.modalities[name]
    moved = ModalityView(view.values + 5 * (1 - view.observed), view.observed, view.times, view.available, view.filled)
    return Batch({**told.modalities, name: moved}, told.statics, told.statics_observed)


@pytest.mark.parametrize("profile", ["paper", "released"])
@pytest.mark.parametrize(
    ("chosen", "training", "moves"),
    [
        ({}, True, False),
        ({}, False, True),
        ({"phase_b_input": "imputed"}, True, True),
        ({"phase_b_input": "imputed"}, False, True),
        ({"no_imputation": True}, True, False),
        ({"no_imputation": True}, False, False),
    ],
)
def test_when_imputed_values_are_read(profile: str, chosen: dict[str, Any], training: bool, moves: bool) -> None:
    built, told = network(profile=profile, **chosen).eval(), batch()
    built.reader.training = training
    with torch.no_grad():
        assert (not torch.equal(built(told), built(shifted(told)))) == moves


def test_paper_encodes_the_completed_series_as_if_all_of_it_were_observed() -> None:
    built, told = network().eval(), batch()
    views = list(told.modalities.values())
    values = [view.values.transpose(1, 2) for view in views]
    ones = [torch.ones_like(each) for each in values]
    encoded = built.reader.encoder(values, ones, torch.ones(4, 3, LENGTH))
    assert torch.equal(built.read(told).instance, encoded)
    assert torch.equal(built.read(told).omega[..., WIDTH : 2 * WIDTH], built.reader.modality.expand(4, -1, -1))


def test_paper_is_trained_on_what_is_observed_with_its_mask() -> None:
    built, told = network().eval(), batch(absent={2: "labs"})
    built.reader.training = True
    views = list(told.modalities.values())
    masks = [view.observed.transpose(1, 2) for view in views]
    values = [view.values.transpose(1, 2) * mask for view, mask in zip(views, masks, strict=True)]
    steps = torch.stack([mask.amax(1) for mask in masks], 1)
    encoded = built.reader.encoder(values, masks, steps)
    encoded[2, 2] = 0  # never the encoder's answer to zeros
    assert torch.equal(built.read(told).instance, encoded)


def test_released_reads_generated_values_alone_in_one_encoder_and_the_whole_in_another() -> None:
    built, told = network(profile="released").eval(), batch()
    views = list(told.modalities.values())
    whole = [view.values.transpose(1, 2) for view in views]
    missing = [1 - view.observed.transpose(1, 2) for view in views]
    ones = [torch.ones_like(each) for each in whole]
    generated = [each * mask for each, mask in zip(whole, missing, strict=True)]
    reader, omega = built.reader, built.read(told)
    main = reader.main(whole, ones, torch.ones(4, 3, LENGTH))
    imputed = reader.imputed(generated, missing, torch.stack([mask.amax(1) for mask in missing], 1))
    condition_ = built.conditions(omega.instance, omega.present)
    gate = reader.gate(torch.cat([reader.modality.expand(4, -1, -1), omega.instance, imputed, condition_], -1))
    assert torch.allclose(omega.omega, torch.cat([main, gate], -1), atol=1e-6)


def test_a_modality_that_is_absent_and_not_filled_is_read_as_0() -> None:
    for profile in ("paper", "released"):
        built, told = network(profile=profile).eval(), batch(2, absent={1: "labs"})
        view = told.modalities["labs"]
        other = ModalityView(view.values + 3, view.observed, view.times, view.available, view.filled)
        other.values[0] = view.values[0]
        moved = Batch({**told.modalities, "labs": other}, told.statics, told.statics_observed)
        assert torch.equal(built(told)[1], built(moved)[1])
        assert not built.read(told).instance[1, 2].any()


@pytest.mark.parametrize("profile", ["paper", "released"])
def test_without_condi_the_condition_is_0_and_widths_stay(profile: str) -> None:
    built = network(profile=profile, no_condi=True).eval()
    told = batch()
    assert built.condition is None
    assert not built.conditions(built.read(told).instance, torch.ones(4, 3)).any()
    assert built(told).shape == network(profile=profile).eval()(told).shape


def test_an_ablation_that_contradicts_the_input_is_refused() -> None:
    with pytest.raises(ValueError, match="leave one of them out"):
        CondiHeadParams(no_imputation=True, phase_b_input="imputed")
