"""Steps between runs: shifts by known tests, nothing but evidence counts, and marks stay."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.statistics.steps import Scatter, about_seeds, distinct, follow, shift

RNG = np.random.default_rng(0)


def made(seeds: int = 3, runs: int = 30, steps: dict[int, float] | None = None, seed: int = 0) -> np.ndarray:
    """float64 [runs, seeds]: noise of standard deviation 1, and steps (place -> size)."""
    rng = np.random.default_rng(seed)
    values = 5 * rng.normal(size=(1, seeds)) + rng.normal(size=(runs, seeds))
    for place, size in (steps or {}).items():
        values[place:] += size
    return values


@st.composite
def histories(draw) -> np.ndarray:
    runs, seeds = draw(st.integers(2, 14)), draw(st.integers(1, 4))
    steps = {draw(st.integers(1, runs - 1)): draw(st.sampled_from([0.0, 5.0, -20.0])) for _ in range(2)}
    return made(seeds, runs, steps, draw(st.integers(0, 1000)))


def marks(values: np.ndarray, **more) -> list[tuple[int, int]]:
    return [(step.at, step.noticed) for step in follow(values, **more).steps]


def test_of_two_runs_it_is_the_paired_t_test_over_seeds() -> None:
    before, after = RNG.normal(size=(1, 5)), RNG.normal(size=(1, 5))
    moved, known = shift(before, after), stats.ttest_rel(after[0], before[0])
    assert (moved.difference / moved.error, moved.freedom) == (pytest.approx(known.statistic), known.df)
    assert moved.interval() == pytest.approx([*known.confidence_interval()])


def test_of_one_seed_it_is_the_t_test_of_two_samples() -> None:
    before, after = RNG.normal(size=(6, 1)), RNG.normal(size=(4, 1))
    moved, known = shift(before, after), stats.ttest_ind(after[:, 0], before[:, 0])
    assert (moved.difference / moved.error, moved.freedom) == (pytest.approx(known.statistic), known.df)


@given(histories(), st.data())
def test_a_shift_is_the_least_squares_fit_of_two_levels_and_the_effects_of_seeds(values, data) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    runs, seeds = values.shape
    moved = shift(values[:cut], values[cut:], Scatter(2.0, 3))
    levels = np.repeat((np.arange(runs) >= cut).astype(float), seeds)
    design = np.column_stack([levels, np.tile(np.eye(seeds), (runs, 1))])
    fitted, *_ = np.linalg.lstsq(design, values.ravel(), rcond=None)
    squares = float(((values.ravel() - design @ fitted) ** 2).sum())
    assert moved.difference == pytest.approx(fitted[0], abs=1e-9)
    assert moved.freedom == runs * seeds - seeds - 1 + 3
    error = math.sqrt((squares + 2) / moved.freedom * np.linalg.inv(design.T @ design)[0, 0])
    assert moved.error == pytest.approx(error, abs=1e-9)


@given(histories(), st.floats(-100, 100), st.sampled_from([-7.0, 0.01, 3.0]))
def test_what_a_seed_does_in_all_runs_and_the_unit_decide_nothing(values, by, unit) -> None:
    moved = values * unit + by * np.arange(values.shape[1])
    assert marks(moved) == marks(values)


@given(histories(), st.data())
def test_a_mark_stays_where_it_is_whatever_comes(values, data) -> None:
    some = data.draw(st.integers(1, len(values)))
    assert marks(values[:some]) == [mark for mark in marks(values) if mark[1] < some]


@given(histories(), st.data())
def test_a_run_that_repeats_another_one_of_its_regime_is_no_evidence(values, data) -> None:
    followed = follow(values)
    regime = data.draw(st.sampled_from(followed.regimes))
    copied, place = data.draw(st.sampled_from(regime)), regime[-1] + 1
    longer = follow(np.insert(values, place, values[copied], axis=0))
    assert place not in longer.fresh
    assert [values[places].tolist() for places in followed.regimes] == [
        longer.values[places].tolist() for places in longer.regimes
    ]
    assert longer.half_width() == followed.half_width()


def test_the_way_back_is_a_step_too_though_its_values_were_there_before() -> None:
    values = made(5, 12)
    back = np.concatenate([values, values + 9, values])
    assert [at for at, _ in marks(back)] == [12, 24]


def test_a_run_that_was_worse_and_was_mended_is_found() -> None:
    followed = follow(made(3, 30, {12: -6.0, 14: 6.0}))
    assert [step.at for step in followed.steps] == [12, 14]
    for step, size in zip(followed.steps, (-6, 6), strict=True):
        low, high = step.shift.interval()
        assert low < size < high


def test_without_noise_every_change_is_a_step_and_a_return_is_one_too() -> None:
    values = np.repeat([[0.5], [0.5 + 1e-12], [0.6], [0.6], [0.5]], 3, axis=1)
    followed = follow(values, exact=True)
    assert [(step.at, step.noticed, round(step.shift.difference, 9)) for step in followed.steps] == [
        (2, 2, 0.1),
        (4, 4, -0.1),
    ]
    assert all(step.shift.interval() is None for step in followed.steps)
    assert followed.half_width() is None


@pytest.mark.parametrize(
    "values",
    [
        [[0.8], [0.9]],  # one seed, two runs
        [[0.80, 0.85], [0.85, 0.90]],  # all seeds by the same, as scores of few records may
        [[0.8, 0.7, 0.6]],
    ],
)
def test_where_nothing_tells_of_the_noise_nothing_is_a_step(values) -> None:
    assert marks(np.array(values)) == []


def test_the_interval_of_a_run_is_of_the_noise_within_regimes() -> None:
    values = made(4, 20, {10: 50.0})
    followed = follow(values)
    noise = about_seeds(values[:10]) + about_seeds(values[10:])
    assert noise.freedom == 2 * 9 * 4
    variance = noise.squares / noise.freedom / 4
    assert followed.half_width() == pytest.approx(stats.t.ppf(0.975, noise.freedom) * math.sqrt(variance))


def test_a_change_is_from_the_run_before_that_is_evidence() -> None:
    values = made(3, 6)
    values[3] = values[1]
    followed = follow(values)
    assert [followed.change(place) is None for place in range(6)] == [True, False, False, True, False, False]
    change = followed.change(4)
    assert change is not None
    assert change.difference == pytest.approx(values[4].mean() - values[2].mean())


def test_distinct_runs_are_the_first_of_each() -> None:
    assert distinct(np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0]])) == [0, 1]


def test_among_thirty_runs_without_a_step_a_mark_is_as_rare_as_is_said() -> None:
    alarms = sum(bool(marks(made(seeds, 30, seed=seed))) for seeds in (1, 3) for seed in range(200))
    assert alarms <= 4  # 1 % of 400; benchmarks/history.py counts in thousands


@pytest.mark.parametrize(("errors", "within", "goal"), [(4.0, 2, 0.90), (2.0, 10, 0.75)])
def test_steps_are_found_as_soon_as_is_said(errors: float, within: int, goal: float) -> None:
    size = errors * math.sqrt(2 / 3)
    found = [
        any(10 <= when < 10 + within for _, when in marks(made(3, 10 + within, {10: size}, seed)))
        for seed in range(100)
    ]
    assert np.mean(found) >= goal


@settings(max_examples=25)
@given(histories())
def test_steps_lie_between_regimes_that_hold_all_evidence_in_order(values) -> None:
    followed = follow(values)
    assert sorted(followed.fresh) == followed.fresh
    assert len(followed.steps) == len(followed.regimes) - 1
    for step, old, new in zip(followed.steps, followed.regimes, followed.regimes[1:], strict=False):
        assert old[-1] < step.at == new[0] <= step.noticed
