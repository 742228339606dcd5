"""The noise process: values of the published schedules, kept steps, and the ways a network may
speak of it.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench_imputers.diffusion.schedule import Parameterisation, Schedule, kept_steps, respaced, schedule

KINDS: tuple[Literal["noise", "x0", "v"], ...] = ("noise", "x0", "v")


def csdi() -> Schedule:
    return schedule("quadratic", 50, 1e-4, 0.5)


def test_the_square_roots_of_the_quadratic_betas_are_equally_spaced() -> None:
    betas = csdi().betas
    assert betas[0] == pytest.approx(1e-4)
    assert betas[-1] == pytest.approx(0.5)
    assert betas[7] == pytest.approx((0.01 + 7 / 49 * (math.sqrt(0.5) - 0.01)) ** 2)
    assert np.diff(np.sqrt(betas)) == pytest.approx((math.sqrt(0.5) - 0.01) / 49)


def test_the_quadratic_process_ends_in_noise_and_the_linear_one_of_released_code_does_not() -> None:
    assert csdi().alpha_bars[-1] == pytest.approx(3e-5, rel=0.2)
    assert schedule("linear", 50, 1e-4, 0.02).alpha_bars[-1] == pytest.approx(0.603, abs=0.002)


def test_the_signal_share_is_the_product_in_double_precision() -> None:
    bars = csdi().alpha_bars
    assert bars.dtype == np.float64
    assert bars[0] == 1 - csdi().betas[0]
    assert bars[-1] == pytest.approx(math.exp(sum(math.log1p(-beta) for beta in csdi().betas)), rel=1e-12)


@given(st.integers(2, 300), st.integers(0, 320))
def test_kept_steps_rise_from_the_first_to_the_last_and_are_as_many_as_asked(total: int, count: int) -> None:
    kept = kept_steps(total, count)
    assert len(kept) == (count if 0 < count < total else total)
    assert kept[-1] == total - 1
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0 or count == 1


def test_ten_of_fifty_steps_are_those_of_rounded_equal_spacing() -> None:
    assert list(kept_steps(50, 10)) == [0, 5, 11, 16, 22, 27, 33, 38, 44, 49]


@given(st.integers(2, 60), st.integers(1, 60))
def test_respaced_betas_keep_the_signal_share_of_the_kept_steps(total: int, count: int) -> None:
    whole = schedule("quadratic", total, 1e-4, 0.5)
    kept = kept_steps(total, count)
    assert respaced(whole, kept).alpha_bars == pytest.approx(whole.alpha_bars[kept], rel=1e-12)


def test_all_steps_respaced_are_the_schedule_itself() -> None:
    assert respaced(csdi(), kept_steps(50, 0)).betas == pytest.approx(csdi().betas, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 49))
def test_what_a_network_should_say_splits_back_into_clean_value_and_noise(
    kind: Literal["noise", "x0", "v"], clean: float, eps: float, step: int
) -> None:
    bar = csdi().alpha_bars[step]
    signal, sigma = torch.tensor(bar).sqrt(), torch.tensor(1 - bar).sqrt()
    x0, noise = torch.tensor(clean, dtype=torch.float64), torch.tensor(eps, dtype=torch.float64)
    said = Parameterisation(kind).goal(x0, noise, signal, sigma)
    found, left = Parameterisation(kind).split(said, signal * x0 + sigma * noise, float(signal), float(sigma))
    assert float(found) == pytest.approx(clean, abs=1e-9)
    assert float(left) == pytest.approx(eps, abs=1e-9)


def test_v_is_noise_where_all_is_signal_and_minus_the_clean_value_where_all_is_noise() -> None:
    x0, eps, one, zero = (torch.tensor(value) for value in (2.0, 3.0, 1.0, 0.0))
    assert float(Parameterisation("v").goal(x0, eps, one, zero)) == 3
    assert float(Parameterisation("v").goal(x0, eps, zero, one)) == -2
