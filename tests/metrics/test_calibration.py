"""What a record keeps of its predictions: calibration, and scores by which modalities a record
has, never of one patient.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from bench.cohort import Task
from bench.metrics.calibration import BINS, calibration
from bench.metrics.patterns import NOTHING, OTHERS, SMALLEST, by_pattern

BINARY = Task("death", "binary", ("auroc",))
LABELS = Task("phenotypes", "multilabel", ("auroc",), outputs=2)
CLASSES = Task("kinds", "multiclass", ("accuracy",), outputs=3)
VALUE = Task("los", "regression", ("mae",))


def binary(p: list[float], truth: list[int]):
    return calibration(BINARY, np.array(truth, np.float32), np.array(p, np.float32)[:, None])


def test_ece_is_the_mean_distance_of_probability_and_share_over_the_bins() -> None:
    found = binary([0.02] * 10 + [0.8] * 10, [0] * 9 + [1] + [1] * 6 + [0] * 4)
    assert found is not None
    assert found.ece == pytest.approx((abs(0.02 - 0.1) + abs(0.8 - 0.6)) / 2)
    assert [(b.records, b.predicted, b.observed) for b in found.bins] == [
        (10, pytest.approx(0.02), 0.1),
        (10, pytest.approx(0.8), 0.6),
    ]


def test_probabilities_that_come_true_as_often_as_they_say_have_no_calibration_error() -> None:
    found = binary([0.25] * 400, [1] * 100 + [0] * 300)
    assert found is not None
    assert found.ece == pytest.approx(0)
    assert found.brier == pytest.approx(0.25 * 0.75)


def test_certainty_belongs_to_the_last_bin_and_certain_errors_cost_all() -> None:
    found = binary([1.0] * 12 + [0.0] * 12, [0] * 12 + [1] * 12)
    assert found is not None
    assert (found.ece, found.brier) == (1.0, 1.0)
    assert [b.predicted for b in found.bins] == [0.0, 1.0]


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 80), st.integers(0, 10_000))
def test_brier_is_scikit_learns_and_ece_lies_between_0_and_1(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, p = (rng.random(n) < 0.4).astype(np.float32), rng.random((n, 1)).astype(np.float32)
    truth[:2] = 0, 1
    found = calibration(BINARY, truth, p)
    assert found is not None
    assert found.brier == pytest.approx(brier_score_loss(truth, p[:, 0]), rel=1e-6)
    assert abs(p.mean() - truth.mean()) - 1e-6 <= found.ece <= 1


def test_several_labels_average_their_errors() -> None:
    p = np.array([[0.1, 0.9]] * 10, np.float32)
    truth = np.array([[0, 1]] * 10, np.float32)
    found = calibration(LABELS, truth, p)
    one, two = binary([0.1] * 10, [0] * 10), binary([0.9] * 10, [1] * 10)
    assert found is not None
    assert one is not None
    assert two is not None
    assert found.ece == pytest.approx((one.ece + two.ece) / 2)
    assert found.brier == pytest.approx((one.brier + two.brier) / 2)


def test_of_several_classes_the_likeliest_is_taken_at_its_word_and_brier_is_the_sum_over_classes() -> None:
    p = np.array([[0.7, 0.2, 0.1]] * 20, np.float32)
    truth = np.array([0] * 10 + [1] * 10, np.float32)
    found = calibration(CLASSES, truth, p)
    assert found is not None
    assert found.ece == pytest.approx(0.2)
    assert found.brier == pytest.approx((0.09 + 0.04 + 0.01 + 0.49 + 0.64 + 0.01) / 2)


def test_values_and_what_is_no_probability_have_no_calibration() -> None:
    assert calibration(VALUE, np.zeros(20, np.float32), np.zeros((20, 1), np.float32)) is None
    assert binary([1.5] * 20, [1] * 20) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(0, 10_000))
def test_no_bin_and_no_pattern_of_fewer_records_than_allowed_is_kept(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, p = (rng.random(n) < 0.3).astype(np.float32), rng.random((n, 1)).astype(np.float32)
    kept = calibration(BINARY, truth, p)
    assert kept is not None
    assert len(kept.bins) <= BINS
    assert all(b.records >= SMALLEST for b in kept.bins)
    available = {name: rng.random(n) < share for name, share in (("labs", 0.95), ("notes", 0.5), ("cxr", 0.1))}
    patterns = by_pattern(BINARY, truth, p, available)
    assert all(pattern.records >= SMALLEST for pattern in patterns)
    # all or nothing, so that no group can be found by subtraction
    assert sum(pattern.records for pattern in patterns) == (n if n >= SMALLEST else 0)


def test_each_combination_of_modalities_has_the_score_of_its_records() -> None:
    rng = np.random.default_rng(0)
    n = 300
    truth, p = (rng.random(n) < 0.5).astype(np.float32), rng.random((n, 1)).astype(np.float32)
    notes = rng.random(n) < 0.4
    labs = ~((np.arange(n) < 40) & ~notes)
    found = {x.name: x for x in by_pattern(BINARY, truth, p, {"labs": labs, "notes": notes})}
    assert set(found) == {"labs", "labs+notes", NOTHING}
    assert found["labs+notes"].score == pytest.approx(roc_auc_score(truth[labs & notes], p[labs & notes, 0]))
    assert found[NOTHING].records == int((~labs & ~notes).sum())


def test_small_combinations_are_taken_together_and_one_alone_takes_the_smallest_with_it() -> None:
    truth, p = np.tile([0, 1], 50).astype(np.float32), np.linspace(0, 1, 100, dtype=np.float32)[:, None]

    def names(*sizes: int) -> dict[str, int]:
        kind = np.repeat(np.arange(len(sizes)), sizes)
        available = {"a": np.isin(kind, (0, 1)), "b": np.isin(kind, (0, 2))}
        return {x.name: x.records for x in by_pattern(BINARY, truth, p, available)}

    assert names(80, 20) == {"a+b": 80, "a": 20}
    assert names(80, 6, 6, 8) == {"a+b": 80, OTHERS: 20}
    assert names(70, 26, 4) == {"a+b": 70, OTHERS: 30}


def test_a_combination_with_one_class_has_a_count_and_no_score() -> None:
    truth = np.array([0] * 20 + [0, 1] * 10, np.float32)
    p = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
    available = {"labs": np.ones(40, bool), "notes": np.arange(40) < 20}
    found = {x.name: x.score for x in by_pattern(BINARY, truth, p, available)}
    assert found["labs+notes"] is None
    assert found["labs"] is not None


def test_a_run_keeps_both_and_its_report_shows_them_on_a_page_of_its_own(project) -> None:
    project.here("run", project.suite, "imputer=mean")
    records = project.records()
    for record in records:
        assert sum(pattern["records"] for pattern in record["patterns"]) == record["counts"]["test"]
        assert 0 <= record["calibration"]["ece"] <= 1
        assert record["calibration"]["brier"] == pytest.approx(
            record["scores"].get("brier", record["calibration"]["brier"])
        )
    project.here("report", project.suite, "--html")
    folder = project.folder / "results/leaderboards"
    (page,) = folder.glob("*.html")
    assert "Calibration" in page.read_text()
    (export,) = folder.glob("*.records.json")
    assert json.loads(export.read_text())["modality_sets"] == {"all": ["vitals", "labs"]}
