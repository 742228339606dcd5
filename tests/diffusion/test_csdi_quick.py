"""csdi-quick: it begins as linear interpolation, learns, and each entry of a draw hangs on what
is given alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort
from bench.components import Context
from bench.metrics.imputation import imputation_scores
from bench.registry import NoParams, discover
from bench.testing.toy import toy_cohort
from bench.workload import Workload
from bench_imputers.diffusion.csdi_quick import CsdiQuick, QuickDenoiser
from bench_imputers.diffusion.csdi_quick_params import CsdiQuickParams
from bench_imputers.diffusion.denoiser import Given, Shape
from bench_imputers.diffusion.engine import LOSSES
from bench_imputers.diffusion.grids import Grids
from bench_imputers.diffusion.guess import nearness
from bench_imputers.diffusion.seconds import quick_seconds
from bench_imputers.naive.temporal import Linear
from support.diffusion_toys import cohort, module_of

SHAPE = Shape(3, 6, {"vitals": 3}, {}, tuple(float(hour) for hour in range(6)))


def quick(**params: Any) -> CsdiQuick:
    return CsdiQuick(CsdiQuickParams(**({"steps": 4, "diffusion_steps": 8, "solver_steps": 0} | params)))


def trained(data: Cohort, **params: Any) -> CsdiQuick:
    imputer = quick(**params)
    imputer.fit(data, data, Context(seed=1))
    return imputer


def at_its_start(data: Cohort, **params: Any) -> CsdiQuick:
    """Fitted, so that it may impute, with the weights that training starts from."""
    imputer = trained(data, **params)
    torch.manual_seed(0)
    for network in imputer.networks.values():
        network.module.load_state_dict(imputer.build(network.shape).state_dict())
    return imputer


def waves(n: int = 96, length: int = 16, noise: float = 0.0) -> tuple[Cohort, np.ndarray]:
    """Two channels that swing in opposite phase, a third of the entries missing, and all values [n,
    length, channels]: a line between neighbours misses what the other channel shows. noise:
    standard deviation of what nothing shows.
    """
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    wave = np.sin(np.arange(length) * 1.7 + phase)
    values = np.stack([wave, -wave], axis=2).astype(np.float32)
    values += noise * rng.normal(size=values.shape).astype(np.float32)
    observed = rng.random(values.shape) < 2 / 3
    data = toy_cohort(n, length=length, modalities={"vitals": 2}).without_targets()
    series = replace(data.modalities["vitals"], grid=np.where(observed, values, np.float32(np.nan)), observed=observed)
    return replace(data, modalities={"vitals": series}), values


def test_it_is_registered_under_a_name_of_its_own_and_its_defaults_are_what_it_stands_for() -> None:
    spec = discover().get("imputer", "csdi-quick")
    params = spec.parameters({})
    assert isinstance(params, CsdiQuickParams)
    assert (params.predict, params.residual, params.loss) == ("x0", True, "huber")
    assert (params.solver, params.solver_steps, params.bound) == ("ddim", 10, 0)
    assert params.steps is not None
    assert spec.tags == {"torch", "draws", "learner"}


@pytest.mark.parametrize("solver", ["ddim", "dpm++"])
@pytest.mark.parametrize("start", ["noise", "noised_linear"])
def test_before_it_is_trained_every_draw_is_linear_interpolation(solver: str, start: str) -> None:
    data = cohort()
    linear = Linear(NoParams())
    linear.fit(data, data, Context())
    made = at_its_start(data, solver=solver, start=start).impute(data, 3, Context(seed=5))
    for name, series in data.modalities.items():
        line = linear.impute(data, 1, Context())[name]
        somewhere = np.broadcast_to(series.observed.any(axis=1, keepdims=True), series.observed.shape)
        assert (somewhere & ~series.observed).any()
        assert np.array_equal(made[name][0], made[name][2])
        assert np.allclose(made[name][0][somewhere], line[0][somewhere], rtol=0, atol=1e-6)
        assert not made[name][:, ~somewhere].any()


def test_training_beats_linear_interpolation_where_the_other_channel_knows() -> None:
    data, values = waves()
    missing = {"vitals": ~data.modalities["vitals"].observed}
    linear = Linear(NoParams())
    linear.fit(data, data, Context())
    imputer = trained(data, steps=150, batch_size=16, diffusion_steps=30, solver_steps=10)
    line, made = (
        imputation_scores({"vitals": values}, each.impute(data, draws, Context(seed=2)), missing)["all"]
        for each, draws in ((linear, 1), (imputer, 5))
    )
    assert made["mae"] < 0.5 * line["mae"]
    assert made["crps"] < 0.5 * line["crps"]


@pytest.mark.slow
def test_draws_spread_about_as_far_as_what_nothing_shows() -> None:
    data, values = waves(n=400, noise=0.5)
    imputer = trained(data, steps=400, batch_size=16, diffusion_steps=30, solver_steps=30)
    missing = {"vitals": ~data.modalities["vitals"].observed}
    made = imputation_scores({"vitals": values}, imputer.impute(data, 20, Context(seed=2)), missing)["all"]
    assert 0.3 < made["coverage50"] < 0.7
    assert 0.6 < made["coverage90"] <= 1


def test_what_a_noisy_entry_holds_moves_no_other_entry() -> None:
    torch.manual_seed(0)
    module = QuickDenoiser(SHAPE, CsdiQuickParams(diffusion_steps=8, solver_steps=0)).eval()
    torch.nn.init.normal_(module.output.weight)
    visible = (torch.rand(2, 3, 6) < 0.4).float()
    conditioned = module.condition(Given(torch.randn(2, 3, 6) * visible, visible, {}))
    state, step = torch.randn(2, 3, 6), torch.tensor([3, 6])
    moved = state.clone()
    moved[1, 2, 4] += 1
    before, after = module(state, step, conditioned), module(moved, step, conditioned)
    assert (before != after).nonzero().tolist() == [[1, 2, 4]]


def test_attention_runs_once_for_the_draws_of_a_chunk() -> None:
    data = cohort(4)
    imputer = trained(data, targets=("vitals",), chunk=20)
    module = module_of(imputer)
    calls: list[int] = []
    module.over_time[0].register_forward_hook(lambda *_: calls.append(1))
    imputer.impute(data, 5, Context())
    assert len(calls) == 1


@pytest.mark.parametrize(("loss", "of"), [("squared", lambda e: e**2), ("absolute", np.abs)])
def test_the_loss_counts_every_noise_of_a_visit_by_the_measure_that_is_asked_for(loss: str, of: Any) -> None:
    data = cohort(6)
    imputer = quick(loss=loss, noises=3, mask_ratio=0.5)
    grids, items = Grids(data, SHAPE, "cpu"), np.arange(4)
    torch.manual_seed(1)
    total, count = imputer.losses(imputer.build(SHAPE), grids, items)  # says 0 everywhere
    torch.manual_seed(1)
    imputer.build(SHAPE)
    values, observed = grids.batch(items)
    visible = imputer.conditioning(observed)
    hidden = (observed - visible).bool()
    missed = (values - imputer.centre(values * visible, visible))[hidden].numpy()
    assert int(count) == 3 * len(missed) > 0
    assert float(total.detach()) == pytest.approx(3 * float(of(missed).sum()), rel=1e-5)


def test_the_huber_loss_is_squared_for_small_errors_and_grows_like_the_absolute_one() -> None:
    huber = LOSSES["huber"](torch.tensor([0.2, 10.0, 11.0]), torch.zeros(3))
    assert float(huber[0]) == pytest.approx(0.2**2 / 2)
    assert float(huber[2] - huber[1]) == pytest.approx(0.5)


@given(st.lists(st.booleans(), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_nearness_falls_with_the_bins_to_the_nearest_observed_one(seen: list[bool]) -> None:
    found = nearness(torch.tensor(seen).float().reshape(1, 1, -1)).flatten().tolist()
    places = np.flatnonzero(seen)
    for bin_, near in enumerate(found):
        assert near == pytest.approx(1 / (1 + np.abs(places - bin_).min()) if len(places) else 0)


def test_the_estimate_grows_with_training_and_with_draws() -> None:
    one, many = (Workload(records=1000, channels={"vitals": 10}, draws=draws) for draws in (1, 20))
    params = CsdiQuickParams()
    assert quick_seconds(params, many) > quick_seconds(params, one) > quick_seconds(CsdiQuickParams(steps=10), one)


def test_what_is_no_target_costs_nothing() -> None:
    both = Workload(records=1000, channels={"vitals": 10, "notes": 64})
    alone = Workload(records=1000, channels={"vitals": 10})
    assert quick_seconds(CsdiQuickParams(), both) == quick_seconds(CsdiQuickParams(), alone)
