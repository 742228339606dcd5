"""Statistics: weighted metrics equal scikit-learn's, resamples are paired, Holm, tie groups,
resolution floor.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.own import OWN
from bench.metrics.scoring import evaluator, value
from bench.results.coordinates import Method, TableKey, method_in
from bench.results.predictions import Predictions
from bench.results.records import Comparison, Statistics, TaskSummary
from bench.statistics import differences, resampling
from bench.statistics.corrections import resamples_for
from bench.statistics.paired import compute
from bench.statistics.resampling import too_few, too_many
from bench.statistics.ties import resolution_floor, tie_groups
from support.fake_exports import IHM, LOS, SEEDS, simulated

TABLE = TableKey("ihm", "all", "natural")


def method(name: str) -> Method:
    return method_in(TABLE, name, "gbm")


def binary(rng: np.random.Generator, n: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth of both classes and scores on so many levels (few levels = many ties)."""
    truth = (rng.random(n) < 0.4).astype(np.float32)
    truth[:2] = 0, 1
    return truth, (rng.integers(0, levels, n) / levels).astype(np.float32)[:, None]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(3, 40), st.sampled_from([2, 5, 10**6]))
def test_weighted_binary_metrics_equal_scikit_learns_with_ties_and_weights(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    truth, outputs = binary(rng, n, levels)
    weights = rng.integers(0, 4, (n, 5)).astype(np.float64)
    weights[:2] += 1
    score = outputs[:, 0]
    expected = {
        "auroc": lambda w: sk.roc_auc_score(truth, score, sample_weight=w),
        "auprc": lambda w: sk.average_precision_score(truth, score, sample_weight=w),
        "f1": lambda w: sk.f1_score(truth, score >= 0.5, sample_weight=w, zero_division=0),
        "accuracy": lambda w: sk.accuracy_score(truth, score >= 0.5, sample_weight=w),
        "balanced_accuracy": lambda w: sk.balanced_accuracy_score(truth, score >= 0.5, sample_weight=w),
        "kappa": lambda w: sk.cohen_kappa_score(truth, score >= 0.5, sample_weight=w),
        "mcc": lambda w: sk.matthews_corrcoef(truth, score >= 0.5, sample_weight=w),
        "auprc_baseline": lambda w: np.average(truth, weights=w),
        "concordance": lambda w: sk.roc_auc_score(truth, score, sample_weight=w),
        "brier": lambda w: np.average((score - truth) ** 2, weights=w),
    }
    for name, function in expected.items():
        found = evaluator(name, truth, outputs)(weights)
        assert found == pytest.approx([function(w) for w in weights.T], abs=1e-9), name


def test_weighted_multiclass_metrics_are_one_against_the_rest_averaged_with_equal_weight() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 80).astype(np.float32)
    outputs = rng.dirichlet(np.ones(3), 80).astype(np.float32).round(1)
    weights = rng.integers(1, 4, (80, 4)).astype(np.float64)
    for index, w in enumerate(weights.T):
        one = [sk.roc_auc_score(truth == k, outputs[:, k], sample_weight=w) for k in range(3)]
        assert evaluator("auroc", truth, outputs)(weights)[index] == pytest.approx(np.mean(one))
        precision = sk.average_precision_score(truth, outputs, sample_weight=w)
        assert evaluator("auprc", truth, outputs)(weights)[index] == pytest.approx(precision)
        f1 = sk.f1_score(truth, outputs.argmax(1), average="macro", sample_weight=w)
        assert evaluator("f1", truth, outputs)(weights)[index] == pytest.approx(f1)
        decided = outputs.argmax(1)
        for name, function in (
            ("balanced_accuracy", sk.balanced_accuracy_score),
            ("kappa", sk.cohen_kappa_score),
            ("mcc", sk.matthews_corrcoef),
        ):
            expected = function(truth, decided, sample_weight=w)
            assert evaluator(name, truth, outputs)(weights)[index] == pytest.approx(expected), name


def test_weighted_multilabel_metrics_are_averaged_over_labels() -> None:
    rng = np.random.default_rng(4)
    truth = (rng.random((60, 3)) < 0.5).astype(np.float32)
    outputs = rng.random((60, 3)).astype(np.float32)
    weights = rng.integers(1, 4, (60, 2)).astype(np.float64)
    for index, w in enumerate(weights.T):
        expected = {
            "auroc": sk.roc_auc_score(truth, outputs, average="macro", sample_weight=w),
            "auprc": sk.average_precision_score(truth, outputs, sample_weight=w),
            "f1": sk.f1_score(truth, outputs >= 0.5, average="macro", sample_weight=w),
            "accuracy": sk.accuracy_score(truth, outputs >= 0.5, sample_weight=w),
        }
        for name, one in expected.items():
            assert evaluator(name, truth, outputs)(weights)[index] == pytest.approx(one), name


