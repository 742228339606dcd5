"""Step-down max-T on statistics whose reference is known, against its definition; Holm's
procedure beside it.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.statistics.corrections import Exceedances, holm, resamples_for


def counted(observed: np.ndarray, reference: np.ndarray, parts: int = 1) -> Exceedances:
    """observed [hypotheses]; reference [hypotheses, resamples], added in so many parts."""
    counts = Exceedances(observed)
    for part in np.array_split(reference, parts, axis=1):
        counts.add(part)
    return counts


def by_definition(observed: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Romano & Wolf 2005: drop the hypotheses with larger statistics, compare with the largest
    of the rest, keep the order.
    """
    resamples = reference.shape[1]
    adjusted = np.zeros(len(observed))
    for k, value in enumerate(observed):
        steps = []
        for larger in observed[observed >= value]:
            left = reference[observed <= larger]
            steps.append(((left.max(axis=0) >= larger).sum() + 1) / (resamples + 1))
        adjusted[k] = max(steps)
    return adjusted


def single_step(observed: np.ndarray, reference: np.ndarray) -> np.ndarray:
    largest = reference.max(axis=0)
    return np.array([((largest >= value).sum() + 1) / (reference.shape[1] + 1) for value in observed])


@st.composite
def families(draw) -> tuple[np.ndarray, np.ndarray]:
    """Statistics with many ties (small whole numbers) or none, correlated or not."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    hypotheses, resamples = draw(st.integers(1, 9)), draw(st.integers(1, 60))
    reference = np.abs(
        rng.normal(size=(hypotheses, resamples)) + draw(st.sampled_from([0, 3])) * rng.normal(size=resamples)
    )
    observed = np.abs(rng.normal(size=hypotheses)) * draw(st.sampled_from([0, 1, 4]))
    return (np.round(observed), np.round(reference)) if draw(st.booleans()) else (observed, reference)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(families(), st.integers(1, 4))
def test_adjusted_p_values_are_those_of_the_definition_in_however_many_parts_resamples_come(family, parts: int) -> None:
    observed, reference = family
    found = counted(observed, reference, parts).adjusted()
    assert found == pytest.approx(by_definition(observed, reference), abs=1e-15)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(families())
def test_step_down_lies_between_no_correction_and_single_step_and_never_favours_the_smaller_statistic(family) -> None:
    observed, reference = family
    counts = counted(observed, reference)
    alone, adjusted = counts.p_values(), counts.adjusted()
    assert (alone <= adjusted).all()
    assert (adjusted <= single_step(observed, reference) + 1e-15).all()
    assert ((adjusted > 0) & (adjusted <= 1)).all()
    for one, two in itertools.permutations(range(len(observed)), 2):
        if observed[one] >= observed[two]:
            assert adjusted[one] <= adjusted[two]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(families(), st.integers(0, 10**6))
def test_the_order_of_hypotheses_and_copies_of_one_change_no_p_value(family, seed: int) -> None:
    observed, reference = family
    order = np.random.default_rng(seed).permutation(len(observed))
    adjusted = counted(observed, reference).adjusted()
    assert (counted(observed[order], reference[order]).adjusted() == adjusted[order]).all()
    twice = np.append(np.arange(len(observed)), order[0])
    assert (counted(observed[twice], reference[twice]).adjusted() == adjusted[twice]).all()


def test_of_one_hypothesis_nothing_is_adjusted() -> None:
    counts = counted(np.array([1.5]), np.array([[0.1, 1.5, 2.0, 0.3]]))
    assert counts.p_values() == counts.adjusted() == pytest.approx([3 / 5])  # a tie counts as reached


def test_by_hand() -> None:
    reference = np.array([[1, 5, 2, 0], [4, 1, 1, 0], [3, 2, 6, 0]], float)
    # 4: of all, the largest (4, 5, 6, 0) reach it three times. 3: of the last two (4, 2, 6), twice;
    #    but not less than the first.
    counts = counted(np.array([4.0, 1.0, 3.0]), reference)
    assert counts.adjusted() == pytest.approx([4 / 5, 4 / 5, 4 / 5])
    assert counts.p_values() == pytest.approx([2 / 5, 4 / 5, 3 / 5])
    assert counted(np.array([7.0, 1.0, 3.0]), reference).adjusted() == pytest.approx([1 / 5, 4 / 5, 3 / 5])


def test_rounding_decides_no_tie() -> None:
    reference = np.array([[0.1 + 0.2, 1.0]])
    for observed in (0.3, 0.1 + 0.2):
        assert counted(np.array([observed]), reference).p_values() == pytest.approx([3 / 3])


def test_a_statistic_without_variance_is_as_sure_as_resamples_can_tell_and_leaves_the_others_alone() -> None:
    rng = np.random.default_rng(0)
    reference = np.abs(rng.normal(size=(3, 99)))
    observed = np.array([1.0, 2.0, 3.0])
    sure = counted(np.append(observed, np.inf), np.vstack([reference, np.zeros(99)])).adjusted()
    assert sure[-1] == 1 / 100
    assert (sure[:-1] == counted(observed, reference).adjusted()).all()


def test_statistics_that_go_together_cost_less_than_holm_says() -> None:
    """Twenty hypotheses that are nearly one: max-T asks what one asks, Holm twenty times as
    much.
    """
    rng = np.random.default_rng(1)
    reference = np.abs(rng.normal(size=5000) + 0.01 * rng.normal(size=(20, 5000)))
    counts = counted(np.full(20, 2.4), reference)
    assert counts.adjusted()[0] == pytest.approx(0.0164, abs=0.006)
    assert holm(counts.p_values())[0] > 0.2


def test_the_critical_value_is_what_the_largest_exceeds_with_probability_alpha() -> None:
    rng = np.random.default_rng(2)
    reference = np.abs(rng.normal(size=(10, 20_000)))
    assert counted(np.ones(10), reference, 7).critical(0.05) == pytest.approx(2.80, abs=0.03)  # (2 Φ(c) - 1)^10 = 0.95


@given(st.integers(1, 10**5), st.integers(1, 10**5), st.sampled_from([0.001, 0.05, 0.5]))
def test_with_max_t_resamples_do_not_grow_with_the_pairs_and_suffice_to_reject(
    pairs: int, least: int, alpha: float
) -> None:
    resamples = resamples_for(pairs, least, alpha, "maxt")
    assert resamples == resamples_for(1, least, alpha, "maxt") >= least
    assert 1 / (resamples + 1) < alpha


@pytest.mark.parametrize("pairs", [1, 66, 435, 4950])
def test_enough_resamples_are_drawn_that_holm_can_reject_in_a_table_of_any_size(pairs: int) -> None:
    smallest = 2 / (resamples_for(pairs, 1000, 0.05, "holm") + 1)
    assert smallest * pairs < 0.05


def test_holm_by_the_book() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)
