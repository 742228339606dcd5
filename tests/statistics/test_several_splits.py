"""Several splits in one table: each resample stays within the test part of a split, and methods
are paired in all of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench.metrics.imputation import Errors
from bench.results.coordinates import Method, in_words
from bench.results.predictions import Predictions
from bench.statistics.imputation import compare
from bench.statistics.paired import compute
from support.fake_exports import IHM, simulated

A, B = (Method("ihm", "all", "natural", name, "gbm") for name in ("a", "b"))


def fold(number: int, noise: float, n: int = 200) -> dict[Method, Predictions]:
    """Two methods on a test part of its own: other records, other patients than any other fold
    has.
    """
    both = simulated({"a": noise, "b": noise + 0.4}, n=n, seeds=[1], seed=number)
    made = {}
    for method, cells in zip((A, B), both.values(), strict=True):
        part = cells[1]
        ids = np.char.add(f"f{number}-", part.ids.astype(str))
        made[method] = replace(part, ids=ids, groups=np.char.add(f"f{number}-", part.groups.astype(str)))
    return made


def table(folds: dict[str, dict[Method, Predictions]], seed: int = 1):
    cells = {method: {f"{name}/{seed}": each[method] for name, each in folds.items()} for method in (A, B)}
    return compute(cells, [IHM], resamples=500)


def test_one_split_has_the_numbers_it_would_have_under_another_name_of_its_seed() -> None:
    alone = compute({m: {1: p} for m, p in fold(0, 0.5).items()}, [IHM], resamples=500)
    named = table({"fold0": fold(0, 0.5)})
    assert named.intervals == alone.intervals
    assert named.comparisons == alone.comparisons


def test_scores_are_means_over_splits_and_groups_are_those_of_all_test_parts() -> None:
    folds = {f"fold{k}": fold(k, 0.5) for k in range(3)}
    [pair] = table(folds).comparisons
    each = [table({name: made}).comparisons[0].difference for name, made in folds.items()]
    assert pair.difference == pytest.approx(np.mean(each))
    [about] = table(folds).tables
    assert about.groups == 300
    assert about.seeds == ("fold0/1", "fold1/1", "fold2/1")
    assert about.reason == ""


def test_what_differs_between_splits_alone_is_in_the_interval_of_a_score_and_not_in_a_difference() -> None:
    """Of five folds that are easy or hard, the score scatters with the folds drawn; a method and
    its copy never differ.
    """
    noises = [0.05, 0.4, 0.8, 1.6, 3.0]
    folds = {f"fold{k}": fold(k, noise) for k, noise in enumerate(noises)}
    twins = {name: {A: made[A], B: made[A]} for name, made in folds.items()}
    statistics = table(twins)
    [pair] = statistics.comparisons
    assert (pair.difference, pair.low, pair.high, pair.p) == (0.0, 0.0, 0.0, 1.0)
    scores = [roc_auc_score(made[A].truth, made[A].outputs[:, 0]) for made in folds.values()]
    within = [table({name: made}).intervals[0].standard_error for name, made in twins.items()]
    by_patients = np.sum(np.square(within)) / len(folds) ** 2
    by_folds = np.var(scores, ddof=1) / len(folds)  # what patients do within a fold is part of it
    assert by_folds > 2 * by_patients
    assert statistics.intervals[0].standard_error == pytest.approx(np.sqrt(by_folds), rel=1e-9)


def test_a_resample_never_mixes_test_parts() -> None:
    """Predictions of one fold are all lower than those of another: pooled, their AUROC would be
    another number than in either.
    """
    perfect = {k: fold(k, 0.0) for k in range(2)}
    for k, made in perfect.items():
        for method, part in made.items():
            ranks = part.truth[:, None] * 0.1 + (0.8 if k else 0.0)
            made[method] = replace(part, outputs=ranks.astype(np.float32))
    statistics = table({f"fold{k}": made for k, made in perfect.items()})
    assert all((interval.low, interval.high) == (1.0, 1.0) for interval in statistics.intervals)


def test_within_a_split_all_methods_and_seeds_must_have_one_test_part() -> None:
    folds = {"fold0": fold(0, 0.5), "fold1": fold(1, 0.5)}
    folds["fold1"][B] = folds["fold0"][B]
    [about] = table(folds).tables
    assert "was scored on other test ids" in about.reason


def errors(number: int, shift: float) -> Errors:
    rng = np.random.default_rng(number)
    hidden = np.full(60, 10.0)
    absolute = (rng.gamma(2.0, 0.2, 60) + shift) * hidden
    nothing = hidden * np.nan
    sums = np.stack([hidden, absolute, absolute**2, absolute / 2, hidden * 0.7, nothing, nothing], axis=1)
    ids = np.array([f"f{number}r{k}" for k in range(60)])
    return Errors(ids, ids, np.array(["vitals"]), sums[:, None])


def test_imputers_are_compared_over_folds_as_fusers_are() -> None:
    a, b = (Method("", "all", "mcar", name, "") for name in ("a", "b"))
    cells = {m: {f"fold{k}/1": errors(k, shift) for k in range(5)} for m, shift in ((a, 0.0), (b, 0.05))}
    statistics = compare(cells, resamples=400, alpha=0.05, seed=0)
    [pair] = statistics.comparisons
    assert (pair.difference, pair.low, pair.high) == pytest.approx((-0.05, -0.05, -0.05))
    [about] = statistics.tables
    assert about.groups == 300
    single = compare({m: {1: errors(0, 0.0)} for m in (a, b)}, resamples=400, alpha=0.05, seed=0)
    mae = [i for i in statistics.intervals if i.metric == "mae" and i.method == a]
    assert mae[0].high > mae[0].low
    assert single.comparisons[0].difference == 0


@pytest.mark.parametrize(
    ("repeats", "words"),
    [
        ([1], "seed: 1"),
        ([1, 2], "seeds: 1, 2"),
        (["fold0/1", "fold1/1"], "splits: fold0, fold1; seed: 1"),
        (["sizes/1", "sizes/2"], "split: sizes; seeds: 1, 2"),
    ],
)
def test_seeds_and_splits_are_told_in_words(repeats, words: str) -> None:
    assert in_words(repeats) == words
