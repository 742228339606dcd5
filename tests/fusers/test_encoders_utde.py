"""Steps of a modality, and UTDE: events and completed grid on the same points."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch

from bench.torch_fuser import EventView, ModalityView
from bench_fusers.encoders.steps import event_steps, grid_steps
from bench_fusers.encoders.time import Time2Vec
from bench_fusers.encoders.utde import UTDE, Branches, Irregular
from bench_fusers.front_params import MixupLevel
from support.encoder_views import view

LEVELS = get_args(MixupLevel)
BRANCHES = get_args(Branches)
IRREGULAR = get_args(Irregular)


def utde(**options: object) -> UTDE:
    torch.manual_seed(1)
    return UTDE(**{"channels": 3, "width": 8, "points": 6, "hours": 6.0, "heads": 2, "time_width": 8, **options}).eval()  # type: ignore[arg-type]


def garbled(one: ModalityView, bad: float) -> ModalityView:
    """The same with `bad` in everything that an absent modality holds."""
    here = one.present[:, None, None] > 0
    assert one.events is not None
    return replace(
        one,
        values=torch.where(here, one.values, bad),
        observed=torch.where(here, one.observed, 1.0),
        events=EventView(
            torch.where(here[..., 0], one.events.times, bad),
            torch.where(here, one.events.values, bad),
            torch.where(here, one.events.observed, 1.0),
        ),
    )


def test_every_step_of_the_completed_grid_of_a_present_modality_is_readable() -> None:
    one = view(absent=(2,))
    steps = grid_steps(one)
    assert torch.equal(steps.mask, one.present[:, None].expand(4, 6))
    assert torch.equal(steps.values[0], torch.cat([one.values, one.observed], 2)[0])
    assert torch.equal(steps.times[0], one.times)
    assert (steps.values[2] == 0).all()
    assert (steps.times[2] == 0).all()


def test_a_filled_modality_is_read_like_an_available_one() -> None:
    one = view(absent=(2,))
    filled = replace(one, filled=1 - one.available)
    assert (grid_steps(filled).mask == 1).all()
    assert torch.equal(grid_steps(filled).values[2, :, :3], one.values[2])


@pytest.mark.parametrize("points", [3, 4, 6, 9])
def test_a_grid_of_any_length_comes_to_the_points_asked_for_and_every_value_counts(points: int) -> None:
    one = view()
    values = one.values.clone().requires_grad_()
    steps = grid_steps(replace(one, values=values), points)
    assert steps.values.shape == (4, points, 6)
    assert steps.times.shape == steps.mask.shape == (4, points)
    steps.values.sum().backward()
    assert values.grad is not None
    assert (values.grad > 0).all()
    if points == 3:
        torch.testing.assert_close(steps.values[0, 1, :3], one.values[0, 2:4].mean(0))
        assert steps.times[0].tolist() == [0.5, 2.5, 4.5]


def test_rows_are_readable_where_something_was_observed_and_the_modality_is_present() -> None:
    one = garbled(view(absent=(2,)), float("nan"))
    steps, observed = event_steps(one)
    assert one.events is not None
    kept = one.events.observed * one.present[:, None, None]
    assert torch.equal(observed, kept)
    assert torch.equal(steps.mask, kept.amax(2))
    for part in (steps.values, steps.times):
        assert torch.isfinite(part).all()
        assert (part[2] == 0).all()


def test_a_batch_without_any_row_has_one_that_cannot_be_read() -> None:
    one = view()
    none = EventView(torch.zeros(4, 0), torch.zeros(4, 0, 3), torch.zeros(4, 0, 3))
    steps, observed = event_steps(replace(one, events=none))
    assert steps.values.shape == observed.shape == (4, 1, 3)
    assert (steps.mask == 0).all()
    assert torch.isfinite(utde()(replace(one, events=none))).all()


def test_a_view_without_events_says_what_to_declare() -> None:
    with pytest.raises(ValueError, match="uses_events must be True"):
        event_steps(replace(view(), events=None))


@pytest.mark.parametrize("level", LEVELS)
def test_the_gate_has_a_value_for_each_record_point_or_feature(level: MixupLevel) -> None:
    module, one = utde(level=level), view()
    irregular, regular = module.irregular(one), module.regular(one)
    gates = module.gates(irregular, regular)
    assert gates.shape == {"batch": (4, 1, 1), "batch_seq": (4, 6, 1), "batch_seq_feature": (4, 6, 8)}[level]
    assert ((gates > 0) & (gates < 1)).all()
    torch.testing.assert_close(module(one), gates * irregular + (1 - gates) * regular)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_gate_at_its_limits_is_either_branch(sign: int) -> None:
    module, one = utde(), view()
    assert module.gate is not None
    module.gate[3].bias.data.fill_(sign * 200.0)
    expected = module.irregular(one) if sign > 0 else module.regular(one)
    torch.testing.assert_close(module(one), expected)


def test_either_branch_alone_builds_and_reads_nothing_of_the_other() -> None:
    one = view()
    assert one.events is not None
    other_grid = replace(one, values=one.values + 3)
    other_events = replace(one, events=replace(one.events, values=one.events.values + 3))
    irregular, regular, mixed = (utde(branches=branches) for branches in ("irregular", "regular", "mixed"))
    assert torch.equal(irregular(one), irregular(other_grid))
    assert torch.equal(regular(one), regular(other_events))
    for other in (other_grid, other_events):
        assert not torch.allclose(mixed(one), mixed(other))
    assert {name.split(".")[0] for name, _ in regular.named_parameters()} == {"grid"}
    assert {name.split(".")[0] for name, _ in irregular.named_parameters()} == {"attention"}


def test_the_irregular_branch_reads_imputed_values_and_the_mask_where_it_is_dense_and_else_the_events() -> None:
    one = view()
    assert one.events is not None
    imputed = replace(one, values=one.values + 3 * (1 - one.observed))
    mask = replace(one, observed=1 - one.observed)
    other_events = replace(one, events=EventView(one.events.times + 1, one.events.values + 3, 1 - one.events.observed))
    events, dense = (utde(branches="irregular", irregular=irregular) for irregular in ("events", "dense"))
    for other in (imputed, mask):
        assert torch.equal(events(one), events(other))
        assert ((dense(one) - dense(other)).abs().amax(dim=(1, 2)) > 1e-4).all()
    assert not torch.allclose(events(one), events(other_events))
    for other in (other_events, replace(one, events=None)):
        assert torch.equal(dense(one), dense(other))


def test_the_dense_branch_attends_to_every_step_and_to_the_mask_at_its_time() -> None:
    one = view()
    values, observed = (part.clone().requires_grad_() for part in (one.values, one.observed))
    module = utde(branches="irregular", irregular="dense")
    module(replace(one, values=values, observed=observed)).square().sum().backward()
    for part in (values, observed):
        assert part.grad is not None
        assert (part.grad != 0).all()
    later = replace(one, times=one.times.flip(0))
    assert not torch.allclose(module(one), module(later))
    turned = replace(later, values=one.values.flip(1), observed=one.observed.flip(1))
    torch.testing.assert_close(module(one), module(turned))


@pytest.mark.parametrize("irregular", IRREGULAR)
def test_a_step_is_a_value_and_a_mask_for_each_channel_and_an_event_a_value_and_whether_there_was_any(
    irregular: Irregular,
) -> None:
    channels, width, heads = 3, 8, 2
    inputs = {"events": (heads + 1) * channels, "dense": heads * 2 * channels}[irregular]
    module = utde(branches="irregular", irregular=irregular)
    assert module.attention is not None
    assert sum(p.numel() for p in module.attention.out.parameters()) == inputs * width + width


def test_by_default_the_events_are_read() -> None:
    default, events = utde(), utde(irregular="events")
    assert not default.dense
    for one, other in zip(default.parameters(), events.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("irregular", IRREGULAR)
@pytest.mark.parametrize("branches", BRANCHES)
def test_an_absent_modality_is_zero_whatever_it_holds(branches: Branches, irregular: Irregular) -> None:
    module, one = utde(branches=branches, irregular=irregular), view(absent=(1, 3))
    made = module(one)
    assert (made[[1, 3]] == 0).all()
    for bad in (7.0, float("nan")):
        assert torch.equal(module(garbled(one, bad)), made)


@pytest.mark.parametrize("irregular", IRREGULAR)
@pytest.mark.parametrize("branches", BRANCHES)
@pytest.mark.parametrize("level", LEVELS)
def test_a_record_is_encoded_the_same_whoever_shares_the_batch(
    branches: Branches, level: MixupLevel, irregular: Irregular
) -> None:
    module, one = utde(branches=branches, level=level, irregular=irregular), view(absent=(2,))
    assert one.events is not None
    alone = replace(
        one,
        values=one.values[:1],
        observed=one.observed[:1],
        available=one.available[:1],
        filled=one.filled[:1],
        events=EventView(one.events.times[:1, :8], one.events.values[:1, :8], one.events.observed[:1, :8]),
    )
    torch.testing.assert_close(module(alone)[0], module(one)[0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("irregular", IRREGULAR)
@pytest.mark.parametrize("level", LEVELS)
def test_every_weight_is_reached_by_the_gradient(level: MixupLevel, irregular: Irregular) -> None:
    module = utde(level=level, irregular=irregular)
    module(view()).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("key.bias"):
            assert parameter.grad.abs().max() > 0, name


def test_modalities_can_share_the_embedding_of_time() -> None:
    time = Time2Vec(8)
    pair = torch.nn.ModuleList([utde(time=time), utde(time=time)])
    own = torch.nn.ModuleList([utde(), utde()])
    sizes = [sum(p.numel() for p in pair.parameters()) for pair in (pair, own)]
    assert sizes[1] - sizes[0] == sum(p.numel() for p in time.parameters())
