"""FuseMoE: what its specification asks of the whole model, and a task whose answer lies in what
is missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch.nn import functional

from bench.errors import UsageError
from bench.torch_fuser import Batch, Inputs, ModalityView
from bench_fusers.fusemoe.fuser import FuseMoE, Network
from bench_fusers.fusemoe.plugin import FUSEMOE_PRESETS, FuseMoEParams, fusemoe_choice
from support.encoder_views import view
from support.fuser_cohorts import BINARY
from support.telling import told_of_experts

TINY: dict[str, Any] = {
    "width": 8, "heads": 2, "time_width": 8, "points": 5, "layers": 2, "experts": 4, "top_k": 2, "expert_width": 6
}  # fmt: skip
INPUTS = Inputs({"a": (6, 3), "b": (4, 2), "c": (6, 5)}, statics=2, bin_hours=1.0, events=True)
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"router": "permod", "expert_balance": "entropy"},
    {"router": "disjoint", "missing": "zero", "experts": 9},
    {"token": "record", "pool": "last", "gating": "gaussian", "mixup": "batch_seq"},
    {"combine": "log_mixture", "gating": "softmax", "mixup": "batch_seq_feature"},
    {"irregular": "dense"},
    {"preset": "paper"},
    {"preset": "released"},
)
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())) or "small")


def network(variant: dict[str, Any], inputs: Inputs = INPUTS, outputs: int = 2) -> Network:
    """A network in evaluation mode, its routers drawn, so that records go different ways."""
    torch.manual_seed(0)
    params = FuseMoEParams(**{**TINY, **variant})
    made = Network(inputs, outputs, params, fusemoe_choice(params))
    for layer in made.layers:
        for router in layer.moe.routers:
            torch.nn.init.normal_(router.weight)
    if made.missing is not None:
        torch.nn.init.normal_(made.missing)
    return made.eval()


def batch(records: int = 5, absent: tuple[int, ...] = (1, 3)) -> Batch:
    """Three modalities; b is absent in some records."""
    sizes = {"a": (6, 3, ()), "b": (4, 2, absent), "c": (6, 5, ())}
    views = {
        name: view(records, length, channels, seed=k, absent=gone)
        for k, (name, (length, channels, gone)) in enumerate(sizes.items())
    }
    known = torch.ones(records, 2)
    return Batch(views, torch.randn(records, 2, generator=torch.Generator().manual_seed(9)), known)


def changed(made: Batch, name: str, **fields: Any) -> Batch:
    return replace(made, modalities={**made.modalities, name: replace(made.modalities[name], **fields)})


def taken(made: Batch, items: list[int]) -> Batch:
    def of(each: ModalityView) -> ModalityView:
        assert each.events is not None
        events = replace(each.events, **{k: getattr(each.events, k)[items] for k in ("times", "values", "observed")})
        rows = {k: getattr(each, k)[items] for k in ("values", "observed", "available", "filled")}
        return replace(each, events=events, **rows)

    views = {name: of(each) for name, each in made.modalities.items()}
    return Batch(views, made.statics[items], made.statics_observed[items])


@every_variant
def test_evaluation_is_deterministic_and_a_record_alone_is_what_it_is_among_others(variant: dict[str, Any]) -> None:
    model, whole = network(variant), batch()
    together = model(whole)[0]
    assert torch.isfinite(together).all()
    assert torch.equal(model(whole)[0], together)
    for k in range(5):
        assert torch.allclose(model(taken(whole, [k]))[0][0], together[k], atol=1e-5)


@every_variant
def test_another_record_never_changes_a_prediction(variant: dict[str, Any]) -> None:
    model, whole = network(variant), batch()
    values = whole.modalities["a"].values.clone()
    values[2] += 5
    moved = (model(changed(whole, "a", values=values))[0] - model(whole)[0]).abs().amax(dim=1)
    assert moved[2] > 1e-3
    assert moved[[0, 1, 3, 4]].max() < 1e-6


@every_variant
def test_the_content_of_an_absent_modality_is_never_read(variant: dict[str, Any]) -> None:
    model, whole = network(variant), batch()
    grid = whole.modalities["b"]
    values = torch.where(grid.present[:, None, None] > 0, grid.values, torch.nan)
    observed = torch.where(grid.present[:, None, None] > 0, grid.observed, 1.0)
    assert torch.equal(model(changed(whole, "b", values=values, observed=observed))[0], model(whole)[0])


@every_variant
def test_what_was_imputed_reaches_the_prediction_from_every_modality(variant: dict[str, Any]) -> None:
    model, whole = network(variant), batch(absent=())
    for name, each in whole.modalities.items():
        values = torch.where(each.observed > 0, each.values, each.values + 5)
        moved = (model(changed(whole, name, values=values))[0] - model(whole)[0]).abs().amax(dim=1)
        assert moved.min() > 1e-4, name


@every_variant
def test_every_parameter_learns(variant: dict[str, Any]) -> None:
    model, whole = network(variant).train(), batch(60, absent=tuple(range(0, 60, 3)))
    logits, penalty = model(whole)
    (logits.square().sum() + penalty).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_order_of_events_does_not_matter_where_their_times_go_along() -> None:
    model, whole = network({}), batch()
    events = whole.modalities["c"].events
    assert events is not None
    order = torch.randperm(events.times.shape[1], generator=torch.Generator().manual_seed(1))
    mixed = replace(events, **{k: getattr(events, k)[:, order] for k in ("times", "values", "observed")})
    assert torch.allclose(model(changed(whole, "c", events=mixed))[0], model(whole)[0], atol=1e-5)


def test_the_branch_of_the_events_reads_imputed_values_and_the_mask_where_it_is_dense_and_else_the_events() -> None:
    whole = batch(absent=())
    models = {irregular: network({"irregular": irregular}) for irregular in ("events", "dense")}
    for model in models.values():
        for encoder in model.encoders:
            encoder.gate[3].bias.data.fill_(200.0)  # of the two branches this one alone
    for name, each in whole.modalities.items():
        assert each.events is not None
        others = {
            "imputed": changed(whole, name, values=each.values + 5 * (1 - each.observed)),
            "mask": changed(whole, name, observed=1 - each.observed),
            "events": changed(whole, name, events=replace(each.events, values=each.events.values + 3)),
        }
        for irregular, model in models.items():
            moved = {k: (model(other)[0] - model(whole)[0]).abs().max() > 1e-4 for k, other in others.items()}
            assert moved == dict.fromkeys(others, irregular == "dense") | {"events": irregular == "events"}, name


def test_a_default_network_is_the_one_that_reads_the_events() -> None:
    whole = batch()
    default, events, dense = network({}), network({"irregular": "events"}), network({"irregular": "dense"})
    assert torch.equal(default(whole)[0], events(whole)[0])
    # Two channels of a value and its mask for each head, in place of a value for each head and one
    # "was it seen".
    channels, heads = sum(channels for _, channels in INPUTS.modalities.values()), TINY["heads"]
    sizes = [sum(p.numel() for p in model.parameters()) for model in (default, dense)]
    assert sizes[1] - sizes[0] == (2 * heads - (heads + 1)) * channels * TINY["width"]


def test_records_without_any_modality_get_a_finite_prediction() -> None:
    model, whole = network({}), batch()
    for name, each in whole.modalities.items():
        whole = changed(whole, name, available=torch.zeros_like(each.available), filled=torch.zeros_like(each.filled))
    logits, penalty = model.train()(whole)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(penalty)


@pytest.mark.parametrize("variant", [{}, {"combine": "log_mixture"}], ids=["linear", "log_mixture"])
def test_bfloat16_agrees_to_a_hundredth(variant: dict[str, Any]) -> None:
    model, whole = network({**variant, "top_k": 4}), batch()  # all experts: a near tie may fall either way
    exact = model(whole)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(whole)[0]
    assert ((rounded.float() - exact).abs() / exact.abs().max()).max() < 1e-2


def test_noise_and_balance_act_in_training_alone() -> None:
    model, whole = network({"dropout": 0.0}), batch()
    quiet = model(whole)[0]
    model.train()
    first, penalty = model(whole)
    assert not torch.equal(first, model(whole)[0])
    assert penalty.item() > 0
    silent = network({"dropout": 0.0, "noise": False}).train()
    assert torch.allclose(silent(whole)[0], quiet, atol=1e-6)


def test_a_learned_vector_stands_for_a_missing_modality_and_zero_for_it_in_the_published_structure() -> None:
    whole = batch()
    learned, zero = network({}), network({"missing": "zero"})
    assert learned.missing is not None
    assert torch.equal(learned.encode(whole)[0][1, 1], learned.missing[1].expand(5, 8))
    assert zero.missing is None
    assert not zero.encode(whole)[0][1, 1].any()
    assert zero.encode(whole)[0][0].any(dim=-1).all()


def test_the_published_sizes_come_to_the_published_count() -> None:
    inputs = Inputs({"series": (48, 30), "notes": (48, 768)}, statics=0, bin_hours=1.0, events=True)
    params = FuseMoEParams(preset="paper")
    with torch.device("meta"):
        model = Network(inputs, 2, params, fusemoe_choice(params))
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    read, width = 2 * 48 * 128, 128
    moe = 16 * (2 * read * 512 + 512 + read) + 2 * 16 * read
    own = 4 * (width * width + width) + (8 * width * width + 5 * width) + 3 * 2 * width
    assert counts["layers"] == 3 * (moe + 2 * own)
    assert counts["norms"] == 2 * 2 * width
    assert counts["places"] == 47 * width
    assert counts["head"] == 2 * (256 * 256 + 256) + 256 * 2 + 2
    assert 0.60e9 < sum(counts.values()) < 0.61e9


def test_presets_are_table_6_and_the_released_structure_and_what_is_given_wins() -> None:
    paper, released = FUSEMOE_PRESETS["paper"], FUSEMOE_PRESETS["released"]
    sizes = paper.layers, paper.expert_width, paper.experts, paper.top_k, paper.heads, paper.points, paper.width
    assert sizes == (3, 512, 16, 4, 8, 48, 128)
    names = paper.__struct_fields__
    assert {name for name in names if getattr(paper, name) != getattr(released, name)} == {
        "combine",
        "top_k",
        "expert_balance",
    }
    given = fusemoe_choice(FuseMoEParams(preset="paper", experts=8, pool="mean"))
    assert given == msgspec.structs.replace(paper, experts=8, pool="mean")
    assert fusemoe_choice(FuseMoEParams(router="disjoint")).top_k == 2
    assert fusemoe_choice(FuseMoEParams(router="disjoint", top_k=3)).top_k == 3


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"width": 10, "heads": 4}, r"width=10 is no multiple of heads=4"),
        ({"time_width": 9}, r"time_width=9 is no multiple of heads=2"),
        ({"top_k": 5}, r"top_k=5 of experts=4.*fuser.fusemoe.top_k=4"),
        ({"router": "disjoint", "experts": 2}, r"experts=2 among 3 modalities.*experts=3 or more"),
        ({"expert_balance": "entropy"}, r"expert_balance=entropy.*router=joint.*fuser.fusemoe.router=permod"),
    ],
)
def test_sizes_that_do_not_go_together_are_told_with_what_to_type(params: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        FuseMoE(FuseMoEParams(**{**TINY, **params})).build(INPUTS, BINARY)


def test_training_tells_how_evenly_experts_are_used_and_is_otherwise_as_without_telling() -> None:
    fuser, silent = (FuseMoE(FuseMoEParams(**TINY, epochs=1)) for _ in range(2))
    line, shares = told_of_experts(fuser, silent)
    assert line == "evenness of experts"
    assert len(shares) == TINY["layers"]


def puzzle(records: int, seed: int) -> tuple[Batch, torch.Tensor]:
    """Two modalities of noise around a sign each; the label is b's sign where b is there and
    else minus a's.
    """
    draw = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (2, records), generator=draw) * 2.0 - 1
    here = torch.randint(0, 2, (records,), generator=draw).float()
    views = {}
    for k, (name, present) in enumerate({"a": torch.ones(records), "b": here}.items()):
        made = view(records, 4, 1, seed=seed + k)
        noise = torch.randn(records, 4, 1, generator=draw) * 0.5
        nothing = torch.zeros(records, 4, 1)
        assert made.events is not None
        events = replace(made.events, observed=torch.zeros_like(made.events.observed))
        views[name] = replace(
            made, values=signs[k][:, None, None] + noise, observed=nothing, available=present, events=events
        )
    label = torch.where(here > 0, signs[1], -signs[0]) > 0
    empty = torch.zeros(records, 0)
    return Batch(views, empty, empty), label.float()


def test_which_modality_to_read_is_learnt_from_which_is_missing() -> None:
    inputs = Inputs({"a": (4, 1), "b": (4, 1)}, statics=0, bin_hours=1.0, events=True)
    model = network({"points": 2, "layers": 1, "dropout": 0.0}, inputs, 1).train()
    assert model.missing is not None
    before = model.missing.detach().clone()
    made, label = puzzle(256, seed=5)
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(120):
        optimiser.zero_grad()
        logits, penalty = model(made)
        (functional.binary_cross_entropy_with_logits(logits[:, 0], label) + penalty).backward()
        optimiser.step()
    test, truth = puzzle(500, seed=77)
    with torch.no_grad():
        right = (model.eval()(test)[0][:, 0] > 0) == (truth > 0)
        here = test.modalities["b"].present > 0
        filled = changed(
            test,
            "b",
            available=torch.ones(500),
            values=torch.where(here[:, None, None], test.modalities["b"].values, 0.0),
        )
        unsaid = (model(filled)[0][:, 0] > 0) == (truth > 0)
    assert right[here].float().mean() > 0.95
    assert right[~here].float().mean() > 0.95
    assert unsaid[~here].float().mean() < 0.8  # zeros that claim to be values do not say that b is missing
    assert (model.missing[1] - before[1]).abs().max() > 0.01
    assert np.isclose(model.missing[0].detach(), before[0]).all()
