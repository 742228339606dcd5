"""haim: the published grid and its cross-validation, what happens where a class lacks, backends,
the audit of `raw`.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser, Interrupted
from bench.errors import PluginError, UsageError
from bench.metrics.scoring import score
from bench.stages.audits import imputed_reaches
from bench_fusers.haim import fuser as module
from bench_fusers.haim import trees as haim_trees
from bench_fusers.haim.fuser import HAIM, folds
from bench_fusers.haim.plugin import GRIDS, HAIMParams, Point
from support.fuser_cohorts import BINARY, MULTICLASS, MULTILABEL, REGRESSION, cohort, parts

CONTEXT = Context(seed=3)
INSTALLED = importlib.util.find_spec("xgboost") is not None
needs_xgboost = pytest.mark.skipif(not INSTALLED, reason="pip install 'gapbench[trees]'")
TINY = (Point(2, 5, 0.3), Point(2, 10, 0.3), Point(3, 10, 0.1))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grids of a few small trees in place of all."""
    for name in GRIDS:
        monkeypatch.setitem(GRIDS, name, TINY)


def fitted(task: Task = BINARY, data: tuple[Cohort, Cohort, Cohort] | None = None, **params: Any) -> HAIM:
    """Fitted with scikit-learn's trees, unless said otherwise: these are always there."""
    train, valid, _ = data or parts(cohort())
    fuser = HAIM(msgspec.convert({"backend": "sklearn", **params}, HAIMParams))
    fuser.fit(train, valid, task, CONTEXT)
    return fuser


def test_the_published_grid_has_24_points_and_the_small_one_four_of_them() -> None:
    published = set(GRIDS["published"])
    assert len(published) == 24
    assert {p.depth for p in published} == {5, 6, 7, 8}
    assert {p.trees for p in published} == {200, 300}
    assert {p.rate for p in published} == {0.3, 0.1, 0.05}
    assert len(GRIDS["small"]) == 4
    assert set(GRIDS["small"]) <= published
    assert GRIDS["validation"] == GRIDS["small"]


@pytest.mark.parametrize("regression", [False, True])
def test_no_patient_stands_on_both_sides_of_a_fold_and_every_record_is_held_out_once(regression: bool) -> None:
    rng = np.random.default_rng(0)
    label, groups = (rng.random(200) < 0.2).astype(np.float32), rng.integers(0, 60, 200).astype(str)
    made = folds(label, groups, regression)
    assert len(made) == 5
    assert sorted(np.concatenate([held for _, held in made]).tolist()) == list(range(200))
    for kept, held in made:
        assert not set(groups[kept]) & set(groups[held])
        assert len(kept) + len(held) == 200
        assert regression or 0.1 < label[held].mean() < 0.3


@pytest.mark.filterwarnings("error")
def test_folds_are_fewer_where_groups_or_positives_are_few_and_none_for_one_group() -> None:
    label = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], np.float32)
    assert len(folds(label, np.arange(10).astype(str), False)) == 3
    assert len(folds(label, np.arange(10).astype(str) < "2", False)) == 2
    assert len(folds(np.eye(10)[0], np.arange(10).astype(str), False)) == 2
    assert folds(label, np.full(10, "a"), False) == []


def test_cross_validation_takes_the_point_with_the_best_mean_auroc_of_the_folds(tiny: None) -> None:
    from bench_fusers.haim.trees import grower

    train, _, test = parts(cohort())
    fuser = fitted(grid="published")
    rows, label = fuser._features(train)[0], train.targets["binary"]
    scores = {}
    for point in TINY:
        found = []
        for kept, held in folds(label, train.groups, False):
            made = grower("sklearn", rows[kept], label[kept], False, True)(point).predict(rows[held], point.trees)
            found.append(score(BINARY, label[held], made[:, 1:].astype(np.float32)).values["auroc"])
        scores[point] = np.mean(found)
    assert scores[fuser.points[0]] == max(scores.values())
    again = grower("sklearn", rows, label, False, True)(fuser.points[0])
    expected = again.predict(fuser._features(test)[0], fuser.points[0].trees)[:, 1]
    assert fuser.predict(test, CONTEXT)[:, 0] == pytest.approx(expected, abs=1e-6)