def test_every_metric_of_probabilities_has_a_weighted_form_that_agrees_with_it_when_all_weights_are_one() -> None:
    assert all(metric.load().weighted for metric in OWN.values())
    scored = [name for name, metric in OWN.items() if "binary" in metric.kinds and not metric.asks]
    rng = np.random.default_rng(5)
    truth, outputs = binary(rng, 200, 50)
    for name in scored:
        found = evaluator(name, truth, outputs)(np.ones((200, 1)))[0]
        assert found == pytest.approx(value(name, truth, outputs), abs=1e-6), name


def test_weighted_errors_of_a_forecast_are_averaged_over_all_its_values() -> None:
    rng = np.random.default_rng(6)
    truth, outputs = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(50, 4)).astype(np.float32)
    weights = rng.integers(0, 4, (50, 3)).astype(np.float64)
    for index, w in enumerate(weights.T):
        expected = {
            "mae": sk.mean_absolute_error(truth, outputs, sample_weight=w),
            "mse": sk.mean_squared_error(truth, outputs, sample_weight=w),
            "rmse": sk.mean_squared_error(truth, outputs, sample_weight=w) ** 0.5,
        }
        for name, error in expected.items():
            assert evaluator(name, truth, outputs)(weights)[index] == pytest.approx(error), name
    for name in ("mae", "mse", "rmse"):
        found = evaluator(name, truth, outputs)(np.ones((50, 1)))[0]
        assert found == pytest.approx(value(name, truth, outputs), rel=1e-5)


def test_a_weighting_without_a_class_has_no_auroc_and_no_auprc() -> None:
    truth, outputs = np.array([0, 0, 1], np.float32), np.array([[0.1], [0.2], [0.9]], np.float32)
    weights = np.array([[1, 1], [1, 1], [0, 1]], np.float32)
    assert np.isnan(evaluator("auroc", truth, outputs)(weights)).tolist() == [True, False]
    assert np.isnan(evaluator("auprc", truth, outputs)(weights)).tolist() == [True, False]


def test_identical_predictions_differ_by_zero_with_p_one() -> None:
    cells = simulated({"a": 0.0, "b": 0.0})
    found = compute(cells, [IHM], resamples=200)
    [comparison] = found.comparisons
    assert (comparison.difference, comparison.low, comparison.high, comparison.standard_error) == (0, 0, 0, 0)
    assert (comparison.p, comparison.p_adjusted) == (1, 1)
    assert resolution_floor(found, TABLE) is None


def test_a_method_that_is_clearly_better_is_told_apart_and_ties_stay_together() -> None:
    found = compute(simulated({"good": 0.0, "twin": 0.05, "bad": 4.0}), [IHM])
    by_pair = {(c.a.imputer, c.b.imputer): c for c in found.comparisons}
    assert by_pair["bad", "good"].p_adjusted < 0.01
    assert by_pair["bad", "good"].difference < -0.1
    assert by_pair["bad", "good"].high < 0
    assert by_pair["good", "twin"].p_adjusted > 0.05
    assert tie_groups([method("good"), method("twin"), method("bad")], found.comparisons) == [1, 1, 2]


def test_differences_keep_the_metrics_own_direction() -> None:
    rng = np.random.default_rng(0)
    ids, truth = np.arange(100).astype(str), rng.normal(size=100).astype(np.float32)
    cells = {
        Method("los", "all", "natural", name, "gbm"): {
            1: Predictions(ids, ids, truth, (truth + size * rng.normal(size=100)).astype(np.float32)[:, None])
        }
        for name, size in (("near", 0.1), ("wide", 1.0))
    }
    [comparison] = compute(cells, [LOS], resamples=300).comparisons
    assert (comparison.a.imputer, comparison.metric) == ("near", "mae")
    assert comparison.difference < 0


def grown(noise: dict[tuple[str, str], float], n: int = 400) -> dict[Method, dict[int, Predictions]]:
    """(modality set, imputer) -> noise, on one test set."""
    names = {f"{modalities} {imputer}": size for (modalities, imputer), size in noise.items()}
    return {replace_modalities(method): row for method, row in simulated(names, n).items()}


