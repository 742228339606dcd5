"""Paired comparisons of imputers: paired in entries, resampled by patient, the same words for
holes as elsewhere.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench.metrics.imputation import Errors, pack, unpack
from bench.results.coordinates import Method
from bench.results.records import ImputationStatistics
from bench.statistics.imputation import compare


def method(name: str, scenario: str = "mcar") -> Method:
    return Method("", "all", scenario, name, "")


def errors(shift: float, seed: int = 0, n: int = 120, mask: int = 0) -> Errors:
    """Two records per patient, about ten hidden entries each; every absolute error is larger by
    `shift`.
    """
    rng = np.random.default_rng(seed)
    hidden = np.random.default_rng(1000 + mask).integers(0, 20, n).astype(float)
    absolute = rng.gamma(2.0, 0.2, n) * hidden + shift * hidden
    sums = np.stack(
        [hidden, absolute, absolute**2, absolute / 2, hidden * 0.7, hidden * np.nan, hidden * np.nan], axis=1
    )
    ids = np.array([f"r{k:04d}" for k in range(n)])
    groups = np.array([f"g{k // 2:04d}" for k in range(n)])
    return Errors(ids, groups, np.array(["vitals"]), sums[:, None])


def made(cells: dict[Method, dict[int, Errors]], **changes) -> ImputationStatistics:
    return compare(cells, **{"resamples": 400, "alpha": 0.05, "seed": 0, **changes})


def test_a_difference_that_every_entry_shares_is_found_exactly_however_errors_scatter() -> None:
    worse, better = errors(0.05), errors(0.0)
    statistics = made({method("a"): {1: better}, method("b"): {1: worse}})
    [pair] = statistics.comparisons
    assert (pair.a.imputer, pair.b.imputer, pair.metric) == ("a", "b", "mae")
    assert pair.difference == pytest.approx(-0.05)
    assert (pair.low, pair.high) == pytest.approx((-0.05, -0.05))
    intervals = {i.method.imputer: i for i in statistics.intervals if i.metric == "mae"}
    assert intervals["a"].high - intervals["a"].low > 0.02


def test_two_imputers_that_fill_alike_cannot_be_told_apart() -> None:
    [pair] = made({method("a"): {1: errors(0.0)}, method("b"): {1: errors(0.0)}}).comparisons
    assert (pair.difference, pair.p_adjusted) == (0.0, 1.0)


def test_the_interval_has_the_width_of_the_ratio_of_sums_over_patients() -> None:
    one = errors(0.0, n=600)
    statistics = made({method("a"): {1: one}, method("b"): {1: errors(0.1, n=600)}}, resamples=4000)
    interval = next(i for i in statistics.intervals if (i.method.imputer, i.metric) == ("a", "mae"))
    sums = one.all.reshape(300, 2, -1).sum(axis=1)
    mae = sums[:, 1].sum() / sums[:, 0].sum()
    residual = sums[:, 1] - mae * sums[:, 0]
    error = np.sqrt((residual**2).sum()) / sums[:, 0].sum()
    assert interval.standard_error == pytest.approx(error, rel=0.1)


def test_the_order_of_records_changes_nothing() -> None:
    one, two = errors(0.0), errors(0.1, seed=3)
    order = np.random.default_rng(5).permutation(len(two.ids))
    shuffled = Errors(two.ids[order], two.groups[order], two.modalities, two.sums[order])
    assert made({method("a"): {1: one}, method("b"): {1: shuffled}}) == made(
        {method("a"): {1: one}, method("b"): {1: two}}
    )


def test_masks_may_differ_between_seeds_but_not_between_imputers() -> None:
    fine = {method(name): {seed: errors(0.0, mask=seed) for seed in (1, 2)} for name in "ab"}
    assert made(fine).tables[0].reason == ""
    fine[method("b")][2] = errors(0.0, mask=3)
    [table] = made(fine).tables
    assert table.reason == "not compared: b was scored on other hidden entries"


def test_an_imputer_that_lacks_a_seed_is_named_and_the_others_are_compared() -> None:
    cells = {method(name): {seed: errors(0.0, mask=seed) for seed in (1, 2)} for name in "abc"}
    del cells[method("c")][2]
    statistics = made(cells)
    assert statistics.tables[0].reason == "not compared, since some of their seeds are missing: c"
    assert {i.method.imputer for i in statistics.intervals} == {"a", "b"}


def test_tables_are_apart_by_scenario() -> None:
    cells = {method(name, scenario): {1: errors(0.0)} for name in "ab" for scenario in ("mcar", "block")}
    statistics = made(cells)
    assert len(statistics.tables) == len(statistics.comparisons) == 2


def test_a_single_hidden_entry_among_many_patients_is_no_ground_for_a_comparison() -> None:
    few = errors(0.0)
    sums = np.zeros_like(few.sums)
    sums[7, 0, :5] = 1
    lone = Errors(few.ids, few.groups, few.modalities, sums)
    [table] = made({method("a"): {1: lone}, method("b"): {1: lone}}).tables
    assert "hold no hidden entry" in table.reason


def test_of_a_handful_of_patients_nothing_is_told_apart() -> None:
    few, enough = (made({method("a"): {1: errors(0.0, n=n)}, method("b"): {1: errors(0.1, n=n)}}) for n in (10, 12))
    assert few.tables[0].reason == "not compared: 5 test groups, at least 6 are needed"
    assert (few.intervals, few.comparisons) == ([], [])
    assert enough.comparisons


def test_errors_come_back_as_they_were_packed_and_equal_ones_are_equal_bytes() -> None:
    one = errors(0.1)
    again = unpack(pack(one))
    assert again.ids.tolist() == one.ids.tolist()
    assert np.array_equal(again.sums, one.sums, equal_nan=True)
    assert pack(errors(0.1)) == pack(one)


def test_what_would_have_to_be_unpickled_is_refused() -> None:
    hostile = pack(Errors(np.array(["r"]), np.array([{"a": 1}], object), np.array(["vitals"]), np.zeros((1, 1, 7))))
    with pytest.raises(ValueError, match="allow_pickle"):
        unpack(hostile)


def test_p_values_of_imputers_are_adjusted_as_those_of_methods_are() -> None:
    cells = {
        method(name): {1: errors(shift), 2: errors(shift, mask=0, seed=9)}
        for name, shift in zip("abc", (0, 0, 0.02), strict=True)
    }
    by_max_t, by_holm = made(cells), made(cells, correction="holm")
    assert by_max_t.tables[0].resamples == 400
    assert by_holm.tables[0].resamples == 600  # 10 for each of three pairs, over alpha
    same, *others = by_max_t.comparisons
    assert (same.p, same.p_adjusted) == (1, 1)
    assert len({(c.p, c.p_adjusted) for c in others}) == 1  # two imputers that fill alike are one
    assert others[0].p == others[0].p_adjusted < by_holm.comparisons[1].p_adjusted