def test_each_label_of_a_multilabel_task_has_a_point_of_its_own(tiny: None) -> None:
    assert len(fitted(MULTILABEL).points) == 2


@pytest.mark.parametrize("grid", ["validation", "small"])
@pytest.mark.parametrize("task", [BINARY, MULTICLASS, MULTILABEL, REGRESSION], ids=lambda task: task.kind)
def test_it_learns_every_kind_of_task_however_it_is_tuned(tiny: None, grid: str, task: Task) -> None:
    _, _, test = parts(cohort())
    outputs = fitted(task, grid=grid).predict(test, CONTEXT)
    if task.kind == "regression":
        assert score(task, test.targets["regression"], outputs).values["mae"] < 10  # 16 for the mean
    else:
        assert score(task, test.targets[task.name], outputs).values["auroc"] > 0.85


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("positives", [0, 1, 3])
@pytest.mark.parametrize("grid", ["validation", "small"])
def test_labels_too_rare_for_folds_are_no_obstacle(tiny: None, grid: str, positives: int) -> None:
    train, valid, test = parts(cohort())
    rare = np.zeros(len(train), np.float32)
    rare[:positives] = 1
    data = (replace(train, targets={"binary": rare}), valid, test)
    outputs = fitted(BINARY, data, grid=grid).predict(test, CONTEXT)
    assert np.isfinite(outputs).all()
    assert positives or (outputs == 0).all()


def test_all_records_of_one_patient_leave_the_first_point_of_the_grid(tiny: None) -> None:
    train, valid, test = parts(cohort())
    data = (replace(train, groups=np.full(len(train), "one")), valid, test)
    assert fitted(BINARY, data, grid="small").points == (TINY[0],)


def test_raw_is_untouched_by_imputed_values_says_so_and_is_audited(tiny: None) -> None:
    _, _, test = parts(cohort())
    raw, whole = fitted(raw=True), fitted()
    assert not raw.reads_imputed
    assert whole.reads_imputed
    audit = imputed_reaches(raw, test, (), CONTEXT)
    assert audit.passed is None
    assert audit.detail == "reads observed values alone, as its parameters ask"
    assert imputed_reaches(whole, test, (), CONTEXT).passed


def test_the_published_preset_has_the_features_of_the_published_recipe(tiny: None) -> None:
    """Recorded values alone, 0 where there is none, no counts: eleven statistics of a channel, 0
    for one that is empty.
    """
    _, _, test = parts(cohort())
    fuser = fitted(preset="published")
    assert not fuser.reads_imputed
    channels = sum(series.grid.shape[2] for series in test.modalities.values())
    rows, names = fuser._features(test)
    assert len(names) == rows.shape[1] == 11 * channels + test.statics.shape[1]
    assert not [name for name in names if name.endswith(("/count", "/present"))]
    assert np.isfinite(rows).all()
    empty = ~test.modalities["labs"].observed.any(axis=1)
    assert empty.any()
    labs = [rows[:, [names.index(f"labs/labs_{k}/{statistic}") for statistic in ("max", "mean")]] for k in range(2)]
    assert all((values[empty[:, k]] == 0).all() for k, values in enumerate(labs))
    assert imputed_reaches(fuser, test, (), CONTEXT).passed is None
    # What is given wins over the preset.
    whole = HAIM(HAIMParams(preset="published", raw=False, counts=True, mode="honest"))
    assert whole.reads_imputed
    assert any(name.endswith("/count") for name in whole._features(test)[1])


@pytest.mark.parametrize(
    ("given", "binary", "multilabel"),
    [
        ({}, True, True),
        ({"preset": "published"}, True, False),
        ({"preset": "published", "balance": True}, True, True),
        ({"preset": "published", "balance": False}, False, False),
    ],
)
def test_the_published_preset_weighs_classes_in_binary_tasks_and_not_in_multilabel_ones(
    tiny: None, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], binary: bool, multilabel: bool
) -> None:
    asked: list[bool] = []
    grower = module.grower

    def spy(backend: Any, rows: Any, label: Any, regression: bool, balance: bool) -> Any:
        asked.append(balance)
        return grower(backend, rows, label, regression, balance)

    monkeypatch.setattr(module, "grower", spy)
    for task, wanted in ((BINARY, binary), (MULTILABEL, multilabel)):
        asked.clear()
        fitted(task, **given)
        assert set(asked) == {wanted}, task.kind