def replace_modalities(method: Method) -> Method:
    modalities, imputer = method.imputer.split()
    return Method(method.task, modalities, method.scenario, imputer, method.fuser)


def test_a_larger_modality_set_is_compared_with_the_smaller_method_by_method() -> None:
    cells = grown({("one", "a"): 3.0, ("two", "a"): 0.3, ("one", "b"): 1.0, ("two", "b"): 1.0, ("two", "c"): 1.0})
    gains = compute(cells, [IHM], modalities=["one", "two"]).gains
    assert [(g.a.modalities, g.b.modalities, g.a.imputer, g.b.imputer) for g in gains] == [
        ("two", "one", "a", "a"),
        ("two", "one", "b", "b"),
    ]
    assert gains[0].low > 0.02
    assert gains[0].p_adjusted < 0.01
    assert gains[1].low < 0 < gains[1].high
    assert gains[1].p_adjusted > 0.05


def test_gains_of_one_pair_equal_the_comparison_of_those_two_methods_in_one_table() -> None:
    cells = grown({("one", "a"): 2.0, ("two", "a"): 0.3}, n=1000)
    [gain] = compute(cells, [IHM], resamples=4000, modalities=["one", "two"]).gains
    together = {Method("ihm", "all", "natural", m.modalities, "gbm"): row for m, row in cells.items()}
    [comparison] = compute(together, [IHM], resamples=4000).comparisons
    assert gain.difference == pytest.approx(-comparison.difference)
    assert gain.standard_error == pytest.approx(comparison.standard_error, rel=0.1)


def test_modality_sets_that_are_not_named_or_lack_a_seed_have_no_gain() -> None:
    cells = grown({("one", "a"): 1.0, ("two", "a"): 0.5})
    assert compute(cells, [IHM], resamples=100).gains == []
    assert compute(cells, [IHM], resamples=100, modalities=["one"]).gains == []
    short = {m: dict(list(row.items())[: 2 if m.modalities == "two" else 3]) for m, row in cells.items()}
    assert compute(short, [IHM], resamples=100, modalities=["one", "two"]).gains == []


def test_the_order_of_methods_seeds_and_records_changes_nothing() -> None:
    cells = simulated({"a": 0.2, "b": 0.5, "c": 1.0}, n=120)
    order = np.random.default_rng(1).permutation(120)
    shuffled = {
        name: {
            seed: Predictions(*(getattr(p, f)[order] for f in ("ids", "groups", "truth", "outputs")))
            for seed, p in reversed(seeds.items())
        }
        for name, seeds in reversed(cells.items())
    }
    assert compute(cells, [IHM]) == compute(shuffled, [IHM])


def test_the_size_of_chunks_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = simulated({"a": 0.2, "b": 0.5}, n=100)
    whole = compute(cells, [IHM], resamples=333)
    monkeypatch.setattr(resampling, "_CHUNK", 1000)
    monkeypatch.setattr(differences, "_HELD", 10)
    assert compute(cells, [IHM], resamples=333) == whole


def test_whole_groups_are_drawn_so_copies_of_a_patients_record_do_not_narrow_an_interval() -> None:
    cells = simulated({"a": 0.5}, n=100)
    [interval] = compute(cells, [IHM], resamples=2000).intervals
    copied = {
        name: {
            seed: Predictions(
                np.concatenate([p.ids, np.char.add(p.ids, "copy")]),
                *(np.concatenate([getattr(p, f)] * 2) for f in ("groups", "truth", "outputs")),
            )
            for seed, p in seeds.items()
        }
        for name, seeds in cells.items()
    }
    [twice] = compute(copied, [IHM], resamples=2000).intervals
    assert twice.standard_error == pytest.approx(interval.standard_error, rel=1e-6)
    apart = {m: {s: replace(p, groups=p.ids) for s, p in row.items()} for m, row in copied.items()}
    [fooled] = compute(apart, [IHM], resamples=2000).intervals
    assert fooled.standard_error < 0.9 * interval.standard_error


