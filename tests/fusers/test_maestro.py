"""MAESTRO: its published size, its tokens, its presence and budgets record by record, its two
modes.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import Any

import msgspec
import pytest
import torch

from bench.cohort import Task
from bench.components import Context
from bench.errors import UsageError
from bench.torch_fuser import Batch, Inputs, ModalityView
from bench_fusers.maestro.fuser import Maestro, Mixture, Network, dropped
from bench_fusers.maestro.plugin import MAESTRO_MODES, MaestroParams
from bench_fusers.maestro.tokens import Tokens, ordered_symbols, standardised, symbolised, words
from bench_fusers.sparse_moe import evenness, note_experts
from support.telling import told_of_experts

BINARY = Task("binary", "binary", ("auroc",))
SIZES = {"vitals": (12, 3), "labs": (12, 2), "note": (1, 4)}
SMALL: dict[str, Any] = {"width": 8, "heads": 2}


def network(
    statics: int = 0, task: Task = BINARY, sizes: dict[str, tuple[int, int]] | None = None, **given: Any
) -> Network:
    torch.manual_seed(0)
    built = Maestro(MaestroParams(**{**SMALL, **given})).build(Inputs(sizes or SIZES, statics, 1.0), task)
    assert isinstance(built, Network)
    return built


def batch(b: int = 6, present: list[list[int]] | None = None, sizes: dict[str, tuple[int, int]] | None = None) -> Batch:
    torch.manual_seed(1)
    views = {}
    for number, (name, (length, channels)) in enumerate((sizes or SIZES).items()):
        here = torch.ones(b) if present is None else torch.tensor(present)[:, number].float()
        observed = (torch.rand(b, length, channels) > 0.5).float()
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


PATTERNS = [[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]]
MODES = pytest.mark.parametrize("mode", ["paper", "released"])


def test_the_published_network_has_144542_parameters_of_which_the_612_of_the_gate_are_not_trained() -> None:
    six = Task("time", "multiclass", ("accuracy",), outputs=6)
    built = network(0, six, {f"m{k}": (24, 1) for k in range(17)}, mode="released", width=16, heads=8)
    assert sum(p.numel() for p in built.parameters()) == 144_542
    assert sum(p.numel() for p in built.parameters() if p.requires_grad) == 144_542 - 612


def test_symbols_count_the_equiprobable_break_points_below_a_value() -> None:
    tokens = Tokens(1, 4, "numbers", "train", 4, 1)
    assert tokens.breaks.tolist() == pytest.approx(
        [NormalDist().inv_cdf(share) for share in (0.25, 0.5, 0.75)], abs=1e-6
    )
    values = torch.tensor([-9.0, -0.68, -0.66, -0.01, 0.01, 0.66, 0.68, 9.0])
    assert symbolised(values, tokens.breaks).tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_words_are_means_of_consecutive_bins_and_the_last_one_of_what_is_left() -> None:
    steps = torch.tensor([1.0, 3.0, 5.0, 7.0, 10.0]).view(1, 5, 1)
    assert words(steps, 2).flatten().tolist() == [2.0, 6.0, 10.0]
    assert words(steps, 1) is steps


def test_a_window_that_does_not_vary_is_in_the_middle_and_not_the_lowest_symbol() -> None:
    assert standardised(torch.full((2, 5, 3), 7.0)).abs().max() == 0
    varied = standardised(torch.randn(2, 50, 3) * 4 + 9)
    assert varied.mean(dim=1).abs().max() < 1e-5
    assert (varied.std(dim=1, unbiased=False) - 1).abs().max() < 1e-4


def test_symbols_start_in_order_each_channel_in_a_direction_of_its_own() -> None:
    table = ordered_symbols(2, 20, 8).view(2, 21, 8)
    steps = table[:, 2:] - table[:, 1:-1]
    assert (steps - steps[:, :1]).abs().max() < 1e-5
    assert not torch.allclose(steps[0], steps[1])


@MODES
@pytest.mark.parametrize("tokens", ["symbols", "linear", "numbers"])
def test_a_prediction_is_the_record_s_own_and_no_chance_is_in_it(mode: str, tokens: str) -> None:
    built, whole = network(mode=mode, tokens=tokens).eval(), batch(present=PATTERNS)
    together = built(whole)
    alone = torch.cat([built(take(whole, [k])) for k in range(len(PATTERNS))])
    assert torch.isfinite(together).all()
    assert (together - alone).abs().max() < 1e-5
    assert torch.equal(together, built(whole))


@MODES
def test_what_an_absent_modality_holds_changes_nothing_not_even_nan(mode: str) -> None:
    built, whole = network(mode=mode).eval(), batch(present=PATTERNS)
    labs = whole.modalities["labs"]
    gone = torch.where(labs.present[:, None, None] > 0, -labs.values, torch.nan)
    other = Batch(
        {**whole.modalities, "labs": replace(labs, values=gone, observed=1 - labs.observed)},
        whole.statics,
        whole.statics,
    )
    here = labs.present > 0
    assert torch.equal(built(whole)[~here], built(other)[~here])
    assert not torch.equal(built(whole)[here], built(other)[here])


def test_masked_tokens_of_an_absent_modality_are_in_no_mean_and_kept_ones_are() -> None:
    # A record without labs and note reads as one whose network knows the vitals alone. Of 28 bins
    # an odd number of tokens comes to the fusion layer, so that none is made of vitals and labs
    # together.
    one = {"vitals": (28, 3)}
    sizes = {**SIZES, **one}
    for absent, same in (("masked", True), ("kept", False)):
        built = network(sizes=sizes, absent=absent).eval()
        alone = network(sizes=one, absent=absent).eval()
        states = {
            key: value
            for key, value in built.state_dict().items()
            if key in alone.state_dict() and not key.startswith("gate")
        }
        states["modalities.weight"] = built.modalities.weight[:1]
        alone.load_state_dict(states, strict=False)
        # Budgets that let every query attend, whatever the gates say.
        for each in (built, alone):
            each.gate.factor, each.params = 1e6, msgspec.structs.replace(each.params, factor=1e6)
        whole = batch(present=[[1, 0, 0]] * 6, sizes=sizes)
        lone = Batch({"vitals": whole.modalities["vitals"]}, whole.statics, whole.statics)
        assert torch.allclose(built(whole), alone(lone), atol=1e-5) == same


def test_modalities_are_dropped_record_by_record_and_never_the_last_one() -> None:
    torch.manual_seed(0)
    present = (torch.rand(4000, 3) < 0.7).float()
    kept = dropped(present, torch.tensor(0.4))
    assert (kept <= present).all()
    assert torch.equal(kept.amax(dim=1), present.amax(dim=1))
    many = present.sum(dim=1) == 3
    share = 1 - kept[many].mean()
    assert abs(share - (0.4 - 0.4**3 / 3)) < 0.02  # one of three comes back where all would be gone
    assert torch.equal(dropped(present, torch.tensor(0.0)), present)


def test_modality_dropout_grows_from_nothing_after_a_tenth_of_the_training() -> None:
    built = network(modality_dropout=0.4)
    built.steps = 100
    rates = []
    for done in (0, 10, 55, 100):
        built.done.fill_(done)
        rates.append(float(built._rate()))
    assert rates == pytest.approx([0, 0, 0.2, 0.4])


def test_learnt_budgets_get_a_gradient_and_a_penalty_and_released_ones_neither() -> None:
    paper, released = network(mode="paper", modality_dropout=0.0), network(mode="released", modality_dropout=0.0)
    logits, penalty = paper(batch())
    factors = paper.gate(torch.ones(6, 3))
    assert penalty.item() == pytest.approx(1e-5 * factors.mean().item(), rel=1e-5)
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in paper.gate.layers[2].parameters())
    made = released(batch())
    assert isinstance(made, torch.Tensor)
    made.sum().backward()
    assert all(p.grad is None for p in released.gate.parameters())


def test_gradients_reach_every_trained_parameter() -> None:
    for mode in ("paper", "released"):
        for tokens in ("symbols", "linear", "numbers"):
            built = network(statics=2, mode=mode, tokens=tokens, top_k=4, sizes={"a": (16, 3), "b": (12, 2)})
            whole = batch(32, sizes={"a": (16, 3), "b": (12, 2)})
            whole = Batch(whole.modalities, torch.randn(32, 2), torch.ones(32, 2))
            made = built(whole)
            (made[0].square().sum() + made[1] if isinstance(made, tuple) else made.square().sum()).backward()
            missed = [
                name for name, p in built.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())
            ]
            assert missed == []


def test_the_gate_of_the_experts_learns_although_one_expert_is_chosen() -> None:
    built = network(mode="paper")
    built(batch())[0].sum().backward()
    gate = built.fusion[0].feed_forward.gate
    assert gate.weight.grad.abs().sum() > 0
    usage = built.fusion[0].feed_forward.usage
    assert float(usage.sum()) == pytest.approx(1)


@MODES
def test_training_tells_how_evenly_experts_are_used_and_is_otherwise_as_without_telling(mode: str) -> None:
    params = MaestroParams(**{**SMALL, "mode": mode}, layers=1, fusion_layers=2, epochs=2, batch_size=16)
    line, shares = told_of_experts(Maestro(params), Maestro(params))
    assert line == "evenness of experts"
    assert len(shares) == 2


@MODES
def test_a_mixture_whose_gate_has_one_favourite_is_told_as_not_even_at_all(mode: str) -> None:
    torch.manual_seed(0)
    mixture = Mixture(8, 4, 1, MAESTRO_MODES[mode])
    mixture.gate.bias.data[2] = 1e4
    mixture(torch.randn(5, 3, 8), torch.ones(5, 3))
    assert evenness(mixture.usage) == 0
    assert noted([mixture.usage]) == [("evenness of experts", (0.0,)), ("experts unused", (3,))]


def noted(layers: list[torch.Tensor]) -> list[tuple[str, tuple[object, ...]]]:
    """What is kept of the shares of some layers."""
    told: list[tuple[str, tuple[object, ...]]] = []
    note_experts(Context(notes=told), layers)
    return told


def test_even_use_is_told_as_1_and_no_expert_as_unused() -> None:
    assert noted([torch.full((7,), 1 / 7), torch.ones(1)]) == [("evenness of experts", (pytest.approx(1), 1.0))]
    assert evenness(torch.full((7,), 0.15)) == 1
    assert evenness(torch.tensor([0.5, 0.5, 0, 0])) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("given", "told"), [({"width": 10, "heads": 4}, "width=10 is no multiple of heads=4"), ({"top_k": 5}, "top_k=5")]
)
def test_sizes_that_do_not_go_together_are_refused_in_one_line(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        network(**given)
