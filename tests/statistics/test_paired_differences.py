"""From resamples to p-values: laws that hold whatever the methods are called, and variances
whose closed form is known.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.results.coordinates import Method, TableKey, method_in
from bench.results.predictions import Predictions
from bench.results.records import Comparison
from bench.statistics.differences import _contrasts, compare, intervals
from bench.statistics.paired import compute
from bench.statistics.resampling import Level, Resampled, joined, resample
from support.fake_exports import IHM, simulated

TABLE = TableKey("los", "all", "natural")


def method(name: str) -> Method:
    return method_in(TABLE, name, "gbm")


def of_means(values: np.ndarray, resamples: int = 400, seed: int = 0) -> Resampled:
    """Methods whose score is a mean over patients. values: float64 [methods, seeds, patients],
    or with splits first.
    """
    splits = values if values.ndim == 4 else values[None]
    rng = np.random.default_rng(seed)
    return joined(
        [
            resample(
                each.mean(axis=2), lambda w, each=each: each @ w / w.sum(axis=0), np.arange(each.shape[2]), each.shape[2],
                resamples, rng,
            )
            for each in splits
        ]
    )  # fmt: skip


def compared(resampled: Resampled, names: str = "", correction: str = "maxt") -> dict[frozenset[str], Comparison]:
    """The comparisons of all pairs, by names of their methods; a letter each, in the order
    given.
    """
    methods = [method(name) for name in names or "abcdefghijkl"[: len(resampled.scores)]]
    pairs = list(combinations(range(len(methods)), 2))
    found, _ = compare(methods, pairs, "mae", resampled, 0.05, correction, (0, "place"))
    return {frozenset((c.a.imputer, c.b.imputer)): c for c in found}


def patients(seed: int, methods: int, seeds: int = 3, count: int = 60, apart: float = 0.2) -> np.ndarray:
    """float64 [methods, seeds, patients]: what patients, seeds and both together do, and methods
    that differ by `apart`.
    """
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1, 1, count)) + 0.5 * rng.normal(size=(methods, 1, count))
    values = values + 0.1 * rng.normal(size=(methods, seeds, 1)) + 0.3 * rng.normal(size=(methods, seeds, count))
    return values + apart * np.arange(methods)[:, None, None]


def same(one: Comparison, two: Comparison) -> bool:
    """Equal but for rounding and for which of both is taken from which."""
    sign = 1 if one.a.imputer == two.a.imputer else -1
    low, high = (two.low, two.high) if sign == 1 else (-two.high, -two.low)
    numbers = one.difference, one.low, one.high, one.standard_error
    others = sign * two.difference, low, high, two.standard_error
    return (one.p, one.p_adjusted) == (two.p, two.p_adjusted) and numbers == pytest.approx(others, rel=1e-9, abs=1e-12)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.permutations(range(5)), st.sampled_from([1, 3]), st.sampled_from(["maxt", "holm"]))
def test_neither_the_order_nor_the_names_of_methods_change_a_number(seed, order, seeds, correction) -> None:
    resampled = of_means(patients(seed, 5, seeds))
    level = {"levels": tuple(_taken(level, order) for level in resampled.levels)}
    shuffled = Resampled(resampled.scores[order], resampled.drawn[order], **level, groups=60, left_out=0)
    names = "".join("abcde"[k] for k in order)
    plain, other = compared(resampled, correction=correction), compared(shuffled, names, correction)
    assert all(same(plain[pair], other[pair]) for pair in plain)


def _taken(level, order):
    return replace(level, apart=level.apart[order], within=level.within[np.ix_(order, order)])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(0, 3), st.sampled_from([1, 3]))
def test_a_method_that_is_there_twice_changes_no_other_pair_and_is_never_told_from_its_copy(seed, twice, seeds) -> None:
    values = patients(seed, 4, seeds)
    plain = compared(of_means(values))
    more = compared(of_means(np.concatenate([values, values[[twice]]])))
    copy = more.pop(frozenset(("e", "abcd"[twice])))
    assert (copy.difference, copy.low, copy.high, copy.standard_error, copy.p, copy.p_adjusted) == (0, 0, 0, 0, 1, 1)
    for pair, comparison in more.items():
        original = plain[frozenset("abcd"[twice] if name == "e" else name for name in pair)]
        assert (comparison.p, comparison.p_adjusted) == (original.p, original.p_adjusted)
        assert comparison.standard_error == pytest.approx(original.standard_error)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]))
def test_adjusted_p_values_are_never_below_the_plain_ones(seed, seeds) -> None:
    resampled = of_means(patients(seed, 6, seeds))
    by_max_t, by_holm = compared(resampled), compared(resampled, correction="holm")
    for pair, comparison in by_max_t.items():
        assert comparison.p == by_holm[pair].p <= comparison.p_adjusted <= 1
        assert comparison.p <= by_holm[pair].p_adjusted <= 1


def test_of_all_pairs_of_methods_max_t_tells_more_apart_than_holm() -> None:
    found = {"maxt": 0, "holm": 0}
    for seed in range(20):
        resampled = of_means(patients(seed, 8), resamples=2000)
        for correction in found:
            found[correction] += sum(c.p_adjusted < 0.05 for c in compared(resampled, correction=correction).values())
    assert found["maxt"] > found["holm"] > 0


def test_the_adjusted_p_value_of_the_only_pair_is_its_p_value() -> None:
    [comparison] = compared(of_means(patients(1, 2))).values()
    assert 0 < comparison.p == comparison.p_adjusted < 1


def test_methods_of_which_only_two_differ_at_all() -> None:
    """The third has the first's score in every resample: one hypothesis, and nothing without a
    variance disturbs it.
    """
    values = patients(3, 2)
    found = compared(of_means(np.concatenate([values, values[:1]])))
    assert found[frozenset("ac")].p_adjusted == 1
    assert (
        found[frozenset("ab")].p_adjusted == found[frozenset("bc")].p == compared(of_means(values))[frozenset("ab")].p
    )


def test_a_difference_without_variance_is_as_sure_as_resamples_can_tell() -> None:
    values = patients(4, 2)
    shifted = np.concatenate([values, values[:1] + 0.01])
    comparison = compared(of_means(shifted))[frozenset("ac")]
    assert comparison.p == comparison.p_adjusted == 1 / 401
    assert (comparison.low, comparison.high) == pytest.approx((-0.01, -0.01))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_what_patients_and_seeds_do_together_is_counted_once(seeds: int) -> None:
    """Nothing but noise of its own in each patient under each seed: the variance of the mean is
    that of all of them.
    """
    rng = np.random.default_rng(seeds)
    shares = []
    for draw in range(60):
        values = rng.normal(size=(4, seeds, 80))
        found = compared(of_means(values, seed=draw))
        shares += [c.standard_error**2 / (2 / (80 * seeds)) for c in found.values()]
    # A part that cannot be negative is too large on average, most with two seeds. Draws of seeds
    # would count it three times.
    assert 0.95 < np.mean(shares) < 2.4


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(2, 7))
def test_contrasts_are_the_independent_ones_among_methods_that_vary(seed: int, methods: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = np.array([pair for pair in combinations(range(methods), 2) if rng.random() < 0.5] or [(0, 1)])
    varies = rng.random(methods) < 0.6
    level = Level("seeds", np.zeros((methods, 3)), np.diag(varies.astype(float)), 2)
    differences = np.zeros((len(pairs), methods))
    differences[np.arange(len(pairs)), pairs[:, 0]], differences[np.arange(len(pairs)), pairs[:, 1]] = 1, -1
    expected = np.linalg.matrix_rank(differences[:, varies]) if varies.any() else 0
    assert _contrasts(level, pairs[:, 0], pairs[:, 1], 1e-12) == max(1, expected)


def test_the_scatter_of_seeds_is_counted_whole() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=(6, 4, 1)), 50, axis=2)
    found = compared(of_means(values)).values()
    of_own = {c.a.imputer + c.b.imputer: c.standard_error for c in found}
    levels = values[:, :, 0]
    for a, b in combinations(range(6), 2):
        own = (levels[a] - levels[b]).var(ddof=1) / 4
        assert of_own["abcdef"[a] + "abcdef"[b]] ** 2 == pytest.approx(own)


def test_a_pair_whose_seeds_scatter_little_by_chance_leans_on_the_others() -> None:
    """Ten methods whose seeds all have the same variance: none of the 45 variances is far below
    the true one.
    """
    rng = np.random.default_rng(2)
    values = 0.3 * rng.normal(size=(10, 3, 1)) + 0.5 * rng.normal(size=(10, 3, 50))
    true = 2 * (0.3**2 + 0.5**2 / 50) / 3
    found = np.array([c.standard_error**2 for c in compared(of_means(values)).values()])
    own = [(one - two).mean(axis=1).var(ddof=1) / 3 for one, two in combinations(values, 2)]
    assert min(own) < 0.1 * true
    assert found.min() > 0.4 * true


def test_methods_that_are_the_same_under_all_seeds_have_no_scatter_of_seeds() -> None:
    values = patients(5, 4)
    values[2:] = values[2:, :1]
    steady = compared(of_means(values))[frozenset("cd")]
    alone = compared(of_means(values[2:, :1]))[frozenset("ab")]
    assert steady.standard_error == pytest.approx(alone.standard_error, rel=1e-6)


def test_few_seeds_make_an_interval_as_wide_as_students_t() -> None:
    """All the variance is that of three seeds, so the score has two degrees of freedom."""
    levels = np.array([1.0, 2.0, 4.0])
    [interval] = intervals([method("a")], "mae", of_means(np.repeat(levels, 30).reshape(1, 3, 30)), 0.05)
    half = 4.302653 * levels.std(ddof=1) / np.sqrt(3)
    assert (interval.low, interval.high) == pytest.approx((7 / 3 - half, 7 / 3 + half))


def test_splits_of_which_each_has_patients_of_its_own_add_their_scatter_once() -> None:
    """Five splits that do not differ: the variance is that of all their patients together."""
    rng = np.random.default_rng(7)
    shares = []
    for draw in range(60):
        found = compared(of_means(rng.normal(size=(5, 3, 2, 40)), seed=draw))
        shares += [c.standard_error**2 / (2 / (5 * 2 * 40)) for c in found.values()]
    assert 0.95 < np.mean(shares) < 2


def test_an_interval_and_a_p_value_agree_but_for_chance() -> None:
    agreeing = []
    for seed in range(30):
        for comparison in compared(of_means(patients(seed, 3, apart=0.15), resamples=2000)).values():
            if not 0.03 < comparison.p < 0.07:
                agreeing.append((comparison.p < 0.05) == (comparison.low > 0 or comparison.high < 0))
    assert len(agreeing) > 60
    assert all(agreeing)


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_of_equal_methods_some_pair_is_told_apart_as_often_as_alpha_says(seeds) -> None:
    """Four methods, six pairs, on one test part; 200 of them, so chance alone moves the share by
    0.015.
    """
    noise = dict.fromkeys("abcd", 0.7)
    told = [
        min(c.p_adjusted for c in compute(simulated(noise, 120, seeds, seed=seed), [IHM], resamples=200).comparisons)
        < 0.05
        for seed in range(200)
    ]
    assert np.mean(told) <= 0.05 + 3 * 0.0154
    assert np.mean(told) >= 0.005


def test_predictions_that_rank_alike_are_one_method_to_a_metric_of_ranks() -> None:
    cells = simulated({"a": 0.2, "b": 0.9}, n=100)
    of_a = cells[next(m for m in cells if m.imputer == "a")]
    squared = {seed: Predictions(p.ids, p.groups, p.truth, p.outputs / 2) for seed, p in of_a.items()}
    found = compute(cells | {Method("ihm", "all", "natural", "c", "gbm"): squared}, [IHM], resamples=300)
    by_pair = {c.a.imputer + c.b.imputer: c for c in found.comparisons}
    assert by_pair["ac"].p == by_pair["ac"].p_adjusted == 1
    assert by_pair["ab"].p_adjusted == by_pair["bc"].p_adjusted