def test_the_standard_error_of_a_mean_is_the_closed_form_over_patients() -> None:
    rng = np.random.default_rng(2)
    ids, error = np.arange(500).astype(str), rng.exponential(size=500).astype(np.float32)
    cells = {
        Method("los", "all", "natural", "a", "b"): {1: Predictions(ids, ids, np.zeros(500, np.float32), error[:, None])}
    }
    [interval] = compute(cells, [LOS], resamples=4000).intervals
    assert interval.standard_error == pytest.approx(error.std() / np.sqrt(500), rel=0.05)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_seeds_add_their_whole_variance_though_they_are_few(count: int) -> None:
    """One patient-free case: every patient has the same error within a seed, so only the seeds
    scatter.
    """
    ids, levels = np.arange(50).astype(str), np.random.default_rng(9).normal(5, 1, count)
    cells = {
        Method("los", "all", "natural", "a", "b"): {
            seed: Predictions(ids, ids, np.zeros(50, np.float32), np.full((50, 1), level, np.float32))
            for seed, level in enumerate(levels)
        }
    }
    [interval] = compute(cells, [LOS], resamples=20_000).intervals
    assert interval.standard_error == pytest.approx(levels.std(ddof=1) / np.sqrt(count), rel=0.03)


def test_a_resample_without_a_class_is_left_out_and_counted_and_too_many_mean_no_statistics() -> None:
    rare = simulated({"a": 0.2, "b": 2.0}, n=40, prevalence=0.1, seed=1)
    [table] = compute(rare, [IHM], resamples=500).tables
    assert 0 < table.left_out < 50
    assert table.reason == ""
    ids = np.arange(30).astype(str)
    truth = np.zeros(30, np.float32)
    truth[0] = 1
    outputs = np.linspace(0, 1, 30, dtype=np.float32)[:, None]
    groups = np.array(["only", *(f"other {k % 8}" for k in range(29))])
    found = compute({method("a"): {1: Predictions(ids, groups, truth, outputs)}}, [IHM], resamples=100)
    assert found.intervals == []
    assert "lack a class" in found.tables[0].reason


def of_groups(count: int, modalities: str = "all", noise: float = 0.0) -> dict[Method, dict[int, Predictions]]:
    """Two methods, the second far worse, on 60 records of so many patients."""
    rng = np.random.default_rng(0)
    ids, truth = np.arange(60).astype(str), (np.arange(60) // 30).astype(np.float32)
    groups = np.array([f"g{k % count}" for k in range(60)])
    return {
        Method("ihm", modalities, "natural", name, "gbm"): {
            1: Predictions(ids, groups, truth, (truth + size * rng.normal(size=60)).astype(np.float32)[:, None])
        }
        for name, size in (("good", 0.1 + noise), ("bad", 9.0))
    }


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        (1, "not compared: 1 test group, at least 6 are needed"),
        (5, "not compared: 5 test groups, at least 6 are needed"),
        (6, ""),
    ],
)
def test_of_a_handful_of_patients_nothing_is_told_apart(count: int, reason: str) -> None:
    cells = of_groups(count, "small", 0.5) | of_groups(count, "large")
    found = compute(cells, [IHM], resamples=200, modalities=("small", "large"))
    assert [table.reason for table in found.tables] == [reason, reason]
    assert [bool(found.intervals), bool(found.comparisons), bool(found.gains)] == [not reason] * 3


def test_how_many_patients_are_needed_follows_from_alpha() -> None:
    assert [bool(too_few(7, alpha)) for alpha in (0.05, 0.02, 0.01)] == [False, False, True]


def test_a_method_that_lacks_a_seed_is_not_compared_and_named() -> None:
    cells = simulated({"a": 0.2, "b": 0.5, "c": 1.0})
    del cells[method("b")][52]
    found = compute(cells, [IHM], resamples=100)
    assert [(c.a.imputer, c.b.imputer) for c in found.comparisons] == [("a", "c")]
    assert "b + gbm" in found.tables[0].reason
    assert found.tables[0].seeds == SEEDS


def test_methods_scored_on_other_test_records_are_not_compared_at_all() -> None:
    cells = simulated({"a": 0.2, "b": 0.5})
    one = cells[method("b")][72]
    cells[method("b")][72] = Predictions(one.ids[1:], one.groups[1:], one.truth[1:], one.outputs[1:])
    found = compute(cells, [IHM], resamples=100)
    assert (found.comparisons, found.intervals) == ([], [])
    assert "b + gbm at seed 72 was scored on other test ids" in found.tables[0].reason


def test_any_metric_can_be_compared_and_tables_do_not_mix() -> None:
    cells = simulated({"a": 0.2, "b": 0.5}, n=100)
    cells |= {Method("ihm", "all", "mcar", m.imputer, m.fuser): seeds for m, seeds in cells.items()}
    found = compute(cells, [IHM], metrics=["auprc", "brier"], resamples=100)
    assert [(t.scenario, t.metric) for t in found.tables] == [
        ("mcar", "auprc"), ("mcar", "brier"), ("natural", "auprc"), ("natural", "brier"),
    ]  # fmt: skip
    assert all(c.a.scenario == c.b.scenario for c in found.comparisons)


