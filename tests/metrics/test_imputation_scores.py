"""Scores of imputed values on hidden entries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import imputation as module
from bench.metrics.imputation import imputation_scores, lower_median, median, record_sums, scores_of


def literal(truth: list[float], draws: list[list[float]]) -> dict[str, float]:
    """The definitions, entry by entry; draws[d][k]."""
    count = len(draws)
    absolute = squared = quantile = 0.0
    for k, y in enumerate(truth):
        ordered = sorted(draw[k] for draw in draws)
        point = ordered[math.ceil(count / 2) - 1]
        absolute += abs(point - y)
        squared += (point - y) ** 2
        for step in range(1, 20):
            q = step / 20
            place = q * (count - 1)
            below = math.floor(place)
            above = min(below + 1, count - 1)
            value = ordered[below] + (place - below) * (ordered[above] - ordered[below])
            quantile += 2 * abs((value - y) * ((1.0 if y <= value else 0.0) - q)) / 19
    scores = {
        "mae": absolute / len(truth),
        "rmse": math.sqrt(squared / len(truth)),
        "crps": quantile / sum(abs(y) for y in truth),
        "hidden": len(truth),
    }
    if count > 1:
        ends = {"coverage50": (0.25, 0.75), "coverage90": (0.05, 0.95)}
        for name, (low, high) in ends.items():
            inside = [
                np.quantile(d, low) <= y <= np.quantile(d, high)
                for y, d in zip(truth, zip(*draws, strict=True), strict=True)
            ]
            scores[name] = sum(inside) / len(truth)
    return scores


def random_case(seed: int, draws: int) -> tuple[dict, dict, dict]:
    rng = np.random.default_rng(seed)
    shapes = {"a": (7, 5, 3), "b": (7, 5, 1)}
    truth = {m: rng.normal(size=shape).astype(np.float32) for m, shape in shapes.items()}
    made = {m: rng.normal(size=(draws, *shape)).astype(np.float32) for m, shape in shapes.items()}
    hidden = {m: rng.random(shape) < 0.3 for m, shape in shapes.items()}
    return truth, made, hidden


@given(st.integers(0, 1000), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_scores_equal_the_definitions_written_out_entry_by_entry(seed: int, draws: int) -> None:
    truth, made, hidden = random_case(seed, draws)
    got = imputation_scores(truth, made, hidden)
    chosen = {m: (truth[m][hidden[m]].tolist(), made[m][:, hidden[m]].tolist()) for m in truth}
    both = [chosen["a"][0] + chosen["b"][0], [x + y for x, y in zip(chosen["a"][1], chosen["b"][1], strict=True)]]
    for name, (known, values) in {**chosen, "all": both}.items():
        assert got[name] == pytest.approx(literal(known, values), rel=1e-9)


def test_a_case_worked_out_by_hand() -> None:
    truth = {"m": np.array([[[1.0], [-2.0], [5.0]]], np.float32)}
    hidden = {"m": np.array([[[True], [True], [False]]])}
    made = {"m": np.array([[[[2.0], [-2.0], [9.0]]], [[[4.0], [1.0], [9.0]]]], np.float32)}
    scores = imputation_scores(truth, made, hidden)
    assert scores["m"] == scores["all"]
    # Lower medians 2 and -2. Quantiles 2 + 2q and -2 + 3q lie above the truth, so each loses 2 (1 -
    # q) (value - truth): summed over both entries 2 (1 - q) (1 + 5q), whose mean over the 19 levels
    # is 2.75. The first truth, 1, lies outside the draws 2 and 4; the second, -2, is the lower
    # draw, below every inner quantile.
    expected = {"mae": 0.5, "rmse": math.sqrt(0.5), "crps": 2.75 / 3, "hidden": 2, "coverage50": 0, "coverage90": 0}
    assert scores["m"] == pytest.approx(expected)


def test_crps_of_a_point_forecast_is_its_absolute_error_over_the_mean_size_of_the_truth() -> None:
    truth, made, hidden = random_case(3, 1)
    scores = imputation_scores(truth, made, hidden)
    for name in truth:
        size = np.abs(truth[name][hidden[name]]).mean()
        assert scores[name]["crps"] == pytest.approx(scores[name]["mae"] / size, rel=1e-6)


def test_equal_draws_score_like_a_single_one() -> None:
    truth, made, hidden = random_case(4, 1)
    many = {name: np.repeat(values, 7, axis=0) for name, values in made.items()}
    single = imputation_scores(truth, made, hidden)
    for name, scores in imputation_scores(truth, many, hidden).items():
        shared = {metric: value for metric, value in scores.items() if not metric.startswith("coverage")}
        assert shared == pytest.approx(single[name])


def test_a_single_draw_has_no_coverage_since_it_has_no_interval() -> None:
    truth, made, hidden = random_case(4, 1)
    assert all(
        scores.keys() == {"mae", "rmse", "crps", "hidden"} for scores in imputation_scores(truth, made, hidden).values()
    )


@pytest.mark.parametrize("draws", [3, 10, 100])
def test_exact_draws_cover_the_level_less_what_so_few_draws_cost(draws: int) -> None:
    rng = np.random.default_rng(draws)
    n = 20_000
    scores = imputation_scores({"m": rng.random(n)}, {"m": rng.random((draws, n))})["m"]
    error = 4 / math.sqrt(n) / 2
    for level, name in ((0.5, "coverage50"), (0.9, "coverage90")):
        assert scores[name] == pytest.approx(level * (draws - 1) / (draws + 1), abs=error)


def test_the_sums_of_records_add_up_to_the_sums_of_all_and_lie_where_their_entries_do() -> None:
    truth, made, hidden = random_case(11, 4)
    hidden["a"][2] = False
    sums = record_sums("a", truth["a"], made["a"], hidden["a"])
    assert not sums[2].any()
    for record in (0, 5):
        alone = record_sums("a", truth["a"][[record]], made["a"][:, [record]], hidden["a"][[record]])
        assert sums[record] == pytest.approx(alone[0])
    assert scores_of({"a": sums.sum(axis=0)})["a"] == pytest.approx(imputation_scores(truth, made, hidden)["a"])


def test_a_perfect_imputation_scores_0() -> None:
    truth, _, hidden = random_case(5, 1)
    scores = imputation_scores(truth, {name: values[None] for name, values in truth.items()}, hidden)["all"]
    assert (scores["mae"], scores["rmse"], scores["crps"]) == (0, 0, 0)


def test_entries_already_gathered_score_like_those_of_a_grid() -> None:
    truth, made, hidden = random_case(6, 5)
    gathered = imputation_scores({m: truth[m][hidden[m]] for m in truth}, {m: made[m][:, hidden[m]] for m in truth})
    for name, scores in imputation_scores(truth, made, hidden).items():
        assert gathered[name] == pytest.approx(scores)


def test_what_is_not_hidden_is_not_looked_at() -> None:
    truth, made, hidden = random_case(7, 3)
    spoiled = {m: np.where(hidden[m], values, np.nan) for m, values in made.items()}
    unknown = {m: np.where(hidden[m], values, np.nan) for m, values in truth.items()}
    assert imputation_scores(unknown, spoiled, hidden) == imputation_scores(truth, made, hidden)


def test_a_modality_without_hidden_entries_is_left_out_and_so_is_all_where_there_is_none() -> None:
    truth, made, hidden = random_case(8, 2)
    hidden["b"][:] = False
    scores = imputation_scores(truth, made, hidden)
    assert scores.keys() == {"a", "all"}
    assert scores["a"] == scores["all"]
    assert imputation_scores(truth, made, {m: np.zeros_like(mask) for m, mask in hidden.items()}) == {}


def test_crps_is_left_out_where_its_divisor_is_0() -> None:
    scores = imputation_scores({"m": np.zeros(3, np.float32)}, {"m": np.ones((1, 3), np.float32)})
    assert scores["m"] == {"mae": 1.0, "rmse": 1.0, "hidden": 3.0}


def test_values_that_are_not_finite_are_refused_and_counted() -> None:
    truth, made, hidden = random_case(9, 2)
    made["a"][:] = np.nan
    with pytest.raises(ValueError, match=f"a: {2 * int(hidden['a'].sum())} values"):
        imputation_scores(truth, made, hidden)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        imputation_scores({"m": np.zeros((2, 3, 1))}, {"m": np.zeros((2, 3, 1))})


def test_scores_and_medians_do_not_depend_on_how_records_are_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, made, hidden = random_case(10, 4)
    scores, medians = imputation_scores(truth, made, hidden), lower_median(made["a"])
    monkeypatch.setattr(module, "CHUNK", 1)
    for name, again in imputation_scores(truth, made, hidden).items():
        assert again == pytest.approx(scores[name])
    assert np.array_equal(lower_median(made["a"]), medians)


@pytest.mark.parametrize(("draws", "expected"), [([3], 3), ([9, 1], 1), ([5, 9, 1], 5), ([4, 1, 3, 2], 2)])
def test_the_lower_median_is_the_draw_number_half_the_count_rounded_up(draws: list[float], expected: float) -> None:
    assert lower_median(np.array(draws, np.float32).reshape(-1, 1, 1)).item() == expected


def test_the_50th_of_100_draws_is_the_lower_median() -> None:
    draws = np.random.default_rng(0).permutation(np.arange(1, 101, dtype=np.float32))
    assert lower_median(draws.reshape(100, 1, 1, 1)).item() == 50


def test_fusers_are_given_the_middle_of_the_two_middle_draws_and_of_an_odd_number_the_middle_one() -> None:
    four, three = np.array([7, 1, 2, 4], np.float32), np.array([7, 1, 2], np.float32)
    assert median(four.reshape(4, 1, 1, 1)).item() == 3
    assert median(three.reshape(3, 1, 1, 1)).item() == 2


def test_draws_that_agree_have_a_median_that_is_the_same_to_the_bit() -> None:
    value = np.random.default_rng(0).normal(size=(1, 5, 3, 2)).astype(np.float32) * np.float32(1e38)
    assert np.array_equal(median(np.repeat(value, 4, axis=0)), value[0])
