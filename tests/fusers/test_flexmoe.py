"""Flex-MoE: its published size, its two residuals, its tokens, its bank in the network, records
that lack everything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from bench.cohort import Task
from bench.components import Context
from bench.errors import UsageError
from bench.torch_fuser import Batch, Inputs, ModalityView
from bench_fusers.flexmoe.fuser import FlexMoE, Network, Tokens, bank, target
from bench_fusers.flexmoe.plugin import FlexMoEParams
from support.fuser_cohorts import cohort, parts
from support.telling import told_of_experts

BINARY = Task("binary", "binary", ("auroc",))
SIZES = {"vitals": (12, 3), "labs": (12, 2), "note": (1, 10)}
SMALL: dict[str, Any] = {"width": 8, "heads": 2, "tokens": 4, "experts": 8, "top_k": 2}
PATTERNS = [[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]]


def network(
    statics: int = 0, task: Task = BINARY, sizes: dict[str, tuple[int, int]] | None = None, **given: Any
) -> Network:
    torch.manual_seed(0)
    built = FlexMoE(FlexMoEParams(**{**SMALL, **given})).build(Inputs(sizes or SIZES, statics, 1.0), task)
    assert isinstance(built, Network)
    return built


def batch(present: list[list[int]], sizes: dict[str, tuple[int, int]] | None = None) -> Batch:
    torch.manual_seed(1)
    b, views = len(present), {}
    for number, (name, (length, channels)) in enumerate((sizes or SIZES).items()):
        observed = (torch.rand(b, length, channels) > 0.5).float()
        here = torch.tensor(present)[:, number].float()
        views[name] = ModalityView(
            torch.randn(b, length, channels), observed, torch.arange(length).float(), here, torch.zeros(b)
        )
    return Batch(views, torch.zeros(b, 0), torch.zeros(b, 0))


def take(whole: Batch, rows: list[int]) -> Batch:
    views = {
        name: replace(
            v, values=v.values[rows], observed=v.observed[rows], available=v.available[rows], filled=v.filled[rows]
        )
        for name, v in whole.modalities.items()
    }
    return Batch(views, whole.statics[rows], whole.statics_observed[rows])


def test_the_published_network_has_1134723_parameters_and_a_bank_of_122880() -> None:
    three = Task("diagnosis", "multiclass", ("accuracy",), outputs=3)
    sizes = {name: (32, 3) for name in "abcd"}
    built = network(0, three, sizes, preset="released", width=128, heads=4, tokens=16, experts=16, top_k=4)
    counts: dict[str, int] = {}
    for name, p in built.named_parameters():
        counts[name.split(".")[0]] = counts.get(name.split(".")[0], 0) + p.numel()
    assert counts["blocks"] == 1_124_992
    assert counts["places"] == 8_192
    assert counts["head"] == 1_539
    assert counts["blocks"] + counts["places"] + counts["head"] == 1_134_723
    assert counts["bank"] == 122_880
    assert set(counts) == {"blocks", "places", "head", "bank", "tokenisers", "nobody"}


PRESETS = pytest.mark.parametrize("preset", ["fixed", "released"])


@PRESETS
@pytest.mark.parametrize(
    "given", [{}, {"bank": "additive"}, {"bank": "zeros"}, {"s_router": "forced"}, {"blocks": 3}], ids=str
)
def test_a_prediction_is_the_record_s_own_and_no_chance_is_in_it(preset: str, given: dict[str, Any]) -> None:
    built, whole = network(preset=preset, **given).eval(), batch(PATTERNS)
    together = built(whole)
    alone = torch.cat([built(take(whole, [k])) for k in range(len(PATTERNS))])
    assert torch.isfinite(together).all()
    assert (together - alone).abs().max() < 1e-5
    assert torch.equal(together, built(whole))


@PRESETS
@pytest.mark.parametrize("kind", ["full", "additive", "zeros"])
def test_what_an_absent_modality_holds_changes_nothing_not_even_nan(preset: str, kind: str) -> None:
    built, whole = network(preset=preset, bank=kind).eval(), batch(PATTERNS)
    for name, view in whole.modalities.items():
        here = view.present > 0
        other = replace(view, values=torch.where(here[:, None, None], view.values + 1, torch.nan))
        changed = built(Batch({**whole.modalities, name: other}, whole.statics, whole.statics))
        assert torch.equal(built(whole)[~here], changed[~here])
        assert not torch.equal(built(whole)[here], changed[here])


def test_the_released_residual_forgets_the_input_of_the_block_and_the_fixed_one_keeps_it() -> None:
    """Where the attention gives 0 and the experts give 0, released gives 0 and fixed its input."""
    whole = batch([[1, 1, 1]] * 3)
    for preset, kept in (("released", False), ("fixed", True)):
        built = network(preset=preset).eval()
        block = built.blocks[0]
        torch.nn.init.zeros_(block.attention.out.weight)
        torch.nn.init.zeros_(block.attention.out.bias)
        torch.nn.init.zeros_(block.mixture.experts.weight_out)
        x = built.completed(whole, torch.ones(3, 3))
        made, _ = block(x, built._records(torch.ones(3, 3)))
        assert torch.equal(made, x if kept else torch.zeros_like(x))


def test_the_released_block_doubles_the_attention_at_evaluation() -> None:
    built = network(preset="released").eval()
    block = built.blocks[0]
    torch.nn.init.zeros_(block.mixture.experts.weight_out)
    x = torch.randn(2, 3, 4, 8)
    made, _ = block(x, built._records(torch.ones(2, 3)))
    read = block.attention(block.norms[0](x).flatten(1, 2)).view(x.shape)
    assert torch.allclose(made, 2 * read, atol=1e-6)


def test_windows_are_means_of_the_completed_grid_and_observed_shares() -> None:
    tokens = Tokens(6, 1, 3, 2, "windows")
    with torch.no_grad():
        tokens.linear.weight.copy_(torch.eye(2))
        tokens.linear.bias.zero_()
    values, observed = torch.tensor([1.0, 3, 5, 7, 9, 11]), torch.tensor([1.0, 1, 1, 0, 0, 0])
    view = ModalityView(values.view(1, 6, 1), observed.view(1, 6, 1), torch.arange(6.0), torch.ones(1), torch.zeros(1))
    assert tokens(view)[0].tolist() == [[2.0, 1.0], [6.0, 0.5], [10.0, 0.0]]


def test_patches_are_the_flat_values_padded_with_zeros_on_the_right() -> None:
    tokens = Tokens(5, 1, 3, 2, "patches")
    with torch.no_grad():
        tokens.linear.weight.copy_(torch.eye(2))
        tokens.linear.bias.zero_()
    view = ModalityView(
        torch.arange(1.0, 6.0).view(1, 5, 1), torch.zeros(1, 5, 1), torch.arange(5.0), torch.ones(1), torch.zeros(1)
    )
    assert tokens(view)[0].tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]


def test_the_series_of_one_bin_is_cut_into_pieces_with_its_mask() -> None:
    assert Tokens(1, 768, 16, 8, "windows").linear.in_features == 96
    assert Tokens(1, 768, 16, 8, "patches").linear.in_features == 48


def test_missing_tokens_are_the_bank_s_and_those_that_are_there_are_not() -> None:
    built, whole = network().eval(), batch(PATTERNS)
    present = torch.tensor(PATTERNS).float()
    x = built.completed(whole, present)
    assert built.bank is not None
    assert built.nobody is not None
    rows = built.bank.rows
    # In the order of the combinations: 0 all, 1 vitals labs, 2 vitals note, 3 labs note, 4 vitals,
    # 5 labs, 6 note.
    assert torch.equal(x[1, 1], rows[2, 1])
    assert torch.equal(x[2, 0], rows[5, 0])
    assert torch.equal(x[2, 2], rows[5, 2])
    assert torch.equal(x[3, 0], rows[6, 0])
    assert torch.equal(x[5, 2], rows[1, 2])
    assert torch.equal(x[4], built.nobody)
    # A batch of one takes other routines of the processor than one of six: the last bits differ.
    torch.testing.assert_close(x[1, 0], built.tokenisers[0](take(whole, [1]).modalities["vitals"])[0])


def test_records_with_no_modality_have_no_part_in_the_loss_of_the_routers() -> None:
    records = network()._records(torch.tensor(PATTERNS).float())
    assert records.complete.tolist() == [1, 0, 0, 0, 0, 0]
    assert records.incomplete.tolist() == [0, 1, 1, 1, 0, 1]
    assert records.target.tolist() == [-1, 2, 5, 6, -1, 1]


def test_a_penalty_comes_with_the_logits_in_training_only() -> None:
    built, whole = network(router_weight=0.5), batch(PATTERNS)
    logits, penalty = built(whole)
    assert logits.shape == (len(PATTERNS), 1)
    assert penalty.item() > 0
    assert isinstance(built.eval()(whole), torch.Tensor)
    assert network(router_weight=0.0)(whole)[1].item() == 0


@PRESETS
def test_gradients_reach_every_parameter_and_every_row_of_the_bank_that_was_read(preset: str) -> None:
    built = network(statics=2, preset=preset, blocks=2)
    whole = batch(PATTERNS * 6)
    whole = Batch(whole.modalities, torch.randn(36, 2), torch.ones(36, 2))
    logits, penalty = built(whole)
    (logits.square().sum() + penalty).backward()
    assert [name for name, p in built.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert built.bank is not None
    touched = built.bank.rows.grad.abs().sum(dim=(2, 3)) > 0
    read = {(2, 1), (5, 0), (5, 2), (6, 0), (6, 1), (1, 2)}
    assert {tuple(place) for place in touched.nonzero().tolist()} == read


def test_one_modality_needs_no_bank_and_a_record_without_it_is_no_obstacle() -> None:
    one = {"only": (5, 2)}
    built = network(sizes=one).eval()
    assert built.bank is None
    assert torch.isfinite(built(batch([[1], [0]], one))).all()


def test_many_modalities_share_experts_and_an_additive_bank() -> None:
    params = FlexMoEParams()
    assert [bank(params, m) for m in (1, 6, 7, 30)] == ["full", "full", "additive", "additive"]
    assert [target(params, m) for m in (1, 4, 5, 60, 61)] == ["index", "index", "folded", "folded", "off"]
    assert target(FlexMoEParams(experts=31), 5) == "index"
    many = {f"m{k}": (4, 2) for k in range(8)}
    built = network(sizes=many).eval()
    patterns = torch.ones(9, 8) - torch.cat([torch.eye(8), torch.zeros(1, 8)])
    goals = built._records(patterns).target
    assert goals[8] == -1
    assert ((goals[:8] >= 1) & (goals[:8] < 8)).all()
    assert torch.isfinite(built(batch(patterns.int().tolist(), many))).all()


@pytest.mark.parametrize("top_k", [1, 2])
def test_training_tells_how_evenly_experts_are_used_and_is_otherwise_as_without_telling(top_k: int) -> None:
    params = FlexMoEParams(**{**SMALL, "top_k": top_k}, blocks=3, epochs=2, batch_size=16)
    line, shares = told_of_experts(FlexMoE(params), FlexMoE(params))
    assert line == "evenness of experts"
    assert len(shares) == 2  # of three blocks the second has no experts


def test_experts_that_nobody_chose_are_told() -> None:
    class Biased(FlexMoE):
        def build(self, inputs: Inputs, task: Task) -> torch.nn.Module:
            built = super().build(inputs, task)
            for block in built.blocks:
                block.norms[1].bias.data.fill_(10.0)
                block.mixture.gate.weight.data[:, 0] = 10.0
            return built

    train, valid, _ = parts(cohort(60))
    told: list[tuple[str, tuple[object, ...]]] = []
    params = FlexMoEParams(**{**SMALL, "top_k": 1}, epochs=1)
    Biased(params).fit(train, valid, BINARY, Context(notes=told))
    assert told == [("evenness of experts", (0.0,)), ("experts unused", (7,))]


@pytest.mark.parametrize(
    ("modalities", "given", "told"),
    [
        (3, {"width": 9}, "width=9 is no multiple of heads=2"),
        (3, {"top_k": 8}, "top_k may be 1 to 7"),
        (4, {}, "15 combinations, and experts=8 are fewer; give fuser.flexmoe.experts=15"),
        (5, {"target": "index"}, "31 combinations"),
        (3, {"target": "off", "s_router": "forced"}, "needs a target"),
        (61, {"target": "folded", "bank": "additive"}, "cannot be numbered"),
        (13, {"bank": "full"}, "give fuser.flexmoe.bank=additive"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused_in_one_line(
    modalities: int, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        network(sizes={f"m{k}": (4, 2) for k in range(modalities)}, **given)
