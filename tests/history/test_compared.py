"""Two runs, quantity by quantity, from their records alone or from the predictions of both."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from scipy import stats

from bench.cli.history import resampled
from bench.history.changed import changed, concerns
from bench.history.chosen import chooser
from bench.history.compared import Change, Compared, blocks, compare
from bench.leaderboard.render.markdown import to_markdown
from bench.results.coordinates import Method
from bench.results.ledger import Ledger
from bench.results.records import Export, Statistics
from bench.results.snapshots import keep, only_suite
from bench.statistics.paired import between, compute
from support.fake_exports import IHM, SEEDS, alter, simulated
from support.made_runs import made_run, noisy


def of(first: Export, second: Export, *metrics: str, **more) -> Compared:
    return compare(first, second, chooser([first, second], metrics), **more)


def change(compared: Compared, metric: str, imputer: str = "locf", fuser: str = "gru") -> Change:
    return next(each for each in compared.changes if (each.metric, *each.method.pair) == (metric, imputer, fuser))


def test_a_score_is_compared_seed_by_seed_as_by_the_paired_t_test() -> None:
    value = noisy()
    found = change(of(made_run(0, value), made_run(1, value)), "auroc")
    before, after = ([value(run, "locf", "gru", seed) for seed in SEEDS] for run in (0, 1))
    known = stats.ttest_rel(after, before)
    assert found.difference == pytest.approx(sum(after) / 3 - sum(before) / 3)
    assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval()))
    assert (found.over, found.seeds) == ("seeds", [*SEEDS])


def test_a_method_without_noise_has_a_difference_and_no_interval() -> None:
    value = noisy()
    first, second = (made_run(run, value, deterministic=["imputer locf", "fuser gru"]) for run in (0, 1))
    found = change(of(first, second), "auroc")
    assert (found.over, found.low) == ("no noise", None)
    assert found.difference != 0


def test_a_run_against_itself_differs_in_nothing() -> None:
    run = made_run(0, noisy())
    compared = of(run, run)
    assert {each.difference for each in compared.changes} == {0.0}
    assert {(each.over, each.low, each.high) for each in compared.changes if each.kind != "cost"} == {
        ("no noise", None, None)
    }


def test_costs_are_relative_and_what_is_measured_once_has_no_interval() -> None:
    value = noisy()
    first, second = made_run(0, value, {"fit_seconds": 2.0}), made_run(1, value, {"fit_seconds": 3.0})
    found = change(of(first, second), "fit_seconds")
    assert (found.difference, found.low, found.over) == (pytest.approx(0.5), None, "")


def test_what_is_another_test_is_not_compared_and_says_why() -> None:
    first, second = made_run(0, noisy()), made_run(1, noisy())
    for record in second.records:
        alter(record, provenance={**record.provenance, "manifest": "d2" * 32})
    compared = of(first, second)
    found = change(compared, "auroc")
    assert found.difference is None
    assert found.note.startswith("not the same digest of the data")
    assert "Not compared (mean + gbm, mean + gru, locf + gbm and 1 more): not the same digest" in to_markdown(
        blocks(compared)
    )


def test_a_method_of_one_run_alone_says_so() -> None:
    first, second = made_run(0, noisy(), fusers=["gbm"]), made_run(1, noisy())
    found = change(of(first, second), "auroc")
    assert found.note.startswith("the first run does not plan it")
    assert (found.first, found.second is None) == (None, False)


def test_predictions_of_both_runs_are_compared_over_patients_and_seeds() -> None:
    """As if the method of the one run were another one in the table of the other."""
    noise = {"steady": 0.8, "worse": 0.8}
    before = simulated(noise)
    after = simulated({"worse": 1.6}, seed=0)
    after = {method: after.get(method) or before[method] for method in before}
    settings = Statistics(resamples=400, alpha=0.05, seed=0, correction="maxt")
    found = between(before, after, [IHM], settings)
    steady, worse = (found[Method("ihm", "all", "natural", name, "gbm")] for name in noise)
    assert (steady.difference, steady.low, steady.high, steady.p_adjusted) == (0.0, 0.0, 0.0, 1.0)
    assert worse.low > 0  # before minus after, in AUROC
    assert worse.p_adjusted < 0.05
    renamed = {msgspec.structs.replace(m, imputer=f"{m.imputer} again"): cells for m, cells in after.items()}
    table = compute({**before, **renamed}, [IHM], resamples=2000)
    beside = next(c for c in table.comparisons if {c.a.imputer, c.b.imputer} == {"worse", "worse again"})
    assert worse.difference == pytest.approx(beside.difference if beside.a.imputer == "worse" else -beside.difference)
    assert worse.standard_error == pytest.approx(beside.standard_error, rel=0.15)


def test_comparisons_of_predictions_take_the_place_of_those_by_seeds() -> None:
    value = noisy()
    first, second = made_run(0, value), made_run(1, value)
    by_seeds = change(of(first, second), "auroc")
    settings = Statistics(resamples=200, alpha=0.05, seed=0)
    cells = simulated({"locf": 0.5}), simulated({"locf": 0.6})
    at = Method("ihm", "all", "natural", "locf", "gbm")
    comparison = between(*cells, [IHM], settings)[at]
    found = change(of(first, second, resampled={by_seeds.method: comparison}), "auroc")
    assert (found.low, found.high) == pytest.approx((-comparison.high, -comparison.low))
    assert (found.over, found.p) == ("patients and seeds", comparison.p_adjusted)


def test_without_a_suite_runs_are_of_the_one_that_is_kept(tmp_path: Path) -> None:
    assert only_suite(tmp_path) == ""
    run = made_run(0, noisy())
    keep(tmp_path, run)
    assert only_suite(tmp_path) == run.suite
    keep(tmp_path, msgspec.structs.replace(run, suite="another"))
    assert only_suite(tmp_path) == ""


LOCF = Method("ihm", "all", "mcar(rate=0.1)", "locf", "gru · fedavg(rounds=2)")


@pytest.mark.parametrize(
    ("ingredient", "expected"),
    [
        ("data", True), ("library torch", True), ("code of stage impute", True), ("source of dataset toy", True),
        ("source of imputer locf", True), ("source of imputer mean", False), ("parameters of imputer locf", True),
        ("source of fuser gru", True), ("source of fuser gbm", False), ("parameters of fuser gru(hidden=3)", False),
        ("source of federation fedavg", True), ("source of federation local", False),
        ("parameters of scenario mcar(rate=0.1)", True), ("source of scenario block", False),
        ("task ihm", True), ("task los", False), ("modality set all", True), ("modality set labs", False),
        ("metric auroc", True),
    ],
)  # fmt: skip
def test_what_concerns_other_methods_alone_is_no_reason(ingredient: str, expected: bool) -> None:
    assert concerns(ingredient, LOCF) is expected


def test_what_differs_is_not_known_of_an_export_that_does_not_note_it() -> None:
    run = made_run(0, noisy())
    noted = msgspec.structs.replace(run, ingredients={"data": "1", "cells": "1"})
    assert changed(run, noted) is None
    assert changed(noted, msgspec.structs.replace(run, ingredients={"data": "2", "cells": "2"})) == ["data"]


def test_a_row_with_another_parameter_is_compared_with_the_one_of_its_names_and_says_so() -> None:
    value = noisy()
    first, second = made_run(0, value, fusers=["gru"]), made_run(1, value, fusers=["gru(hidden=3)"])
    pair = change(of(first, second), "auroc", fuser="gru(hidden=3)")
    assert (pair.note, pair.paired and pair.paired.pair) == ("", ("locf", "gru"))
    assert pair.difference is not None
    page = to_markdown(blocks(of(first, second)))
    assert "locf + gru(hidden=3) is compared with locf + gru of the first run." in page


def test_seeds_that_all_differ_by_the_same_have_no_noise_and_no_interval() -> None:
    first, second = (made_run(run, lambda run, imputer, fuser, seed: 0.8 + run / 100) for run in (0, 1))
    found = change(of(first, second), "auroc")
    assert (found.over, found.low, found.high) == ("no noise", None, None)
    assert found.difference == pytest.approx(0.01)


def test_a_row_with_another_parameter_is_deterministic_under_the_label_of_each_run() -> None:
    value = noisy()
    first, second = (
        made_run(run, value, fusers=[fuser], deterministic=["imputer locf", f"fuser {fuser}"])
        for run, fuser in enumerate(("gru", "gru(hidden=3)"))
    )
    assert change(of(first, second), "auroc", fuser="gru(hidden=3)").over == "no noise"


def test_a_row_with_another_parameter_is_compared_by_the_predictions_of_both_runs(tmp_path: Path) -> None:
    cells = simulated({"locf": 0.8, "again": 1.6})
    ledger, runs = Ledger(tmp_path), []
    for imputer, fuser in (("locf", "gbm"), ("again", "gbm(hidden=3)")):
        run = made_run(len(runs), noisy(), imputers=["locf"], fusers=[fuser], scenarios=["natural"])
        of_seeds = cells[Method("ihm", "all", "natural", imputer, "gbm")]
        records = [ledger.write(r, of_seeds[r.coordinates.seed]) for r in run.records]
        runs.append(msgspec.structs.replace(run, records=records))
    compared = of(*runs, resampled=resampled(*runs, tmp_path))
    pair = change(compared, "auroc", fuser="gbm(hidden=3)")
    assert (pair.over, pair.paired and pair.paired.fuser) == ("patients and seeds", "gbm")
    assert pair.low is not None
    assert pair.high is not None
    assert pair.low < pair.high < 0


def test_a_row_of_names_that_stand_twice_is_compared_with_none() -> None:
    first = made_run(0, noisy(), fusers=["gru"])
    second = made_run(1, noisy(), fusers=["gru(hidden=3)", "gru(hidden=4)"])
    compared = of(first, second)
    assert not any(each.paired for each in compared.changes if each.method.fuser)
    assert change(compared, "auroc").note == "the second run does not plan it; run the same grid as the first run"
    assert change(compared, "auroc", fuser="gru(hidden=4)").note == "the first run does not plan it"
