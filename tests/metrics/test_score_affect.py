"""Metrics of a signed target in closed form, above all where the three conventions of Acc-2 and
F1 disagree.
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Task
from bench.leaderboard import render
from bench.metrics.own import OWN
from bench.metrics.scoring import evaluator, score, value
from bench.results.records import TaskSummary
from bench.stages.audits import at_chance
from support.fake_exports import SEEDS, make_export

CONVENTIONS = ("neg_pos", "neg_nonneg", "nonpos_pos")
SIGNED = [name for name, metric in OWN.items() if metric.path.startswith("bench.metrics.sentiment:")]


def scores(truth: list[float], outputs: list[float]) -> dict[str, float]:
    y, p = np.array(truth, np.float32), np.array(outputs, np.float32)[:, None]
    return {name: value(name, y, p) for name in SIGNED}


def test_a_neutral_truth_is_left_out_by_one_convention_and_counted_on_either_side_by_the_others():
    got = scores([0, 0, 1, -1], [0.5, -0.5, 2, -2])
    assert got["acc2_neg_pos"] == 1.0
    assert got["acc2_neg_nonneg"] == 0.75, "0 is positive: the prediction -0.5 is wrong"
    assert got["acc2_nonpos_pos"] == 0.75, "0 is negative: the prediction 0.5 is wrong"
    assert scores([0, 0, 0, 1], [0.1, 0.2, 0.3, 1])["acc2_neg_nonneg"] == 1.0
    assert scores([0, 0, 0, 1], [0.1, 0.2, 0.3, 1])["acc2_nonpos_pos"] == 0.25


def test_a_prediction_of_exactly_0_is_positive_only_where_0_is():
    got = scores([1, -1], [0, 0])
    assert [got[f"acc2_{name}"] for name in CONVENTIONS] == [0.5, 0.5, 0.5]
    assert [scores([1], [0])[f"acc2_{name}"] for name in CONVENTIONS] == [0.0, 1.0, 0.0]


def test_f1_weighs_the_sides_by_true_counts_and_not_by_predicted_ones():
    truth, outputs = [1, 1, 1, -1], [1, -1, -1, -1]  # true counts 3 and 1, predicted counts 1 and 3
    upper, lower = 2 * 1 / (3 + 1), 2 * 1 / (1 + 3)
    assert scores(truth, outputs)["f1_neg_pos"] == pytest.approx((3 * upper + 1 * lower) / 4)
    truth, outputs = [1, 1, 1, 1, -1], [1, 1, 1, -1, -1]
    upper, lower = 2 * 3 / (4 + 3), 2 * 1 / (1 + 2)
    got = scores(truth, outputs)
    assert got["f1_neg_pos"] == pytest.approx((4 * upper + 1 * lower) / 5)
    assert got["f1_neg_pos"] != pytest.approx((3 * upper + 2 * lower) / 5), "weights are those of the predictions"
    assert got["f1_macro_neg_pos"] == pytest.approx((upper + lower) / 2)


def test_classes_are_rounded_after_clipping_and_a_half_goes_to_the_even_number():
    assert scores([3, -3, 2.4, 0.6], [9, -3.2, 2, 1.4])["acc7"] == 1.0
    assert scores([0.5, 1.5, 2.5], [0, 2, 2])["acc7"] == 1.0
    assert scores([0.5], [1])["acc7"] == 0.0
    assert scores([3, -3], [2, -2])["acc7"] == 0.0
    assert scores([3, -3], [2, -2])["acc5"] == 1.0
    assert scores([3, -2.6], [1.4, -2])["acc5"] == 0.5


def test_correlation_is_of_all_values_and_not_clipped():
    y, p = np.array([1, -1, 3, 0], np.float32), np.array([10, -7, 20, 1], np.float32)
    assert value("corr", y, p[:, None]) == pytest.approx(np.corrcoef(y, p)[0, 1], rel=1e-6)
    assert scores([1, 2, 3], [-1, -2, -3])["corr"] == pytest.approx(-1)


def test_what_nothing_defines_is_nan():
    assert math.isnan(scores([1, 2, 3], [0.5, 0.5, 0.5])["corr"])
    assert math.isnan(scores([2, 2], [0, 1])["corr"])
    zeros = scores([0, 0], [1, -1])
    assert math.isnan(zeros["acc2_neg_pos"])
    assert math.isnan(zeros["f1_neg_pos"])
    assert math.isnan(zeros["f1_macro_neg_pos"])
    assert zeros["acc2_neg_nonneg"] == 0.5


values = st.lists(st.sampled_from([-3, -1.2, -0.4, 0, 0.4, 1, 2.6]), min_size=2, max_size=12)


@settings(max_examples=30, deadline=None)
@given(values, st.data())
def test_weights_say_the_same_as_repeating_records(truth: list[float], data: st.DataObject):
    outputs = data.draw(st.lists(st.sampled_from([-2.0, -0.5, 0, 0.3, 1.7]), min_size=len(truth), max_size=len(truth)))
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(truth), max_size=len(truth)))
    if not sum(counts):
        counts[0] = 1
    y, p = np.array(truth, np.float32), np.array(outputs, np.float32)[:, None]
    repeated = np.repeat(y, counts), np.repeat(p, counts, axis=0)
    weights = np.array(counts, np.float32)[:, None]
    for name in SIGNED:
        got = float(evaluator(name, y, p)(weights)[0])
        assert got == pytest.approx(value(name, *repeated), abs=1e-6, nan_ok=True), name


@settings(max_examples=30, deadline=None)
@given(values, st.data())
def test_turning_every_sign_around_exchanges_the_two_conventions_that_count_neutrals(truth, data):
    outputs = data.draw(st.lists(st.sampled_from([-2.0, -0.5, 0, 0.3]), min_size=len(truth), max_size=len(truth)))
    here, there = scores(truth, outputs), scores([-v for v in truth], [-v for v in outputs])
    for kind in ("acc2", "f1", "f1_macro"):
        assert here[f"{kind}_neg_nonneg"] == pytest.approx(there[f"{kind}_nonpos_pos"])
    for name in ("corr", "acc7", "acc5"):
        assert here[name] == pytest.approx(there[name], nan_ok=True)


def test_a_forecast_counts_value_by_value():
    truth = np.array([[1, -1], [0, 2]], np.float32)
    outputs = np.array([[1, 1], [-1, 2]], np.float32)
    assert value("acc2_neg_pos", truth, outputs) == pytest.approx(2 / 3)
    weights = np.array([[1.0, 2.0], [1.0, 0.0]])
    assert evaluator("acc2_neg_pos", truth, outputs)(weights) == pytest.approx([2 / 3, 1 / 2])


TASK = Task("sentiment", "regression", ("mae", "corr", "acc2_neg_pos"))


def test_an_undefined_correlation_is_left_out_of_the_scores_and_the_cell_does_not_fail():
    got = score(TASK, np.array([1, -1, 2], np.float32), np.zeros((3, 1), np.float32))
    assert got.values == {"mae": pytest.approx(4 / 3), "acc2_neg_pos": pytest.approx(1 / 3)}
    assert got.undefined == ["corr"]


def test_a_constant_prediction_of_permuted_labels_is_at_chance():
    audit = at_chance(TASK, np.linspace(-3, 3, 40, dtype=np.float32), np.full((40, 1), 0.3, np.float32))
    assert audit.passed
    ranked = np.linspace(-1, 1, 40, dtype=np.float32)
    assert not at_chance(TASK, ranked, ranked[:, None]).passed


def test_a_metric_that_always_exists_still_fails_the_cell():
    task = Task("t", "binary", ("auroc",))
    with pytest.raises(ValueError, match="auroc cannot be computed"):
        score(task, np.ones(4, np.float32), np.full((4, 1), 0.5, np.float32))


def test_a_row_without_a_correlation_keeps_its_rank_and_the_table_says_nan():
    summary = TaskSummary("sentiment", "regression", TASK.metrics, "sentiment")
    export = make_export(imputers=("mean",), fusers=("gbm", "linear"), tasks=[summary], audit_cells=False)
    for record in export.records:
        if record.coordinates.fuser == "gbm":
            del record.scores["corr"]
    rows = {row["fuser"]: row for row in json.loads(render(export)["json"])["tables"][0]["rows"]}
    assert rows["gbm"]["rank"]
    assert rows["gbm"]["seeds_ok"] == list(SEEDS)
    lines = render(export)["md"].decode().splitlines()
    (header,) = [line for line in lines if line.startswith("| rank")]
    (line,) = [line for line in lines if "| gbm" in line and "3 ok" in line and "NaN" in line]
    place = [cell.strip() for cell in header.split("|")].index("Corr ↑")
    assert line.split("|")[place].strip() == "NaN"
