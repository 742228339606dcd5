"""The solvers against closed forms: a distribution whose perfect denoiser is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from bench_imputers.diffusion.samplers import Noise, Solver, solver
from bench_imputers.diffusion.schedule import Schedule, schedule

CSDI = schedule("quadratic", 50, 1e-4, 0.5)
MEAN, SPREAD = 1.5, 0.4
"""Of the normal distribution that is sampled: x0 ~ N(MEAN, SPREAD²)."""


def answer(steps: Solver, index: int, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What a perfect network implies: E[x0 | x_t] of normal data, and the noise that goes with
    it.
    """
    signal, sigma = float(steps.signal[index]), float(steps.sigma[index])
    share = signal * SPREAD**2 / (signal**2 * SPREAD**2 + sigma**2)
    clean = MEAN + share * (state - signal * MEAN)
    return clean, (state - signal * clean) / sigma


def run(steps: Solver, start: torch.Tensor, noise: Noise) -> torch.Tensor:
    state = start.clone()
    for index in range(len(steps.steps)):
        clean, eps = answer(steps, index, state)
        state = steps.next(index, state, clean, eps, noise)
    return state


def made(kind: Any, count: int = 0, eta: float = 1.0, whole: Schedule = CSDI) -> Solver:
    return solver(kind, whole, count, eta)


def normal(seed: int, size: int = 1) -> Noise:
    grids = torch.randn(64, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return lambda index: grids[index]


def test_ancestral_sampling_is_the_published_recursion() -> None:
    noise, state = normal(0, 5), torch.randn(5, dtype=torch.float64)
    expected, steps = state.clone(), made("ancestral")
    bars = np.cumprod(1 - CSDI.betas)
    for t in range(49, -1, -1):
        eps = answer(steps, 49 - t, expected)[1]
        expected = (expected - CSDI.betas[t] / math.sqrt(1 - bars[t]) * eps) / math.sqrt(1 - CSDI.betas[t])
        if t > 0:
            variance = CSDI.betas[t] * (1 - bars[t - 1]) / (1 - bars[t])
            expected = expected + math.sqrt(variance) * noise(49 - t)
    assert steps.steps == list(range(49, -1, -1))
    assert torch.allclose(run(made("ancestral"), state, noise), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [0, 10, 3])
def test_ddim_with_all_its_noise_is_ancestral_sampling_on_the_same_steps(count: int) -> None:
    start = torch.randn(7, dtype=torch.float64)
    ancestral, ddim = (run(made(kind, count), start, normal(1, 7)) for kind in ("ancestral", "ddim"))
    assert torch.allclose(ancestral, ddim, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["ancestral", "ddim"])
def test_draws_of_a_known_distribution_have_its_mean_and_spread_where_steps_are_small(kind: str) -> None:
    fine, drawn = schedule("quadratic", 1000, 1e-6, 0.03), torch.Generator().manual_seed(2)

    def noise(index: int) -> torch.Tensor:
        return torch.randn(20_000, generator=drawn, dtype=torch.float64)

    draws = run(made(kind, whole=fine), noise(0), noise)
    assert float(draws.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(draws.std()) == pytest.approx(SPREAD, rel=0.02)


@pytest.mark.parametrize(("kind", "order"), [("ddim", 1), ("dpm++", 2)])
def test_without_noise_a_solver_converges_to_the_exact_flow_at_its_order(kind: str, order: int) -> None:
    fine = schedule("quadratic", 3200, 1e-6, 0.01)
    start = torch.linspace(-2, 2, 5, dtype=torch.float64)

    def error(count: int) -> float:
        # The last step drops what noise is left, whatever the solver, so the paths are compared
        # before it.
        steps, state = made(kind, count, 0.0, fine), start.clone()
        for index in range(len(steps.steps) - 1):
            clean, eps = answer(steps, index, state)
            state = steps.next(index, state, clean, eps, normal(0))
        first, last = fine.alpha_bars[-1], fine.alpha_bars[0]
        scale = math.sqrt((last * SPREAD**2 + 1 - last) / (first * SPREAD**2 + 1 - first))
        exact = math.sqrt(last) * MEAN + scale * (start - math.sqrt(first) * MEAN)
        return float((state - exact).abs().max())

    assert math.log2(error(100) / error(200)) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("kind", ["ancestral", "ddim", "dpm++"])
@pytest.mark.parametrize("count", [1, 2, 10, 50, 0])
def test_every_solver_ends_at_the_clean_value_of_its_last_step(kind: str, count: int) -> None:
    steps = made(kind, count)
    said = torch.full((3,), 0.7, dtype=torch.float64)
    state = torch.randn(3, dtype=torch.float64)
    for index in range(len(steps.steps)):
        eps = (state - float(steps.signal[index]) * said) / float(steps.sigma[index])
        state = steps.next(index, state, said, eps, normal(3, 3))
    assert torch.allclose(state, said, atol=1e-9)


def test_deterministic_solvers_ask_for_no_noise() -> None:
    def none(index: int) -> torch.Tensor:
        raise AssertionError("asked for noise")

    start = torch.zeros(2, dtype=torch.float64)
    for steps in (made("ddim", 5, 0.0), made("dpm++", 5)):
        assert torch.isfinite(run(steps, start, none)).all()