def test_two_equal_methods_on_one_seed_are_told_apart_as_often_as_alpha_says() -> None:
    told = [
        compute(simulated({"a": 0.7, "b": 0.7}, n=300, seeds=(1,), seed=seed), [IHM], resamples=400).comparisons[0].p
        < 0.05
        for seed in range(400)
    ]
    assert np.mean(told) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 400))


def test_with_several_seeds_equal_methods_are_told_apart_less_often() -> None:
    told = [
        compute(simulated({"a": 0.7, "b": 0.7}, n=200, seed=seed), [IHM], resamples=400).comparisons[0].p < 0.05
        for seed in range(200)
    ]
    assert np.mean(told) <= 0.05


def apart(*pairs: tuple[str, str]) -> list[Comparison]:
    return [Comparison(method(a), method(b), "auroc", 0.1, 0, 0, 0.1, 0.001, 0.01) for a, b in pairs]


def test_tie_groups_are_about_their_leader() -> None:
    ranked = [method(name) for name in "abcd"]
    assert tie_groups(ranked, apart()) == [1, 1, 1, 1]
    assert tie_groups(ranked, apart(("a", "c"), ("d", "a"))) == [1, 1, 2, 2]
    assert tie_groups(ranked, apart(("a", "b"), ("a", "d"), ("b", "d"))) == [1, 2, 1, 3]
    assert tie_groups(ranked, apart(("b", "c"))) == [1, 1, 1, 1]
    assert tie_groups([], []) == []


def test_the_resolution_floor_is_the_difference_found_with_eighty_per_cent_power() -> None:
    comparisons = [
        replace_error(c, error)
        for c, error in zip(apart(("a", "b"), ("a", "c"), ("b", "c")), (0.01, 0.02, 0.0), strict=True)
    ]
    statistics = Statistics(resamples=1000, alpha=0.05, seed=0, comparisons=comparisons)
    assert resolution_floor(statistics, TABLE) == pytest.approx((1.959964 + 0.841621) * 0.015, rel=1e-6)
    corrected = resolution_floor(statistics, TABLE, corrected=True)
    assert corrected == pytest.approx((2.393980 + 0.841621) * 0.015, rel=1e-6)
    assert resolution_floor(statistics, ("los", "all", "natural")) is None


def replace_error(comparison: Comparison, error: float) -> Comparison:
    return msgspec.structs.replace(comparison, standard_error=error)


def test_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        compute({}, [IHM], alpha=0)
    assert compute({}, [TaskSummary("ihm", "binary", ("auroc",))]).tables == []


@given(st.integers(1, 10**6), st.integers(2, 200), st.sampled_from([0.0001, 0.001, 0.05, 0.5]))
def test_however_many_resamples_are_asked_for_what_is_held_is_bounded(least: int, methods: int, alpha: float) -> None:
    pairs = methods * (methods - 1) // 2
    resamples = resamples_for(pairs, least, alpha, "holm")
    refused = too_many(resamples, methods, pairs, alpha)
    assert bool(refused) == (resamples * methods * 8 > 640_000_000 or pairs > 100_000)
    if (least, alpha) == (1000, 0.05):
        assert bool(refused) == (methods > 126)


def test_a_table_of_very_many_methods_is_compared_as_far_as_its_pairs_can_be_stored() -> None:
    assert too_many(2000, 447, 447 * 446 // 2, 0.05) == ""
    assert "100,128 pairs of 448 methods, and 100,000 are compared at most" in too_many(2000, 448, 448 * 447 // 2, 0.05)


@pytest.mark.parametrize(("resamples", "alpha"), [(10**6, 0.05), (1000, 0.0001)])
def test_a_table_that_would_hold_too_much_says_so_at_once_and_has_no_statistics(resamples: int, alpha: float) -> None:
    rng = np.random.default_rng(0)
    ids, truth = np.arange(60).astype(str), np.repeat([0, 1], 30).astype(np.float32)
    cells = {
        method(f"m{number}"): {1: Predictions(ids, ids, truth, rng.random((60, 1), np.float32))} for number in range(90)
    }
    made = compute(cells, [IHM], resamples=resamples, alpha=alpha, correction="holm")
    assert not made.comparisons
    assert (
        "scores are held at most; raise stats.alpha, lower stats.resamples, compare fewer methods"
        in made.tables[0].reason
    )
