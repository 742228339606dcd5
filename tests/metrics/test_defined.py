"""Where a score is defined: one answer from the score, its bootstrap, thresholds, selection,
calibration and the tables.
"""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Task
from bench.discovery.metric import unfit
from bench.leaderboard import render
from bench.metrics.calibration import calibration
from bench.metrics.own import OWN
from bench.metrics.patterns import by_pattern
from bench.metrics.scoring import evaluator, score, scores_of, value
from bench.results.coordinates import Method
from bench.results.export_file import encode_export
from bench.results.predictions import Predictions
from bench.results.records import Calibration, Export, Pattern, Record, TaskSummary
from bench.selection import selection
from bench.statistics.paired import compute
from support.fake_exports import alter, make_export

pytestmark = pytest.mark.filterwarnings("error")  # no warning of a library leaks, wherever a score is not defined

WIDTHS = {"binary": 1, "multilabel": 3, "multiclass": 3, "regression": 1}
FITTING = [(name, kind) for name, metric in OWN.items() for kind in metric.kinds]
BOTH, POSITIVE, DIFFERING = ("auroc", "balanced_accuracy"), ("auprc", "f1", "f1_tuned"), ("kappa", "mcc")


def expected(name: str, kind: str, truth: np.ndarray, outputs: np.ndarray) -> bool:
    """Whether the score is defined, written out apart from `bench.metrics.defined`."""
    if not len(truth):
        return False
    if name == "corr":
        return len(set(truth.ravel().tolist())) > 1 and len(set(outputs.ravel().tolist())) > 1
    if name.endswith("neg_pos"):
        return bool((truth != 0).any())
    if name == "concordance":
        return all(len(set(column.tolist())) > 1 for column in truth.reshape(len(truth), -1).T)
    if name in DIFFERING and kind == "multiclass":
        return len(set(truth.tolist())) > 1
    if name not in (*BOTH, *POSITIVE, *DIFFERING) and not name.startswith("recall_at"):
        return True
    needs_both = (name in BOTH and kind != "multiclass") or name in DIFFERING
    labels = truth.reshape(len(truth), -1).T if kind != "multiclass" else [(truth == k) for k in range(WIDTHS[kind])]
    return all(1 in label and (0 in label or not (needs_both or name == "auroc")) for label in labels)


