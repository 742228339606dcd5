"""The context of CondI: equation 4, the mixture, the encoders, and what they may depend on."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.training import BatchNorm1d
from bench_imputers.diffusion.condi_context import (
    ConditionTable,
    ObservedContext,
    OtherModalities,
    observed,
)
from bench_imputers.diffusion.condi_encoders import Conv1d, InceptionEncoder, SeriesNorm, SmallEncoder
from bench_imputers.diffusion.denoiser import Given
from support.condi_networks import PARTS, PROFILES, answer, context_of, network, told

laws = settings(max_examples=20, deadline=None)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


# Equation 4


@given(present=st.lists(st.booleans(), min_size=4, max_size=4))
@laws
def test_a_present_modality_takes_its_own_entry_and_an_absent_one_the_mean_of_those_of_the_present(
    present: list[bool],
) -> None:
    table = ConditionTable(4, 3)
    visible = torch.tensor(present).float()[None, :, None].expand(1, 4, 2)
    vectors = table(observed(Given(visible, visible, {}), [1] * 4))[0]
    there = [i for i in range(4) if present[i]]
    for m in range(4):
        if present[m]:
            expected = table.table[m, m]
        elif there:
            expected = torch.stack([table.table[i, m] for i in there]).mean(0)
        else:
            expected = torch.zeros(3)
        assert torch.allclose(vectors[m], expected, atol=1e-6)


def test_the_table_starts_near_zero() -> None:
    table = ConditionTable(40, 64).table
    assert table.std().item() == pytest.approx(0.02, rel=0.02)
    assert abs(table.mean().item()) < 1e-3


def test_a_modality_is_present_by_its_mask_and_not_by_its_values() -> None:
    visible = torch.zeros(1, 5, 4)
    visible[0, 2, 1] = 1
    seen = observed(Given(torch.zeros(1, 5, 4), visible, {}), list(PARTS.values()))
    assert seen.present.tolist() == [[0, 1, 0]]
    assert seen.share[0, 1].item() == pytest.approx(1 / 12)


def test_where_every_modality_has_a_value_the_condition_is_the_same_for_all_records() -> None:
    made = context_of(network(experts=0))(told())
    assert torch.equal(made, made[:1].expand_as(made))


@pytest.mark.parametrize(("layout", "form"), [("all", (3, 6 + 3 * 7)), ("own", (3, 5, 6 + 7))])
def test_a_channel_is_given_the_conditions_of_all_modalities_or_its_own(layout: str, form: tuple[int, ...]) -> None:
    made = context_of(network(cond_layout=layout))
    assert isinstance(made.condition, ConditionTable)
    given_ = told(absent=slice(1, 4))
    vectors, said = made.condition(observed(given_, made.sizes)), made(given_)
    assert said.shape == form
    if layout == "all":
        assert torch.equal(said[:, 6:], vectors.flatten(1))
    else:
        for channel, modality in enumerate([0, 1, 1, 1, 2]):
            assert torch.equal(said[:, channel, 6:], vectors[:, modality])
            assert torch.equal(said[:, channel, :6], said[:, 0, :6])


# The context of observed values


def test_the_mixture_is_its_formula() -> None:
    made = context_of(network()).context
    assert isinstance(made, ObservedContext)
    seen = observed(told(absent=slice(0, 1)), list(PARTS.values()))
    encoded = made.encoder(seen.values, seen.steps)
    inputs = torch.cat([(encoded * seen.share[..., None]).flatten(1), 1 - seen.share], 1)
    mixture = made.mixture
    assert mixture.gate is not None
    weights = mixture.gate(inputs).softmax(1)
    expected = sum(weights[:, [k]] * mixture.experts[k](inputs) for k in range(3))
    assert torch.allclose(made(seen), expected, atol=1e-6)
    assert not inputs[:, :7].any()


@pytest.mark.parametrize("top_k", [1, 2])
def test_of_the_experts_the_best_ones_alone_weigh_if_so_many_are_asked_for(top_k: int) -> None:
    made = context_of(network(top_k=top_k)).context
    assert isinstance(made, ObservedContext)
    assert made.mixture.gate is not None
    inputs = torch.randn(5, made.mixture.gate[0].in_features)
    logits, weights = made.mixture.gate(inputs), made.mixture.weights(inputs)
    assert torch.equal(weights > 0, logits >= logits.topk(top_k).values[:, -1:])
    assert torch.allclose(weights.sum(1), torch.ones(5))


def test_the_small_encoder_averages_over_visible_bins_alone() -> None:
    made = SmallEncoder([1, 2], 7).eval()
    for convolution in [*made.first, made.rest[2]]:
        with torch.no_grad():
            convolution.weight[:, :, [*range(4), *range(5, 9)]] = 0  # of one bin, so that bins do not mix
    steps = torch.tensor([[[1.0, 1, 0, 0], [0, 1, 1, 0]]])
    values = [torch.randn(1, 1, 4), torch.randn(1, 2, 4)]
    changed = [each.clone() for each in values]
    changed[0][..., 2:] += 5
    changed[1][..., [0, 3]] += 5
    assert torch.allclose(made(values, steps), made(changed, steps), atol=1e-6)
    changed[1][..., 1] += 5
    assert not torch.allclose(made(values, steps), made(changed, steps))


@pytest.mark.parametrize("chosen", PROFILES)
def test_what_is_not_conditioning_has_no_effect(chosen: dict[str, Any]) -> None:
    """In training the hidden targets are such entries; in the released code they have an effect."""
    context, given_ = context_of(network(**chosen)), told()
    soiled = Given(given_.values + 7 * (1 - given_.conditioning), given_.conditioning, {})
    assert torch.equal(context(given_), context(soiled))


@pytest.mark.parametrize("chosen", PROFILES)
def test_what_is_visible_in_one_modality_reaches_the_others(chosen: dict[str, Any]) -> None:
    made, given_, state = network(**chosen), told(), torch.randn(3, 5, 5)
    given_.values.requires_grad_()
    answer(made, given_, state)[:, 4].sum().backward()
    assert given_.values.grad is not None
    assert given_.values.grad[:, 0].abs().sum() > 0


# Absent modalities


@pytest.mark.parametrize("chosen", PROFILES)
def test_a_modality_that_is_absent_everywhere_leaves_all_finite(chosen: dict[str, Any]) -> None:
    made, state = network(**chosen), torch.randn(3, 5, 5)
    for absent in (slice(1, 4), slice(0, 5)):
        assert torch.isfinite(answer(made, told(absent=absent), state)).all()


def test_absence_of_one_modality_changes_its_condition_by_equation_4_and_no_other() -> None:
    made = context_of(network(experts=0, cond_layout="own"))
    whole, without = made(told()), made(told(absent=slice(1, 4)))
    assert torch.equal(whole[:, [0, 4]], without[:, [0, 4]])
    table = made.condition.table  # type: ignore[union-attr]
    assert torch.allclose(without[0, 1], ((table[0, 1] + table[2, 1]) / 2), atol=1e-6)


def test_others_give_a_modality_the_mean_of_the_present_others_and_itself() -> None:
    made = OtherModalities([1, 1, 1], 7).eval()
    visible = torch.ones(2, 3, 6)
    visible[1, 2] = 0
    seen = observed(Given(torch.randn(2, 3, 6) * visible, visible, {}), [1, 1, 1])
    encoded = made.encoder(seen.values, seen.visible, seen.steps)
    said = made(seen)
    assert torch.allclose(said[0, 0], torch.cat([made.net((encoded[0, 1] + encoded[0, 2]) / 2), encoded[0, 0]]))
    assert torch.allclose(said[1, 0], torch.cat([made.net(encoded[1, 1]), encoded[1, 0]]))
    assert torch.allclose(said[1, 2, :7], made.net((encoded[1, 0] + encoded[1, 1]) / 2))
    assert not said[1, 2, 7:].any()
    only = torch.tensor([1.0, 0, 0])[None, :, None].expand(1, 3, 6)
    alone = observed(Given(torch.randn(1, 3, 6) * only, only, {}), [1, 1, 1])
    assert torch.allclose(made(alone)[0, 0, :7], made.net(torch.zeros(7)))


def test_before_the_pre_extractor_hidden_bins_hold_the_mean_of_the_visible_ones() -> None:
    made = InceptionEncoder([1], 7).eval()
    visible = torch.tensor([[[1.0, 0, 1, 1, 0]]])
    values = torch.randn(1, 1, 5) * visible
    filled = torch.where(visible > 0, values, values.sum() / 3)
    steps = visible
    through = made.backbone(made.before[0](filled) * steps)
    average = (through * steps).sum(2) / 3
    expected = made.head(torch.cat([through.amax(2), average], 1))
    assert torch.allclose(made([values], [visible], steps)[0], expected, atol=1e-6)


def test_in_released_an_encoder_that_answers_to_zeros_would_change_absent_modalities_alone() -> None:
    """The difference to the public code, which takes that answer for the encoding of a modality
    that is absent.
    """
    condition = context_of(network(profile="released")).condition
    assert isinstance(condition, OtherModalities)
    seen = observed(told(absent=slice(1, 4)), list(PARTS.values()))
    ours, width = condition(seen), 7
    answer_to_zeros = condition.encoder(seen.values, seen.visible, seen.steps)
    assert answer_to_zeros[:, 1].abs().max() > 0
    assert not ours[:, 1, width:].any()
    assert torch.equal(ours[:, [0, 2], width:], answer_to_zeros[:, [0, 2]])
    changed = dataclasses.replace(seen, values=[seen.values[0], seen.values[1] + 7, seen.values[2]])
    assert torch.equal(condition(changed), ours)


@pytest.mark.parametrize("bins", [1, 7])
@pytest.mark.parametrize("training", [True, False])
def test_how_series_lie_in_memory_changes_neither_encodings_nor_gradients_nor_statistics(
    bins: int, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out = InceptionEncoder([1, 3], 7, 4).double().train(training)
    plain = copy.deepcopy(laid_out)
    visible = [torch.ones(4, channels, bins, dtype=torch.float64) for channels in (1, 3)]
    values = [torch.randn(each.shape, dtype=torch.float64, requires_grad=True) for each in visible]
    steps = torch.ones(4, 2, bins, dtype=torch.float64)

    def answers(made: InceptionEncoder) -> list[torch.Tensor]:
        torch.manual_seed(1)  # of the dropout
        encoded = made(values, visible, steps)
        gradients = torch.autograd.grad(encoded.square().sum(), [*made.parameters(), *values])
        return [encoded, *gradients, *made.buffers()]

    own = answers(laid_out)
    monkeypatch.setattr(Conv1d, "forward", nn.Conv1d.forward)
    monkeypatch.setattr(SeriesNorm, "forward", BatchNorm1d.forward)
    for each, expected in zip(own, answers(plain), strict=True):
        assert torch.allclose(each.double(), expected.double(), rtol=1e-9, atol=1e-11)
