"""`mag`: the published gate, the anchor, alignment and absence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bench.components import Context
from bench.errors import UsageError
from bench.registry import discover
from bench.torch_fuser import Batch
from bench_fusers.mag.anchor import align, choose_anchor
from bench_fusers.mag.fuser import Gate, Mag, bounded
from bench_fusers.mag.late import MagLate
from bench_fusers.mag.plugin import MagLateParams, MagParams
from support.fuser_batches import RECORDS, batch, changed, count, module, taken, without_gradient
from support.fuser_cohorts import BINARY, cohort, parts

THREE = {"text": (5, 4), "audio": (5, 3), "vision": (5, 2)}
SMALL: dict[str, Any] = {"width": 8, "heads": 2, "layers": 1}


def network(
    sizes: dict[str, tuple[int, int]] = THREE, anchor: str = "text", statics: int = 0, **params: Any
) -> nn.Module:
    fuser = Mag(MagParams(**{**SMALL, **params}))
    fuser.anchor = anchor
    return module(fuser, sizes, statics)


def told(made: nn.Module, whole: Batch) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = made(whole)
    return answer


def moved(made: nn.Module, whole: Batch, other: Batch) -> list[bool]:
    return ((told(made, other) - told(made, whole)).abs() > 1e-6).squeeze(1).tolist()


def gate(width: int, channels: list[int], beta: float = 1.0) -> Gate:
    torch.manual_seed(0)
    made = Gate(width, channels, beta)
    for parameter in made.parameters():
        nn.init.normal_(parameter)
    return made.eval()


def test_the_gate_has_the_published_number_of_parameters() -> None:
    assert count(Gate(768, [74, 47])) == 1_370_112


def test_the_gate_is_the_published_formula() -> None:
    made, z = gate(4, [3, 2], beta=0.7), torch.randn(2, 5, 4)
    x = [torch.randn(2, 5, 3), torch.randn(2, 5, 2)]
    h = torch.zeros_like(z)
    for k, values in enumerate(x):
        weight = torch.relu(functional.linear(torch.cat([values, z], 2), made.gates[k].weight, made.gates[k].bias))
        h = h + weight * functional.linear(values, made.maps[k].weight, made.maps[k].bias)
    alpha = torch.minimum(0.7 * z.norm(dim=2) / (h.norm(dim=2) + 1e-6), torch.tensor(1.0))
    expected = functional.layer_norm(z + alpha[..., None] * h, (4,), made.norm.weight, made.norm.bias)
    assert torch.allclose(made(z, [(values, torch.ones(2, 5)) for values in x]), expected, atol=1e-5)


def test_with_nothing_to_say_the_gate_leaves_the_normed_step_whatever_its_biases() -> None:
    made, z = gate(4, [3]), torch.randn(2, 5, 4)
    silent = made(z, [(torch.randn(2, 5, 3), torch.zeros(2, 5))])
    assert torch.equal(silent, made.norm(z))
    assert torch.equal(Gate(4, [])(z, []), nn.LayerNorm(4)(z))


def test_values_of_zero_say_nothing_before_training() -> None:
    made, z = Gate(4, [3]).eval(), torch.randn(2, 5, 4)
    assert torch.equal(made(z, [(torch.zeros(2, 5, 3), torch.ones(2, 5))]), made.norm(z))


@given(st.floats(0.01, 3.0), st.floats(1e-3, 1e3), st.integers(0, 100))
def test_a_shift_is_never_longer_than_its_share_of_the_step_and_short_ones_are_left(
    beta: float, length: float, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    h, z = (torch.randn(3, 2, 4, generator=draw) for _ in range(2))
    h = h * length
    made = bounded(h, z, beta)
    limit = beta * z.norm(dim=2)
    assert (made.norm(dim=2) <= limit * (1 + 1e-5)).all()
    free = h.norm(dim=2) < limit * (1 - 1e-2) - 1e-5
    assert torch.allclose(made[free], h[free])


def test_each_step_is_bounded_by_itself() -> None:
    made, z = gate(4, [3]), torch.randn(2, 5, 4)
    x, there = torch.randn(2, 5, 3), torch.ones(2, 5)
    louder = x.clone()
    louder[0, 1] *= 100
    same = (made(z, [(x, there)]) == made(z, [(louder, there)])).all(dim=2)
    assert same.tolist() == [[True, False, True, True, True], [True] * 5]


def test_no_gradient_is_lost_where_there_is_nothing_to_say() -> None:
    made, z = gate(4, [3]), torch.randn(2, 5, 4, requires_grad=True)
    made(z, [(torch.randn(2, 5, 3), torch.zeros(2, 5))]).square().sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in made.parameters())


def test_the_last_observation_at_or_before_a_time_is_taken_unless_too_old() -> None:
    anchor, times = torch.tensor([0.0, 1.0, 2.0, 5.0]), torch.tensor([0.5, 1.0, 3.0])
    mask = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    index, found = align(anchor, times, mask, None)
    assert found.tolist() == [[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]]
    assert index[:2].tolist() == [[0, 1, 1, 2], [0, 0, 0, 2]]
    _, recent = align(anchor, times, mask, 1.0)
    assert recent.tolist() == [[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_an_observation_stays_current_for_max_lag_hours() -> None:
    sizes = {"text": (6, 2), "audio": (6, 3)}
    whole = batch(sizes)
    observed = torch.zeros(RECORDS, 6, 3)
    observed[:, 0] = 1
    whole = changed(changed(whole, "audio", observed=observed), "text", observed=torch.ones(RECORDS, 6, 2))
    late = whole.modalities["text"].observed.clone()
    late[:, :3] = 0
    whole = changed(whole, "text", observed=late)  # text is read from hour 3 on, audio was recorded at hour 0
    values = whole.modalities["audio"].values.clone()
    values[:, 0] += 5
    other = changed(whole, "audio", values=values)
    assert all(moved(network(sizes, read="observed"), whole, other))
    assert all(moved(network(sizes, read="observed", max_lag=3.0), whole, other))
    assert not any(moved(network(sizes, read="observed", max_lag=2.5), whole, other))


def test_every_step_of_every_completed_grid_is_read() -> None:
    made, whole = network(), batch(THREE)
    for name, (length, _) in THREE.items():
        for step in range(length):
            values = whole.modalities[name].values.clone()
            values[:, step] += 5
            assert all(moved(made, whole, changed(whole, name, values=values))), (name, step)


def test_the_anchor_is_what_was_said_else_words_else_what_was_observed_most() -> None:
    steps = {"a": 0, "b": 30, "notes": 10}
    assert choose_anchor(steps, "a", "mag") == "a"
    assert choose_anchor(steps, None, "mag") == "notes"
    assert choose_anchor({**steps, "notes": 0}, None, "mag") == "b"
    assert choose_anchor({"a": 30, "b": 30}, None, "mag") == "a"
    assert choose_anchor({"a": 0}, None, "mag") == "a"
    whole = cohort(20)
    counted = Mag(MagParams()).summary(whole, BINARY).totals["steps"]
    assert counted.tolist() == [series.observed.any(axis=2).sum() for series in whole.modalities.values()]


@pytest.mark.parametrize("fuser", [Mag(MagParams(anchor="vitls")), MagLate(MagLateParams(anchor="vitls"))])
def test_an_anchor_that_is_not_there_is_refused_with_the_nearest(fuser: Any) -> None:
    train, valid, _ = parts(cohort(20))
    with pytest.raises(
        UsageError, match=rf'"vitls" is not known \(from fuser.{fuser.name}.anchor\); did you mean "vitals"'
    ):
        fuser.fit(train, valid, BINARY, Context())


@pytest.mark.parametrize("fuser", [Mag(MagParams(width=30, heads=4)), MagLate(MagLateParams(width=30, heads=4))])
def test_a_width_that_heads_do_not_divide_is_refused_in_words(fuser: Any) -> None:
    train, valid, _ = parts(cohort(20))
    with pytest.raises(UsageError, match=rf'"fuser.{fuser.name}.width" 30 is not a multiple'):
        fuser.fit(train, valid, BINARY, Context())


def test_an_absent_modality_is_told_by_the_flags_and_its_content_never_read() -> None:
    whole = batch(THREE, absent={"audio": (0, 2), "text": (2, 3)})
    made = network()
    for name, gone in (("audio", [0, 2]), ("text", [2, 3])):
        view = whole.modalities[name]
        values, observed = view.values.clone(), view.observed.clone()
        values[gone], observed[gone] = 1e6, 1
        assert not any(moved(made, whole, changed(whole, name, values=values, observed=observed)))
        filled = changed(whole, name, filled=1 - view.available)
        assert moved(made, whole, filled) == [k in gone for k in range(RECORDS)]


def test_without_the_anchor_the_learned_step_stands_where_another_modality_says_something_new() -> None:
    whole = batch(THREE, absent={"text": (0,), "vision": (0,)})
    observed = whole.modalities["audio"].observed.clone()
    observed[:] = 0
    observed[:, [1, 3]] = 1
    whole = changed(whole, "audio", observed=observed)
    made = network(read="observed")
    seen: list[torch.Tensor] = []
    made.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[2]))
    told(made, whole)
    assert seen[0][0].tolist() == [0, 1, 0, 1, 0]
    told(network(), whole)
    made(whole).sum().backward()
    assert made.token.grad.abs().sum() > 0


@pytest.mark.parametrize("readout", ["mean", "last"])
def test_records_with_nothing_at_all_get_a_finite_prediction_and_touch_nobody(readout: Any) -> None:
    whole = batch(THREE, absent={name: (1, 4) for name in THREE})
    made = network(readout=readout)
    together = told(made, whole)
    assert together.isfinite().all()
    assert torch.allclose(together, torch.cat([told(made, taken(whole, [k])) for k in range(RECORDS)]), atol=1e-5)


def test_one_modality_alone_is_an_anchor_without_others() -> None:
    sizes = {"only": (5, 3)}
    made, whole = network(sizes, anchor="only"), batch(sizes)
    assert made.others == []
    assert all(moved(made, whole, changed(whole, "only", values=whole.modalities["only"].values + 1)))


def test_the_ablation_reads_the_anchor_alone() -> None:
    whole, made = batch(THREE), network(gate=False)
    assert not any(moved(made, whole, changed(whole, "audio", values=whole.modalities["audio"].values + 5)))
    assert all(moved(made, whole, changed(whole, "text", values=whole.modalities["text"].values + 5)))
    assert count(made) == count(network({"text": THREE["text"]}))


@pytest.mark.parametrize("readout", ["mean", "last"])
def test_gradients_reach_every_parameter(readout: Any) -> None:
    made = network(statics=2, readout=readout)
    assert without_gradient(made, batch(THREE, statics=2, absent={"text": (0,)})) == []


def test_the_label_of_a_result_says_that_the_backbone_is_no_language_model() -> None:
    spec = discover().get("fuser", "mag")
    assert spec.parameters({}).backbone == "encoder"
    with pytest.raises(UsageError, match="pretrained"):
        spec.parameters({"backbone": "pretrained"})


def test_statics_reach_the_prediction() -> None:
    made, whole = network(statics=2), batch(THREE, statics=2)
    assert all(moved(made, whole, Batch(whole.modalities, whole.statics + 1, whole.statics_observed)))


def test_it_fits_where_the_anchor_is_absent_for_everybody() -> None:
    whole = cohort(60)
    gone = replace(whole.modalities["vitals"], available=np.zeros(60, bool), filled=np.zeros(60, bool))
    train, valid, test = parts(whole.with_modalities({**whole.modalities, "vitals": gone}))
    fuser = Mag(MagParams(**SMALL, anchor="vitals", epochs=2))
    fuser.fit(train, valid, BINARY, Context())
    assert np.isfinite(fuser.predict(test, Context())).all()
    assert fuser.anchor == "vitals"