@st.composite
def parts(draw: st.DrawFn, kind: str, least: int = 0, most: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Truth and outputs, mostly degenerate: empty, one record, constant, a class or label that
    does not occur.
    """
    n, width = draw(st.integers(least, most)), WIDTHS[kind]
    if kind == "regression":
        width = draw(st.sampled_from([1, 2]))  # a value, or a forecast of two
    pool = {"binary": [0, 1], "multilabel": [0, 1], "multiclass": [0, 1, 2], "regression": [-2, 0, 1.5]}[kind]
    columns = width if kind in ("multilabel", "regression") else 1
    truth = np.zeros((n, columns), np.float32)
    for column in range(columns):
        some = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True))
        truth[:, column] = draw(st.lists(st.sampled_from(some), min_size=n, max_size=n))
    levels = draw(st.sampled_from([[0.5], [0.0], [1.0], [0.1, 0.5, 0.9], [0.2, 0.7]]))
    grades = draw(st.lists(st.sampled_from(levels), min_size=n * width, max_size=n * width))
    outputs = np.array(grades, np.float32).reshape(n, width)
    if kind == "multiclass":
        outputs = (outputs + np.float32(0.1)) / (outputs + np.float32(0.1)).sum(axis=1, keepdims=True)
    return (truth if columns > 1 else truth[:, 0]), outputs


def task_of(name: str, kind: str, outputs: np.ndarray) -> Task:
    metrics = ("f1", name) if OWN[name].asks or OWN[name].higher is None else (name,)
    return Task("t", kind, metrics, outputs=outputs.shape[1])


@pytest.mark.parametrize(("name", "kind"), FITTING)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_score_bootstrap_and_selection_agree_on_what_is_defined(name: str, kind: str, data: st.DataObject) -> None:
    truth, outputs = data.draw(parts(kind))
    counts = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(truth), max_size=len(truth))), int)
    repeated = np.repeat(truth, counts, axis=0), np.repeat(outputs, counts, axis=0)
    asked = {"validation": data.draw(parts(kind))} if OWN[name].asks else {}
    decidable = not asked or expected("f1", kind, *asked["validation"])
    for (t, o), weights in (((truth, outputs), np.ones(len(truth))), (repeated, counts)):
        found = value(name, t, o, **asked)
        assert np.isfinite(found) == (expected(name, kind, t, o) and decidable), (t, o)
        resampled = evaluator(name, truth, outputs, **asked)(weights.astype(np.float32)[:, None])[0]
        assert resampled == pytest.approx(found, abs=1e-6, nan_ok=True)
    chosen = selection(task_of(name, kind, outputs), truth)
    assert (chosen is None) == (len(truth) == 0)
    if chosen is not None:
        measured = chosen.measure(outputs)
        assert measured is None or np.isfinite(measured)
        assert not np.isnan(chosen.rank(outputs)).any()
        if chosen.name == name:
            assert (measured is not None) == expected(name, kind, truth, outputs)
        elif kind == "regression":
            assert not expected(name, kind, truth, np.arange(2))


@pytest.mark.parametrize(("name", "kind"), FITTING)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_cell_has_the_score_or_says_in_our_words_what_is_lacking(name: str, kind: str, data: st.DataObject) -> None:
    truth, outputs = data.draw(parts(kind))
    valid_truth, valid_outputs = data.draw(parts(kind))
    task = task_of(name, kind, outputs)
    asked = {"validation": (valid_truth, valid_outputs)}
    decidable = not OWN[name].asks or expected("f1", kind, valid_truth, valid_outputs)
    there = expected(name, kind, truth, outputs) and decidable
    possible = truth if kind == "multiclass" else np.linspace(0.2, 0.8, truth.size).reshape(truth.shape)
    if not expected(task.primary, kind, truth, possible):  # whatever the predictions are
        words = f"{task.primary} cannot be computed on {len(truth)} records of task t: "
        with pytest.raises(ValueError, match=words):
            score(task, truth, outputs, **asked)
        assert (name in scores_of([name], truth, outputs, asked).values) == there
    else:
        found = score(task, truth, outputs, **asked)
        assert (name in found.values) == there
        assert (name in found.undefined) == (not there)
    calibrated = calibration(task, truth, outputs)
    assert (calibrated is not None) == (kind != "regression" and len(truth) > 0)
    if calibrated and name == "brier":
        assert calibrated.brier == pytest.approx(value("brier", truth, outputs), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "kind"), [(n, k) for n, k in FITTING if not OWN[n].asks and OWN[n].higher is not None]
)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_undefined_score_stands_in_a_table_a_pattern_or_a_statistic(
    name: str, kind: str, data: st.DataObject
) -> None:
    truth, outputs = data.draw(parts(kind, least=10, most=12))
    task, there = task_of(name, kind, outputs), expected(name, kind, truth, outputs)
    [pattern] = by_pattern(task, truth, outputs, {"vitals": np.ones(len(truth), bool)})
    assert (pattern.score is not None) == there

    ids = np.arange(len(truth)).astype(str)
    methods = [Method("t", "all", "natural", "mean", fuser) for fuser in ("gru", "linear")]
    cells = {method: {1: Predictions(ids, ids, truth, outputs)} for method in methods}
    statistics = compute(cells, [task], resamples=40)
    assert all(np.isfinite([i.low, i.high, i.standard_error]).all() for i in statistics.intervals)
    if not there:
        assert not statistics.intervals
        assert "lack" in statistics.tables[0].reason

    def cell(record: Record) -> Record:
        if record.coordinates.fuser == "gbm":
            return record
        try:
            alter(record, scores=score(task, truth, outputs).values)
        except ValueError as error:
            alter(record, scores={}, status="failed", reason=str(error))
        alter(record, patterns=[pattern], calibration=calibration(task, truth, outputs))
        return record

    export = make_export(
        imputers=("mean", "locf"),
        fusers=("gbm", "gru", "linear"),
        seeds=(1,),
        tasks=[TaskSummary("t", kind, (name,))],
        scenarios=("natural", "mcar(rate=0.1)"),
        audit_cells=False,
        statistics=statistics,
    )
    export.records = [cell(record) for record in export.records]
    rendered = render(export, page=True)

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} in the JSON")

    board = json.loads(rendered["json"], parse_constant=refuse)
    for table in board["tables"]:
        for row in table["rows"]:
            ranked = there or row["fuser"] == "gbm"
            assert (row["rank"] is not None) == ranked
            assert bool(row["reasons"]) != ranked
            assert (name in row["scores"]) == ranked
            assert row["interval"] is None or ranked
    assert b"nan" not in rendered["csv"].lower()


@pytest.mark.parametrize(
    ("kind", "truth", "words"),
    [
        ("multiclass", [0, 1, 1, 0], "no record is of class 2"),
        ("multiclass", [1, 1, 1, 1], "no record is of class 0; no record is of class 2"),
        ("binary", [1, 1, 1, 1], "every record is of class 1"),
        ("binary", [], "there is no record"),
        ("multilabel", [[1, 0, 1], [1, 1, 0]], "every record has label 0"),
    ],
)
def test_the_words_name_the_class_or_label(kind: str, truth: list[float], words: str) -> None:
    outputs = np.full((len(truth), WIDTHS[kind]), 1 / WIDTHS[kind], np.float32)
    with pytest.raises(ValueError, match=f"auroc cannot be computed on {len(truth)} records of task t: {words}$"):
        score(task_of("auroc", kind, outputs), np.array(truth, np.float32), outputs)


def test_a_score_too_large_for_a_number_is_not_blamed_on_a_class() -> None:
    truth, outputs = np.zeros(2, np.float32), np.array([[3e38], [0]], np.float32)
    with pytest.raises(ValueError, match=r"mse cannot be computed .* predictions up to 3e\+38 are too large"):
        score(Task("t", "regression", ("mse",)), truth, outputs)


@pytest.mark.parametrize("kind", sorted(WIDTHS))
@pytest.mark.parametrize("name", sorted(OWN))
def test_a_metric_that_is_not_for_the_kind_of_task_is_refused_by_name(name: str, kind: str) -> None:
    wrong = unfit(Task("t", kind, (name,), outputs=WIDTHS[kind]), OWN)
    if kind not in OWN[name].kinds:
        assert f'metric "{name}", which is not for {kind} tasks; accepted: ' in wrong
    elif OWN[name].asks or OWN[name].higher is None:
        assert "put another one first" in wrong
    else:
        assert not wrong


def test_a_training_whose_validation_score_is_not_defined_at_first_selects_among_the_epochs_that_have_one() -> None:
    torch = pytest.importorskip("torch")
    from bench.components import Context
    from bench.train_params import TrainParams
    from bench.training import train

    module, found = torch.nn.Linear(1, 1), iter([None, 0.2, None, 0.1])
    result = train(
        module, 4, lambda items: module(torch.ones(len(items), 1)).square().mean(), TrainParams(epochs=4, patience=0),
        Context(seed=1), validate=lambda: next(found), higher=True,
    )  # fmt: skip
    assert result.best == 0.2
    assert [epoch.score for epoch in result.history] == [None, 0.2, None, 0.1]


def test_an_undefined_candidate_is_never_chosen_over_one_with_a_score() -> None:
    chosen = selection(Task("t", "regression", ("corr",)), np.array([1, 2, 3], np.float32))
    assert chosen is not None
    constant, wrong = np.full((3, 1), 2, np.float32), np.array([[3], [2], [1]], np.float32)
    assert chosen.measure(constant) is None
    assert chosen.rank(wrong) > chosen.rank(constant)
    assert max([constant, wrong], key=chosen.rank) is wrong


def test_an_imputer_whose_error_is_not_a_number_has_no_place_among_the_others() -> None:
    export = make_export(imputers=("mean", "locf", "linear"), scenarios=("mcar(rate=0.1)", "mcar(rate=0.2)"))
    for record in export.records:
        if record.coordinates.imputer == "locf" and "rate=0.1" in record.coordinates.scenario:
            record.imputation["all"]["mae"] = float("nan")
            alter(record, calibration=Calibration(float("nan"), 0.1), oracle={"auroc": float("nan")})
            alter(record, patterns=[Pattern("vitals", 20, float("nan")), Pattern("(nothing)", 20, 0.5)])
    board = json.loads(render(export, page=True)["json"], parse_constant=lambda constant: pytest.fail(constant))
    [table] = [each for each in board["imputation"] if "0.1" in each["scenario"]]
    assert [row["imputer"] for row in table["rows"]][-1] == "locf"
    assert "mae" not in table["rows"][-1]["scores"]["all"]
    assert {each["imputers"] for each in board["agreements"] if "0.1" in each["scenario"]} == {2}
    assert {each["imputers"] for each in board["agreements"] if "0.2" in each["scenario"]} == {3}
    [curve] = board["curves"]
    assert {row["imputer"]: row["scores"]["mae"][0] is None for row in curve["rows"]}["locf"]
    loaded = msgspec.json.decode(encode_export(export), type=Export)
    assert {record.key for record in loaded.records} == {record.key for record in export.records}