def test_a_fuser_that_says_it_reads_no_imputed_value_and_does_fails_the_audit(tiny: None) -> None:
    class Liar(HAIM):
        reads_imputed = False  # type: ignore[assignment]

    train, valid, test = parts(cohort())
    liar: Fuser[Any] = Liar(HAIMParams(backend="sklearn"))
    liar.fit(train, valid, BINARY, CONTEXT)
    audit = imputed_reaches(liar, test, (), CONTEXT)
    assert audit.passed is False
    assert "yet 100%" in audit.detail


def test_the_library_is_named_with_what_to_type_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(PluginError, match=r"which is not installed; type: pip install 'gapbench\[trees\]'"):
        fitted(backend="xgboost")


def test_a_forecast_is_refused() -> None:
    with pytest.raises(UsageError, match="haim grows one ensemble per value"):
        fitted(Task("regression", "regression", ("mae",), outputs=3))


def test_an_embedding_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r'modality "labz" is not known .*did you mean "labs"'):
        fitted(embeddings=("labz",))


def test_wide_modalities_count_as_embeddings_unless_said_otherwise(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WIDEST", 2)
    assert "vitals/vitals_0/mean" in fitted().names
    assert "vitals/vitals_0/slope" not in fitted().names
    assert "vitals/vitals_0/slope" in fitted(embeddings=()).names


def test_it_stops_between_two_ensembles_when_it_is_asked_to(tiny: None) -> None:
    train, valid, _ = parts(cohort())
    told: list[str] = []
    stopping = replace(CONTEXT, should_stop=lambda: len(told) == 1, report=told.append)
    with pytest.raises(Interrupted):
        HAIM(HAIMParams(backend="sklearn")).fit(train, valid, BINARY, stopping)
    assert told == ["ensemble 1 of 2"]


@needs_xgboost
def test_fewer_trees_are_the_beginning_of_more() -> None:
    train, _, test = parts(cohort())
    fuser = fitted(backend="xgboost", grid="validation")
    rows, new = fuser._features(train)[0], fuser._features(test)[0]
    grow = haim_trees.grower("xgboost", rows, train.targets["binary"], False, True)
    assert np.array_equal(grow(Point(5, 30, 0.3)).predict(new, 20), grow(Point(5, 20, 0.3)).predict(new, 20))


@needs_xgboost
@pytest.mark.parametrize("task", [BINARY, MULTICLASS, REGRESSION], ids=lambda task: task.kind)
def test_the_ensembles_are_those_of_the_library_s_own_estimators(task: Task) -> None:
    import xgboost

    train, _, test = parts(cohort(fill=None))
    fuser = HAIM(HAIMParams())
    rows, new, label = fuser._features(train)[0], fuser._features(test)[0], train.targets[task.name]
    point, regression = Point(5, 20, 0.3), task.kind == "regression"
    ours = haim_trees.grower("xgboost", rows, label, regression, True)(point).predict(new, 20)
    settings = {"max_depth": 5, "n_estimators": 20, "learning_rate": 0.3, "random_state": 42}
    if task.kind == "binary":
        settings["scale_pos_weight"] = float((label == 0).sum() / (label == 1).sum())
    if regression:
        theirs = xgboost.XGBRegressor(**settings).fit(rows, label).predict(new)
    else:
        theirs = xgboost.XGBClassifier(**settings).fit(rows, label.astype(int)).predict_proba(new)
    assert ours == pytest.approx(theirs, abs=1e-6)


@needs_xgboost
def test_the_two_backends_agree_on_an_easy_task() -> None:
    _, _, test = parts(cohort())
    one, two = (fitted(backend=backend).predict(test, CONTEXT)[:, 0] for backend in ("xgboost", "sklearn"))
    assert np.corrcoef(one, two)[0, 1] > 0.9
