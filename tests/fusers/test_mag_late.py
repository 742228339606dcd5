"""`mag_late`: the gate on states, per record, for any number of modalities."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.torch_fuser import Batch
from bench_fusers.mag.late import LateGate, MagLate
from bench_fusers.mag.plugin import MagLateParams
from support.fuser_batches import RECORDS, batch, changed, count, module, taken, without_gradient

THREE = {"text": (5, 4), "series": (5, 3), "images": (5, 2)}


def network(
    sizes: dict[str, tuple[int, int]] = THREE, anchor: str = "text", statics: int = 0, **params: Any
) -> nn.Module:
    fuser = MagLate(MagLateParams(**{"width": 8, "heads": 2, "layers": 1, **params}))
    fuser.anchor = anchor
    return module(fuser, sizes, statics)


def told(made: nn.Module, whole: Batch) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = made(whole)
    return answer


def moved(made: nn.Module, whole: Batch, other: Batch) -> list[bool]:
    return ((told(made, other) - told(made, whole)).abs() > 1e-6).squeeze(1).tolist()


def test_the_gate_of_two_modalities_is_the_published_formula_with_norms_per_record() -> None:
    torch.manual_seed(0)
    made, p, s = LateGate(4, 1).eval(), torch.randn(6, 4), 3 * torch.randn(6, 4)
    weight = torch.sigmoid(made.gates[0](torch.cat([p, s], 1)))
    u = made.maps[0](weight * s)
    alpha = (functional.softplus(made.beta) * p.norm(dim=1) / (u.norm(dim=1) + 1e-6)).clamp(max=1)
    assert weight.shape == (6, 1)
    assert (alpha < 1).any()
    expected = functional.layer_norm(p + alpha[:, None] * u, (4,), made.norm.weight, made.norm.bias)
    assert torch.allclose(made(p, [(s, torch.ones(6))]), expected, atol=1e-6)


def test_the_bound_starts_at_one_and_is_never_negative() -> None:
    made = LateGate(4, 1)
    assert functional.softplus(made.beta).item() == pytest.approx(1)
    with torch.no_grad():
        made.beta.fill_(-50)
    p, s = torch.randn(6, 4), torch.randn(6, 4)
    assert torch.allclose(made.eval()(p, [(s, torch.ones(6))]), made.norm(p), atol=1e-5)


def test_modalities_are_summed_and_an_absent_one_adds_nothing() -> None:
    torch.manual_seed(0)
    made, p = LateGate(4, 2).eval(), 100 * torch.randn(6, 4)
    states = [torch.randn(6, 4) for _ in range(2)]
    here, gone = torch.ones(6), torch.zeros(6)

    def shift(*there: torch.Tensor) -> torch.Tensor:
        return made.shift(p, list(zip(states, there, strict=True)))

    assert torch.allclose(shift(here, here), shift(here, gone) + shift(gone, here), atol=1e-6)
    assert torch.equal(shift(gone, gone), torch.zeros(6, 4))
    assert torch.equal(made(p, [(state, gone) for state in states]), made.norm(p))


@pytest.mark.parametrize("gone", [(), (1, 4)])
def test_a_record_is_alone_in_its_norms(gone: tuple[int, ...]) -> None:
    whole = batch(THREE, absent={name: gone for name in THREE})
    made = network()
    loud = whole.modalities["series"].values.clone()
    loud[0] *= 1000
    other = changed(whole, "series", values=loud)
    assert moved(made, whole, other) == [True] + [False] * (RECORDS - 1)
    together = told(made, whole)
    assert together.isfinite().all()
    assert torch.allclose(together, torch.cat([told(made, taken(whole, [k])) for k in range(RECORDS)]), atol=1e-5)


def test_an_absent_modality_is_told_by_the_flags_and_its_content_never_read() -> None:
    whole = batch(THREE, absent={"series": (0, 2), "text": (2, 3)})
    made = network()
    for name, gone in (("series", [0, 2]), ("text", [2, 3])):
        view = whole.modalities[name]
        values, observed = view.values.clone(), view.observed.clone()
        values[gone], observed[gone] = 1e6, 1
        assert not any(moved(made, whole, changed(whole, name, values=values, observed=observed)))
        filled = changed(whole, name, filled=1 - view.available)
        assert moved(made, whole, filled) == [k in gone for k in range(RECORDS)]


def test_every_step_of_every_completed_grid_is_read() -> None:
    made, whole = network(), batch(THREE)
    for name, (length, _) in THREE.items():
        for step in range(length):
            values = whole.modalities[name].values.clone()
            values[:, step] += 5
            assert all(moved(made, whole, changed(whole, name, values=values))), (name, step)


def test_one_modality_alone_is_normed_and_read() -> None:
    sizes = {"only": (5, 3)}
    made, whole = network(sizes, anchor="only"), batch(sizes)
    assert all(moved(made, whole, changed(whole, "only", values=whole.modalities["only"].values + 1)))


def test_the_ablation_reads_the_anchor_alone() -> None:
    made = network(gate=False)
    whole = batch(THREE)
    assert not any(moved(made, whole, changed(whole, "series", values=whole.modalities["series"].values + 5)))
    assert count(made) == count(network({"text": THREE["text"]}))


def test_gradients_reach_every_parameter() -> None:
    whole = batch(THREE, statics=2, absent={"text": (0,)})
    # Every bound at work: the states are as long as the anchor's, and beta has no say where none
    # is.
    made = network(statics=2)
    with torch.no_grad():
        made.gate.beta.fill_(-2)
    assert without_gradient(made, whole) == []
