"""That outcomes and modalities are as frequent as in an ICU: in expectation, and in cohorts of
other seeds.
"""

from __future__ import annotations

from functools import cache

import pytest

pytest.importorskip("scipy")

import numpy as np

from bench_datasets.mimic4.generate import state
from bench_datasets.mimic4.generate.codes import PHENOTYPES
from bench_datasets.mimic4.generate.patient import LONGEST_STAY, SHORTEST_STAY, TIMINGS, draw

STAYS = 5_000
AVAILABLE = {"note": 56_824 / 73_173, "ecg": 35_925 / 73_173, "cxr": 14_568 / 73_173}
"""Published shares of stays that have any (mimic48 protocol, section 2)."""


@cache
def population() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latent states, deaths and days in ICU of 400,000 first admissions."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((400_000, len(state.AXES)))
    died = rng.random(len(z)) < state.death_probability(z)
    days = np.exp(state.log_days(z, died) + state.DAYS_NOISE * rng.standard_normal(len(z)))
    return z, died, np.clip(days, SHORTEST_STAY, LONGEST_STAY)


def test_the_constants_of_the_outcomes_are_solved_for_the_shares_that_are_wanted() -> None:
    shares = state.outcome_shares(state.DEATH_INTERCEPT, state.DAYS_MEDIAN, state.DAYS_NOISE)
    np.testing.assert_allclose(shares, state.WANTED, atol=2e-6)
    np.testing.assert_allclose(state.WANTED, [0.48, 0.14, 0.40], atol=1e-3)


def test_the_shares_of_the_outcomes_are_those_of_simulated_admissions() -> None:
    _, died, days = population()
    reached = days >= 2
    simulated = [reached.mean(), died[reached].mean(), (~died & (days < 4))[reached].mean()]
    np.testing.assert_allclose(simulated, state.WANTED, atol=0.004)


@pytest.mark.parametrize("name", AVAILABLE)
def test_a_modality_is_expected_as_often_as_published(name: str) -> None:
    z, _, days = population()
    timing = TIMINGS[name]
    more = np.exp(z @ state.vector(timing.sicker))
    arrives = (1 - (1 - timing.arrival) ** more) * np.minimum(1, days * 24 / timing.within)
    nothing = (1 - arrives) * np.exp(-timing.rate * more * days)
    assert (timing.reach * (1 - nothing)).mean() == pytest.approx(AVAILABLE[name], abs=0.002)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_cohort_of_any_seed_is_like_an_icu(seed: int) -> None:
    """Bounds are four standard errors of 5,000 stays, patients with several of them counted
    once.
    """
    rows: list[tuple[float, bool, np.ndarray, list[bool]]] = []
    number = 0
    while len(rows) < STAYS:
        for admission in draw(seed, number).admissions:
            for stay in admission.stays:
                days = (stay.outtime - stay.intime) / 86_400
                has = [bool((stay.moments[name] >= stay.intime).any()) for name in AVAILABLE]
                rows.append((days, admission.died, admission.phenotypes, has))
        number += 1
    days, died = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    reached = days >= 2

    def near(found: np.ndarray, expected: float) -> None:
        spread = np.sqrt(expected * (1 - expected) / (len(found) * number / len(rows)))
        assert abs(found.mean() - expected) < 4 * spread, (found.mean(), expected)

    for found, expected in zip((reached, died[reached], (~died & (days < 4))[reached]), state.WANTED, strict=True):
        near(found, expected)
    for found, expected in zip(np.array([row[3] for row in rows]).T, AVAILABLE.values(), strict=True):
        near(found, expected)
    for found, phenotype in zip(np.array([row[2] for row in rows]).T, PHENOTYPES, strict=True):
        near(found, phenotype.prevalence)
        assert 0.02 <= found.mean() <= 0.45, phenotype.name
