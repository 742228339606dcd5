"""MISTS: the published layer and its sizes, any number of modalities, and the known defects of
earlier code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from bench.components import Context
from bench.errors import UsageError
from bench.torch_fuser import Batch, EventView, Inputs, ModalityView
from bench_fusers.mists.fuser import InterleavedLayer, MistsNetwork
from bench_fusers.mists.plugin import MISTS_PRESETS, MistsParams
from support.encoder_views import view
from support.fuser_cohorts import BINARY, build, cohort, parts

SMALL = {"width": 8, "heads": 2, "time_width": 8, "time_heads": 2, "points": 6, "layers": 2}


def batch(*views: ModalityView, statics: int = 0) -> Batch:
    n = len(views[0].available)
    known = torch.zeros(n, statics)
    return Batch({f"m{k}": one for k, one in enumerate(views)}, known, known)


def network(of: Batch, outputs: int = 1, seed: int = 0, **params: Any) -> MistsNetwork:
    torch.manual_seed(seed)
    shapes = {name: tuple(one.values.shape[1:]) for name, one in of.modalities.items()}
    inputs = Inputs(shapes, of.statics.shape[1], bin_hours=1.0, events=True)  # type: ignore[arg-type]
    return MistsNetwork(inputs, outputs, MistsParams(**{**SMALL, **params})).eval()


def changed(of: Batch, name: str, **fields: Any) -> Batch:
    return replace(of, modalities={**of.modalities, name: replace(of.modalities[name], **fields)})


def events(of: ModalityView) -> EventView:
    assert of.events is not None
    return of.events


def size(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


THREE = (view(channels=3, seed=1), view(channels=2, length=9, seed=2), view(channels=4, length=1, seed=3))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_modalities_of_any_length_and_width(count: int) -> None:
    of = batch(*THREE[:count], statics=2)
    module = network(of, outputs=3)
    assert module(of).shape == (4, 3)
    assert module.embed(of).shape == (4, count * 8 + 8)


@pytest.mark.parametrize(("count", "pairs"), [(1, 0), (2, 2), (3, 6), (4, 12)])
def test_every_ordered_pair_has_a_cross_attention_and_a_single_modality_none(count: int, pairs: int) -> None:
    layer = InterleavedLayer(count, MISTS_PRESETS["small"], 0.0)
    assert len(layer.across) == len(set(layer.pairs)) == pairs
    assert all(to != source for to, source in layer.pairs)
    assert (layer.across_norms is None) == (count == 1)


def test_the_published_sizes_have_the_published_number_of_parameters() -> None:
    # Two modalities of d and e channels over 48 hours, no statics, one output: specified term by
    # term.
    d, e, width, outputs = 17, 5, 128, 1
    time = 2 + 2 * 63

    def stream(channels: int) -> int:
        attention = 2 * (64 * 64 + 64) + (8 + 1) * channels * width + width
        gate = 2 * width * width + width + width + 1
        return attention + 2 * channels * width + gate

    layer = 2 * (2 * (4 * width**2 + 4 * width) + (8 * width**2 + 5 * width) + 3 * 2 * width)
    head = 2 * (256 * 256 + 256) + 256 * outputs + outputs
    of = batch(view(length=48, channels=d), view(length=48, channels=e))
    chosen = dict.fromkeys(SMALL)
    module = network(of, preset="published", **chosen)
    assert size(module) == time + stream(d) + stream(e) + 47 * width + 3 * layer + 2 * 2 * width + head


def test_what_is_given_wins_over_the_preset() -> None:
    of = batch(view())
    sizes = [size(network(of, preset=preset)) for preset in ("small", "published")]
    assert sizes[0] == sizes[1]


def test_a_layer_is_self_attention_then_both_crossings_at_once_then_feed_forward() -> None:
    torch.manual_seed(0)
    layer = InterleavedLayer(2, MISTS_PRESETS["small"], 0.1).eval()
    text, series = torch.randn(3, 5, 32), torch.randn(3, 4, 32)
    a = [x + layer.own[m](layer.own_norms[m](x)) for m, x in enumerate((text, series))]
    read = [layer.across_norms[m](x) for m, x in enumerate(a)]  # type: ignore[index]
    b = [a[0] + layer.across[0](read[0], read[1]), a[1] + layer.across[1](read[1], read[0])]
    expected = [x + layer.feed_forward[m](layer.forward_norms[m](x)) for m, x in enumerate(b)]
    for made, wanted in zip(layer([text, series], torch.ones(2, 3, 1, 1)), expected, strict=True):
        torch.testing.assert_close(made, wanted)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_last_point_alone_is_the_last_point_of_all(count: int) -> None:
    torch.manual_seed(0)
    layer = InterleavedLayer(count, MISTS_PRESETS["small"], 0.1).eval()
    streams = [torch.randn(3, 4 + m, 32) for m in range(count)]
    present = torch.randint(2, (count, 3, 1, 1)).float()
    for full, last in zip(layer(streams, present), layer(streams, present, last=True), strict=True):
        torch.testing.assert_close(full[:, -1:], last)


@pytest.mark.parametrize("gate", ["batch", "batch_seq", "batch_seq_feature"])
@pytest.mark.parametrize("name", ["m0", "m1", "m2"])
def test_imputed_values_of_every_modality_reach_the_prediction(name: str, gate: str) -> None:
    of = batch(*THREE)
    module, one = network(of, gate=gate), of.modalities[name]
    shifted = changed(of, name, values=one.values + 5 * (1 - one.observed))
    assert ((one.observed == 0).any(dim=2).any(dim=1)).all()
    assert ((module(shifted) - module(of)).abs() > 1e-5).all()


def test_a_form_of_a_branch_that_is_not_there_is_refused() -> None:
    train, valid, _ = parts(cohort(20))
    with pytest.raises(UsageError, match="irregular=dense has no effect with branches=regular"):
        build("mists", branches="regular", irregular="dense").fit(train, valid, BINARY, Context())


@pytest.mark.parametrize(
    ("branches", "irregular"),
    [("mixed", "events"), ("mixed", "dense"), ("irregular", "events"), ("irregular", "dense"), ("regular", "events")],
)
def test_it_says_that_the_events_alone_hold_no_imputed_value_and_keeps_to_it(branches: str, irregular: str) -> None:
    of = batch(*THREE)
    one = of.modalities["m0"]
    shifted = changed(of, "m0", values=one.values + 5 * (1 - one.observed))
    module = network(of, branches=branches, irregular=irregular)
    said = build("mists", branches=branches, irregular=irregular).reads_imputed
    assert said == (not torch.equal(module(of), module(shifted)))
    assert said == (branches != "irregular" or irregular == "dense")


def test_the_dense_irregular_branch_reads_the_completed_grid_and_its_mask_and_no_event() -> None:
    of = batch(*THREE)
    dense = network(of, branches="irregular", irregular="dense")
    for name, one in of.modalities.items():
        for fields in ({"values": one.values + 5 * (1 - one.observed)}, {"observed": 1 - one.observed}):
            assert ((dense(changed(of, name, **fields)) - dense(of)).abs() > 1e-5).all(), (name, *fields)
        other = replace(events(one), values=events(one).values + 3)
        assert torch.equal(dense(changed(of, name, events=other)), dense(of))


def test_a_default_network_is_the_one_that_reads_the_events() -> None:
    of = batch(*THREE)
    default, read, dense = network(of), network(of, irregular="events"), network(of, irregular="dense")
    assert torch.equal(default(of), read(of))
    # Two channels of a value and its mask for each head, in place of a value for each head and one
    # "was it seen".
    channels, heads = sum(one.values.shape[2] for one in THREE), SMALL["time_heads"]
    assert size(dense) - size(default) == (2 * heads - (heads + 1)) * channels * SMALL["width"]


def test_every_step_of_a_grid_counts_the_first_as_well_as_the_last() -> None:
    of = batch(*THREE, statics=2)
    values = of.modalities["m1"].values.clone().requires_grad_()
    network(of)(changed(of, "m1", values=values)).sum().backward()
    assert values.grad is not None
    assert (values.grad.abs().amax(dim=2) > 0).all()


@pytest.mark.parametrize("irregular", ["events", "dense"])
def test_the_content_of_an_absent_modality_changes_nothing(irregular: str) -> None:
    of = batch(view(seed=1, absent=(0, 2)), view(channels=2, seed=2))
    one = of.modalities["m0"]
    bad = torch.where(one.present[:, None, None] > 0, 0.0, float("nan"))
    noise = EventView(
        events(one).times + bad[..., 0].nan_to_num(50.0),
        events(one).values + bad,
        torch.where(bad.isnan(), 1.0, events(one).observed),
    )
    other = changed(of, "m0", values=one.values + bad, observed=one.observed + bad.nan_to_num(1.0), events=noise)
    module = network(of, irregular=irregular)
    assert torch.equal(module(of), module(other))


def test_a_filled_modality_is_read_and_an_absent_one_is_not() -> None:
    of = batch(view(seed=1, absent=(0,)), view(channels=2, seed=2))
    filled = changed(of, "m0", filled=1 - of.modalities["m0"].available)
    differs = (network(of)(of) - network(of)(filled)).abs()[:, 0] > 1e-5
    assert differs.tolist() == [True, False, False, False]


@pytest.mark.parametrize("count", [1, 3])
def test_records_without_any_modality_are_predicted_all_alike(count: int) -> None:
    of = batch(*(view(seed=k, absent=(1, 3)) for k in range(count)))
    made = network(of)(of)
    assert torch.isfinite(made).all()
    assert torch.equal(made[1], made[3])


def test_every_weight_is_reached_by_the_gradient() -> None:
    of = batch(*THREE, statics=2)
    of = replace(of, statics=torch.randn(4, 2), statics_observed=torch.ones(4, 2))
    module = network(of, gate="batch_seq_feature")
    functional.softplus(module(of) * torch.tensor([[1.0], [-2], [3], [-4]])).sum().backward()
    still = [name for name, p in module.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    # A bias of the keys shifts all scores of a query alike; a single point has one key, so its
    # weights are always 1.
    assert not [name for name in still if not name.endswith("key.bias")]


# The defects of earlier code.


def test_times_are_shares_of_the_window_and_never_reversed() -> None:
    of = batch(*THREE)
    module = network(of)
    heard: list[torch.Tensor] = []
    for stream in module.streams:
        stream.attention.register_forward_pre_hook(lambda _, given: heard.append(given[1]))  # type: ignore[union-attr]
    module(of)
    for times, one, hours in zip(heard, of.modalities.values(), (6, 9, 1), strict=True):
        readable = events(one).observed.amax(dim=2) > 0
        torch.testing.assert_close(times[readable], events(one).times[readable] / hours)
    torch.testing.assert_close(module.streams[0].queries, torch.linspace(0, 1, 6))


@pytest.mark.parametrize("form", ["grid", "events"])
def test_a_recorded_zero_is_a_value_and_not_a_hole(form: str) -> None:
    of = batch(*THREE)
    one = of.modalities["m0"]
    if form == "grid":
        blank = changed(of, "m0", values=one.values * 0)
        none, all_zero = (changed(blank, "m0", observed=torch.full_like(one.observed, seen)) for seen in (0.0, 1.0))
    else:
        none, all_zero = (
            changed(of, "m0", events=EventView(events(one).times, torch.zeros(4, 9, 3), torch.full((4, 9, 3), seen)))
            for seen in (0.0, 1.0)
        )
    module = network(of)
    assert ((module(none) - module(all_zero)).abs() > 1e-6).all()


def test_neither_padding_nor_the_padding_of_a_channel_nobody_observed_matters() -> None:
    of = batch(*THREE)
    one = of.modalities["m0"]
    observed = events(one).observed.clone()
    observed[:, :, 1] = 0
    short = EventView(events(one).times, events(one).values * observed, observed)
    long = EventView(
        torch.cat([short.times, torch.full((4, 5), 99.0)], 1),
        torch.cat([short.values, torch.full((4, 5, 3), 99.0)], 1),
        torch.cat([short.observed, torch.zeros(4, 5, 3)], 1),
    )
    module = network(of)
    made = [module(changed(of, "m0", events=part)) for part in (short, long)]
    torch.testing.assert_close(*made, atol=1e-6, rtol=1e-5)


def test_a_batch_is_left_as_it_was_and_read_again_with_the_same_result() -> None:
    of = batch(*THREE, statics=2)
    tensors = [part for one in of.modalities.values() for part in (*vars(one).values(), *vars(events(one)).values())]
    kept = [part.clone() for part in tensors if isinstance(part, torch.Tensor)]
    module = network(of)
    first = module(of)
    assert torch.equal(first, module(of))
    assert all(
        torch.equal(a, b) for a, b in zip(kept, [p for p in tensors if isinstance(p, torch.Tensor)], strict=True)
    )


def test_a_record_with_more_than_a_thousand_rows_is_read_to_its_last() -> None:
    one = view(records=2, rows=1200, channels=2)
    held = torch.ones(2, 1200, 2)
    one = replace(one, events=EventView(torch.linspace(0, 6, 1200).expand(2, -1), torch.zeros(2, 1200, 2), held))
    values = torch.zeros(2, 1200, 2, requires_grad=True)
    of = batch(replace(one, events=replace(events(one), values=values)))
    network(of)(of).sum().backward()
    assert values.grad is not None
    assert (values.grad != 0).all()


def test_a_record_is_predicted_the_same_whoever_shares_the_batch() -> None:
    of = batch(*THREE)
    module = network(of)
    alone = batch(*(_only(one, 2) for one in of.modalities.values()))
    torch.testing.assert_close(module(alone)[0], module(of)[2], atol=1e-5, rtol=1e-5)


def _only(one: ModalityView, k: int) -> ModalityView:
    rows = int((events(one).observed.amax(dim=2)[k] > 0).nonzero().max()) + 1
    part = EventView(*(t[k : k + 1, :rows] for t in (events(one).times, events(one).values, events(one).observed)))
    kept = {key: getattr(one, key)[k : k + 1] for key in ("values", "observed", "available", "filled")}
    return replace(one, **kept, events=part)


def test_a_second_fit_knows_nothing_of_the_first() -> None:
    train, valid, test = parts(cohort(100))
    options: dict[str, Any] = {**SMALL, "layers": 1, "epochs": 2}
    one, other = build("mists", **options), build("mists", **options)
    one.fit(valid, train, BINARY, Context(seed=9))
    for fuser in (one, other):
        fuser.fit(train, valid, BINARY, Context(seed=3))
    assert np.array_equal(one.predict(test, Context(seed=3)), other.predict(test, Context(seed=3)))


@pytest.mark.parametrize(("given", "told"), [({"heads": 3}, "width 16.*heads 3"), ({"time_heads": 5}, "time_heads 5")])
def test_a_width_that_its_heads_cannot_share_is_refused(given: dict[str, int], told: str) -> None:
    train, valid, _ = parts(cohort(30))
    with pytest.raises(UsageError, match=told):
        build("mists", **given).fit(train, valid, BINARY, Context(seed=3))


# What each branch is for.


def learnt(branches: str, of: Batch, label: torch.Tensor) -> float:
    """Share of records told right by a small network of that kind, after a short training on all
    of them.
    """
    module = network(of, branches=branches, layers=1, points=2, dropout=0.0).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(module(of)[:, 0], label).backward()
        optimizer.step()
    return float(((module.eval()(of)[:, 0] > 0) == (label > 0.5)).float().mean())


def _toy(seed: int = 0, records: int = 256) -> tuple[ModalityView, torch.Tensor]:
    """Two values within one bin, early and late; the bin holds their mean. And that early - late
    is above 0.
    """
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(records, 2, 1, generator=draw)
    times = torch.rand(records, 2, generator=draw) * 0.4 + torch.tensor([0.0, 0.6])
    grid = torch.cat([values.mean(dim=1, keepdim=True), torch.zeros(records, 1, 1)], dim=1)
    seen = torch.tensor([1.0, 0.0])[None, :, None].expand_as(grid)
    here, never = torch.ones(records), torch.zeros(records)
    one = ModalityView(
        grid, seen, torch.arange(2).float(), here, never, EventView(times, values, torch.ones_like(values))
    )
    return one, (values[:, 0, 0] > values[:, 1, 0]).float()


def test_the_order_of_events_within_a_bin_is_learnt_from_the_events_and_not_from_the_grid() -> None:
    one, label = _toy()
    assert learnt("mixed", batch(one), label) > 0.95
    assert learnt("regular", batch(one), label) < 0.75


def test_what_only_an_imputer_knows_is_learnt_from_the_grid_and_not_from_the_events() -> None:
    one, _ = _toy()
    imputed = torch.randn(256, generator=torch.Generator().manual_seed(5))
    values = one.values.clone()
    values[:, 1, 0] = imputed
    one, label = replace(one, values=values), (imputed > 0).float()
    assert learnt("mixed", batch(one), label) > 0.95
    assert learnt("irregular", batch(one), label) < 0.75
