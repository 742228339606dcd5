"""What became of methods over runs: from exports to lines, marks and a page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from bench.errors import UsageError
from bench.history import History, Line, blocks, history
from bench.history.chosen import chooser
from bench.leaderboard.render.markdown import to_markdown
from bench.leaderboard.render.terminal import to_terminal
from bench.results.records import Export
from support.fake_exports import SEEDS, alter
from support.made_runs import made_run, noisy

STEP = {("locf", "gru"): (8, -0.009)}


def of(exports: Sequence[Export], *metrics: str, **more: Any) -> History:
    return history(exports, chooser(exports, metrics), **more)


def line(found: History, metric: str, imputer: str = "locf", fuser: str = "gru") -> Line:
    return next(each for each in found.lines if (each.metric, *each.method.pair) == (metric, imputer, fuser))


def runs(count: int = 12, steps: dict = STEP, **changes: Any) -> list[Export]:
    value = noisy(steps)
    return [made_run(number, value, **changes) for number in range(count)]


def edited(exports: list[Export], at: int, **ingredients: str) -> list[Export]:
    """The runs from one on made of other ingredients."""
    before = dict.fromkeys(ingredients, "0")
    return [
        msgspec.structs.replace(export, ingredients=dict(ingredients) if number >= at else before)
        for number, export in enumerate(exports)
    ]


def test_a_step_is_marked_where_it_is_with_its_direction_its_size_and_what_differs() -> None:
    ingredients = {"source of fuser gru": "1", "source of fuser gbm": "1", "source of imputer locf": "0", "cells": "1"}
    found = of(edited(runs(), 8, **ingredients))
    marked = {(each.metric, *each.method.pair): each.steps for each in found.lines if each.steps}
    assert list(marked) == [("auroc", "locf", "gru")]
    [step] = marked["auroc", "locf", "gru"]
    assert (step.before, step.run, step.better) == (7, 8, False)
    assert step.noticed in (8, 9)
    assert step.low < -0.009 < step.high
    assert step.changed == ["source of fuser gru"]


def test_a_line_has_a_point_for_each_run_with_its_mean_its_interval_and_its_change() -> None:
    exports = runs(4, {})
    points = line(of(exports), "auroc").points
    values = [
        sum(r.scores["auroc"] for r in e.records if (r.coordinates.imputer, r.coordinates.fuser) == ("locf", "gru")) / 3
        for e in exports
    ]
    assert [point.value for point in points] == pytest.approx(values)
    assert [point.change for point in points[1:]] == pytest.approx([b - a for a, b in itertools.pairwise(values)])
    assert points[0].change is None
    for point in points:
        assert point.low < point.value < point.high
    for point in points[1:]:
        assert point.change_low < point.change < point.change_high


def test_the_usual_lines_are_the_primary_metric_the_error_and_the_seconds_of_a_fit() -> None:
    found = of(runs(2))
    assert {(each.kind, each.metric) for each in found.lines} == {
        ("score", "auroc"), ("imputation", "mae"), ("cost", "fit_seconds"),
    }  # fmt: skip
    assert {(each.kind, each.metric) for each in of(runs(2), "f1", "crps", "parameters").lines} == {
        ("score", "f1"), ("imputation", "crps"), ("cost", "parameters"),
    }  # fmt: skip
    with pytest.raises(UsageError, match='did you mean "auroc"'):
        of(runs(2), "aurocc")


def test_rows_are_chosen_by_labels_and_an_imputation_is_of_every_task_and_of_no_fuser() -> None:
    found = of(runs(2), rows={"imputer": ["locf"], "task": ["ihm"]})
    assert {each.method.pair for each in found.lines} == {("locf", "gbm"), ("locf", "gru"), ("locf", "")}
    assert {each.method.pair for each in of(runs(2), rows={"fuser": ["gbm"]}).lines} == {
        ("mean", "gbm"),
        ("locf", "gbm"),
    }


def test_runs_of_the_same_cells_are_one_run() -> None:
    exports = runs(6, {})
    doubled = [each for export in exports for each in (export, export)]
    once, twice = line(of(exports), "auroc"), line(of(doubled), "auroc")
    assert [point.same for point in twice.points] == [False, True] * 6
    assert [(p.value, p.low) for p in twice.points[::2]] == [(p.value, p.low) for p in once.points]


def test_a_method_that_is_deterministic_on_a_cpu_steps_with_every_change() -> None:
    value = noisy({("locf", "gru"): (2, 1e-5)}, noise=0.0)
    exports = [made_run(number, value, deterministic=["imputer locf", "fuser gru"]) for number in range(3)]
    found = line(of(exports), "auroc")
    assert found.exact
    [step] = found.steps
    assert (step.run, step.low, step.better) == (2, None, True)
    for export in exports:
        alter(export.records[-1], provenance={**export.records[-1].provenance, "device type": "cuda"})
    assert not line(of(exports), "auroc").exact


def test_another_test_begins_the_line_again_and_says_why() -> None:
    exports = runs(8, {("locf", "gru"): (4, -0.5)})
    for export in exports[4:]:
        for record in export.records:
            alter(record, provenance={**record.provenance, "manifest": "d2" * 32})
    found = line(of(exports), "auroc")
    assert found.steps == []
    assert [bool(point.note) for point in found.points] == [False] * 4 + [True] + [False] * 3
    assert "digest of the data" in found.points[4].note
    assert found.points[4].change is None


def test_a_run_in_which_a_cell_is_not_ok_says_so_and_is_no_evidence() -> None:
    exports = runs(5, {})
    broken = next(r for r in exports[2].records if (r.coordinates.imputer, r.coordinates.fuser) == ("locf", "gru"))
    alter(broken, status="failed", reason="it broke", scores={})
    found = line(of(exports), "auroc")
    assert [point.value is None for point in found.points] == [False, False, True, False, False]
    assert found.points[2].note == "1 of 3 cells: failed: it broke"
    assert found.points[3].change == pytest.approx(found.points[3].value - found.points[1].value)


def test_a_method_that_a_run_did_not_plan_has_no_value_there() -> None:
    exports = [made_run(0, noisy(), fusers=["gbm"]), *runs(2)]
    assert [point.note for point in line(of(exports), "auroc").points] == ["not planned", "", ""]


def test_more_seeds_go_on_with_those_that_all_runs_have_and_other_seeds_begin_again() -> None:
    value = noisy()
    exports = [made_run(k, value, seeds=SEEDS[:2] if k < 2 else SEEDS) for k in range(4)]
    found = line(of(exports), "auroc")
    assert found.seeds == [*SEEDS[:2]]
    assert not any(point.note for point in found.points)
    exports = [made_run(k, value, seeds=SEEDS[:1] if k < 2 else SEEDS[1:]) for k in range(4)]
    assert [point.note for point in line(of(exports), "auroc").points] == ["", "", "no seed in common", ""]


def test_costs_are_ratios_run_by_run_and_begin_again_on_another_device() -> None:
    value = noisy()
    seconds = [1.0, 1.1, 0.95, 1.05, 1.0, 0.98, 1.02, 1.03, 3.0, 3.1]
    exports = [made_run(k, value, {"fit_seconds": cost}) for k, cost in enumerate(seconds)]
    found = line(of(exports), "fit_seconds")
    [step] = found.steps
    assert (step.run, step.better) == (8, False)
    assert step.size == pytest.approx(2.0, rel=0.05)
    assert found.points[0].low == pytest.approx(1 / found.points[0].high)
    for record in exports[8].records + exports[9].records:
        alter(record, provenance={**record.provenance, "device": "another CPU"})
    assert line(of(exports), "fit_seconds").steps == []


def test_costs_that_are_counted_have_no_noise() -> None:
    exports = [made_run(k, noisy(), {"parameters": 100.0 + (k > 1)}) for k in range(3)]
    [step] = line(of(exports, "parameters"), "parameters").steps
    assert (step.run, step.better) == (2, False)
    assert step.size == pytest.approx(0.01)


def test_a_smaller_alpha_marks_no_more() -> None:
    exports = runs()
    assert [len(line(of(exports, alpha=alpha), "auroc").steps) for alpha in (0.01, 1e-40)] == [1, 0]


def test_the_page_tells_steps_first_then_tables_newest_run_first_and_fits_the_terminal() -> None:
    found = of(edited(runs(), 8, **{"source of fuser gru": "1"}))
    page = to_markdown(blocks(found))
    assert page.index("▼ worse from run **run8**") < page.index("Score: AUROC ↑") < page.index("## Runs")
    assert "What differs from run7: source of fuser gru" in page
    header = next(each for each in page.splitlines() if each.startswith("| imputer") and "run11" in each)
    assert header.index("run11") < header.index("run10") < header.index("run0 ")
    [row] = [each for each in page.splitlines() if each.startswith("| locf") and "▼" in each]
    assert row.count("▼") == 1
    text = to_terminal(blocks(found), 80)
    assert all(len(each) <= 80 for each in text.splitlines())
    assert "Not shown, for want of width: " in text


def test_without_a_step_the_page_says_so() -> None:
    assert "No step is marked." in to_markdown(blocks(of(runs(3, {}))))


def test_while_runs_are_few_the_page_says_so_and_what_to_do() -> None:
    few, enough = (to_markdown(blocks(of(runs(number, {})))) for number in (1, 8))
    assert "have new values in 1 run at most" in few
    assert "bench compare FIRST SECOND" in few
    assert "bench compare" not in enough


def test_a_history_is_plain_data() -> None:
    found = of(runs(3))
    told = json.loads(msgspec.json.encode(found))
    assert [run["name"] for run in told["runs"]] == ["run0", "run1", "run2"]
    assert msgspec.json.decode(msgspec.json.encode(found), type=History) == found
