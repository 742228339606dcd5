"""What every fuser of ours promises, on toy cohorts with known answers."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bench import arrays
from bench.cohort import Cohort, Series, Task
from bench.components import Context, Fuser, NotFitted
from bench.errors import UsageError
from bench.metrics.predictions import score
from bench.stages.audits import imputed_reaches
from bench_fusers.flexmoe.plugin import flexmoe_choice
from bench_fusers.fusemoe.plugin import fusemoe_choice
from bench_fusers.haim.plugin import haim_choice
from bench_fusers.maestro.plugin import maestro_choice
from bench_fusers.mists.plugin import mists_choice
from bench_fusers.mult.plugin import mult_choice
from bench_fusers.tfn.plugin import tfn_choice
from support.fuser_cohorts import (
    BINARY,
    MULTICLASS,
    MULTILABEL,
    NAMES,
    REGISTRY,
    REGRESSION,
    TASKS,
    build,
    cohort,
    parts,
    unfilled,
)
from support.fuser_cohorts import filled_with as filled

CONTEXT = Context(seed=3)
every_fuser = pytest.mark.parametrize("name", NAMES)
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)


@cache
def fitted(name: str, task: Task, context: Context = CONTEXT) -> Fuser[Any]:
    train, valid, _ = parts(cohort())
    fuser = build(name)
    fuser.fit(train, valid, task, context)
    return fuser


def test_the_fusers_are_declared() -> None:
    assert {"gbm", "gru", "linear", "mag", "mag_late", "mult"} <= set(NAMES)
    assert not REGISTRY.broken


@pytest.mark.parametrize("name", ["mult", "mag", "mag_late"])
def test_of_a_fuser_that_reads_recorded_steps_the_audit_asks_nothing_and_tells_the_share(name: str) -> None:
    train, valid, test = parts(cohort())
    fuser = build(name, read="observed", epochs=1)
    fuser.fit(train, valid, BINARY, CONTEXT)
    audit = imputed_reaches(fuser, test, (), CONTEXT)
    assert audit.passed is None
    assert "reads a part of what is imputed, as its parameters ask" in audit.detail
    assert "predictions moved" in audit.detail


RESOLVED = {
    "flexmoe": flexmoe_choice,
    "fusemoe": fusemoe_choice,
    "haim": haim_choice,
    "maestro": maestro_choice,
    "mists": mists_choice,
    "mult": mult_choice,
    "tfn": tfn_choice,
}


@pytest.mark.parametrize("name", sorted(RESOLVED))
def test_every_combination_that_tuning_may_try_is_another_model_after_the_default_preset_is_laid_under(
    name: str,
) -> None:
    spec = REGISTRY.get("fuser", name)
    default = msgspec.to_builtins(spec.parameters({}))
    choices = [
        list({repr(default[key]): default[key], **{repr(v): v for v in values}}.values())
        for key, values in spec.space.items()
    ]
    found = set()
    for combination in itertools.product(*choices):
        params = spec.parameters(dict(zip(spec.space, combination, strict=True)))
        choice = msgspec.to_builtins(RESOLVED[name](params))
        rest = {key: value for key, value in msgspec.to_builtins(params).items() if key not in choice}
        found.add(repr((choice, rest)))
    assert len(found) == math.prod(map(len, choices))


def test_declaring_the_fusers_imports_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, bench_fusers.plugin; print(sorted({'torch', 'sklearn', 'pandas', 'scipy'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@every_fuser
@every_task
def test_it_learns(name: str, task: Task) -> None:
    _, _, test = parts(cohort())
    outputs = fitted(name, task).predict(test.without_targets(), CONTEXT)
    scores = score(task, test.targets[task.name], outputs)
    if task.kind == "regression":
        assert scores["mae"] < 0.6 * np.abs(test.targets["regression"] - 100).mean()
    else:
        assert scores["auroc"] > 0.9


@every_fuser
@every_task
def test_outputs_have_the_shape_and_the_range_of_the_task(name: str, task: Task) -> None:
    _, _, test = parts(cohort())
    outputs = fitted(name, task).predict(test.without_targets(), CONTEXT)
    assert outputs.shape == (len(test), task.outputs)
    assert outputs.dtype == np.float32
    if task.kind != "regression":
        assert outputs.min() >= 0
        assert outputs.max() <= 1
    if task.kind == "multiclass":
        assert outputs.sum(axis=1) == pytest.approx(1, abs=1e-5)


@every_fuser
@every_task
def test_a_prediction_does_not_depend_on_batch_mates(name: str, task: Task) -> None:
    _, _, test = parts(cohort())
    fuser = fitted(name, task)
    together = fuser.predict(test, CONTEXT)
    alone = np.concatenate([fuser.predict(test.take(np.array([k])), CONTEXT) for k in range(len(test))])
    assert together / np.abs(together).max() == pytest.approx(alone / np.abs(together).max(), abs=1e-5)


@every_fuser
def test_imputed_values_reach_the_prediction(name: str) -> None:
    # Up or down: trees are piecewise constant, and a record may lie beyond all their thresholds on one side.
    whole = cohort()
    (low, test, high) = (parts(filled(whole, value))[2] for value in (-5.0, 0.0, 5.0))
    before, *after = (fitted(name, BINARY).predict(part, CONTEXT)[:, 0] for part in (test, low, high))
    assert all(any(not series.observed[k].all() for series in test.modalities.values()) for k in range(len(test)))
    assert (np.abs(np.stack(after) - before).max(axis=0) > 1e-6).all()


@every_fuser
def test_where_modalities_stay_absent_it_learns_and_what_is_imputed_reaches_those_that_have_any(name: str) -> None:
    whole = cohort()
    train, valid, _ = parts(unfilled(whole))
    (low, test, high) = (parts(unfilled(filled(whole, value)))[2] for value in (-5.0, 0.0, 5.0))
    fuser = build(name)
    fuser.fit(train, valid, BINARY, CONTEXT)
    before, *after = (fuser.predict(part, CONTEXT)[:, 0] for part in (test, low, high))
    imputed = np.stack([series.imputed.any(axis=(1, 2)) for series in test.modalities.values()]).any(axis=0)
    assert 0 < imputed.sum() < len(test)
    assert np.array_equal(np.abs(np.stack(after) - before).max(axis=0) > 1e-6, imputed)
    assert score(BINARY, test.targets["binary"], before[:, None])["auroc"] > 0.75


@every_fuser
@every_task
def test_two_trainings_with_one_seed_agree_to_the_bit(name: str, task: Task) -> None:
    train, valid, test = parts(cohort())
    again = build(name)
    again.fit(train, valid, task, CONTEXT)
    assert np.array_equal(again.predict(test, CONTEXT), fitted(name, task).predict(test, CONTEXT))


@every_fuser
def test_the_seed_matters_exactly_where_declared(name: str) -> None:
    _, _, test = parts(cohort())
    other = fitted(name, BINARY, Context(seed=4))
    same = np.array_equal(other.predict(test, CONTEXT), fitted(name, BINARY).predict(test, CONTEXT))
    assert same == (REGISTRY.get("fuser", name).randomness == "deterministic")


@every_fuser
def test_a_modality_neither_available_nor_filled_does_not_leak(name: str) -> None:
    _, _, test = parts(cohort())
    labs = test.modalities["labs"]
    absent = replace(labs, filled=np.zeros_like(labs.filled))
    other = replace(absent, grid=np.where(absent.available[:, None, None], absent.grid, np.float32(9)))
    one, two = (
        fitted(name, BINARY).predict(test.with_modalities({**test.modalities, "labs": series}), CONTEXT)
        for series in (absent, other)
    )
    assert (~absent.available).any()
    assert np.array_equal(one, two)


@every_fuser
def test_predict_before_fit_says_so(name: str) -> None:
    with pytest.raises(NotFitted):
        build(name).predict(cohort(10), CONTEXT)


@every_fuser
def test_predicting_for_nobody_gives_no_rows(name: str) -> None:
    nobody = cohort(10).take(np.array([], int))
    assert fitted(name, MULTICLASS).predict(nobody, CONTEXT).shape == (0, 3)


@every_fuser
def test_a_grid_with_nan_is_taken_or_refused_as_declared(name: str) -> None:
    train, valid, test = parts(cohort(fill=None))
    fuser = build(name)
    if "nan_aware" in REGISTRY.get("fuser", name).tags:
        fuser.fit(train, valid, BINARY, CONTEXT)
        assert score(BINARY, test.targets["binary"], fuser.predict(test, CONTEXT))["auroc"] > 0.9
    else:
        with pytest.raises(UsageError, match=r'entries of modality "vitals" are NaN .* nan_aware'):
            fuser.fit(train, valid, BINARY, CONTEXT)
        with pytest.raises(UsageError, match="nan_aware"):
            fitted(name, BINARY).predict(test, CONTEXT)


@every_fuser
@pytest.mark.parametrize("task", [BINARY, MULTICLASS, MULTILABEL], ids=lambda task: task.kind)
@pytest.mark.filterwarnings("error")
def test_a_validation_part_without_some_class_selects_by_the_loss(name: str, task: Task) -> None:
    train, valid, test = parts(cohort())
    target = valid.targets[task.name].reshape(len(valid), -1)[:, 0]
    fuser = build(name)
    fuser.fit(train, valid.take(np.flatnonzero(target == 0)), task, CONTEXT)
    assert score(task, test.targets[task.name], fuser.predict(test, CONTEXT))["auroc"] > 0.85


@every_fuser
@every_task
def test_an_empty_validation_part_is_no_obstacle(name: str, task: Task) -> None:
    train, valid, test = parts(cohort())
    fuser = build(name)
    fuser.fit(train, valid.take(np.array([], int)), task, CONTEXT)
    assert np.isfinite(fuser.predict(test, CONTEXT)).all()


@every_fuser
def test_classes_unseen_in_training_get_no_probability_or_little(name: str) -> None:
    train, valid, test = parts(cohort())
    train = train.take(np.flatnonzero(train.targets["multiclass"] != 1))
    fuser = build(name)
    fuser.fit(train, valid, MULTICLASS, CONTEXT)
    outputs = fuser.predict(test, CONTEXT)
    assert outputs.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (outputs[:, 1] < outputs.max(axis=1)).all()


@every_fuser
@pytest.mark.parametrize("task", [BINARY, MULTILABEL], ids=lambda task: task.kind)
def test_a_label_that_never_varies_in_training_is_predicted_as_it_was(name: str, task: Task) -> None:
    train, valid, test = parts(cohort())
    truth = train.targets[task.name].copy()
    truth.reshape(len(truth), -1)[:, 0] = 1
    fuser = build(name)
    fuser.fit(replace(train, targets={task.name: truth}), valid, task, CONTEXT)
    assert (fuser.predict(test, CONTEXT)[:, 0] > 0.5).all()


@every_fuser
@pytest.mark.filterwarnings("error")
def test_a_modality_absent_for_everybody_is_no_obstacle(name: str) -> None:
    whole = cohort(fill=None)
    labs = whole.modalities["labs"]
    absent = replace(
        labs,
        grid=np.full_like(labs.grid, np.nan),
        observed=np.zeros_like(labs.observed),
        events=labs.events.take(np.array([], int)),
        available=np.zeros_like(labs.available),
    )
    empty_events = replace(absent.events, offsets=np.zeros(len(whole) + 1, np.int64))
    gone = whole.with_modalities({**whole.modalities, "labs": replace(absent, events=empty_events)})
    nan_aware = "nan_aware" in REGISTRY.get("fuser", name).tags
    for variant in (filled(gone, 0.0), unfilled(filled(gone, 0.0)), *([gone] if nan_aware else [])):
        train, valid, test = parts(variant)
        fuser = build(name)
        fuser.fit(train, valid, BINARY, CONTEXT)
        assert score(BINARY, test.targets["binary"], fuser.predict(test, CONTEXT))["auroc"] > 0.85


@every_fuser
@pytest.mark.filterwarnings("error")
def test_statics_nobody_knows_and_no_statics_at_all_are_no_obstacle(name: str) -> None:
    whole = cohort()
    unknown = replace(whole, statics=np.full_like(whole.statics, np.nan))
    none = replace(whole, statics=whole.statics[:, :0], static_names=())
    for variant in (unknown, none):
        train, valid, test = parts(variant)
        fuser = build(name)
        fuser.fit(train, valid, BINARY, CONTEXT)
        assert score(BINARY, test.targets["binary"], fuser.predict(test, CONTEXT))["auroc"] > 0.85


@every_fuser
@pytest.mark.filterwarnings("error")
def test_read_only_memory_maps_are_no_obstacle(name: str, tmp_path: Path) -> None:
    train, valid, test = (_mapped(part, tmp_path / f"{k}") for k, part in enumerate(parts(cohort())))
    fuser = build(name)
    fuser.fit(train, valid, BINARY, CONTEXT)
    assert np.array_equal(fuser.predict(test, CONTEXT), fitted(name, BINARY).predict(test, CONTEXT))


def _mapped(part: Cohort, folder: Path) -> Cohort:
    def mapped(label: str, **named: np.ndarray) -> dict[str, np.ndarray]:
        arrays.write(folder / f"{label}.safetensors", named)
        return arrays.read(folder / f"{label}.safetensors")[0]

    def series(name: str, one: Series) -> Series:
        kept = ("grid", "observed", "times", "available", "filled")
        return replace(one, **mapped(name, **{key: getattr(one, key) for key in kept}))  # type: ignore[arg-type]

    modalities = {name: series(name, one) for name, one in part.modalities.items()}
    rest = mapped("rest", statics=part.statics, target=part.targets["binary"])
    return replace(part, modalities=modalities, statics=rest["statics"], targets={"binary": rest["target"]})


@every_fuser
def test_a_regression_follows_the_scale_of_its_target(name: str) -> None:
    whole = cohort()
    wide = replace(whole, targets={"regression": whole.targets["regression"] * 1000})
    train, valid, test = parts(wide)
    fuser = build(name)
    fuser.fit(train, valid, REGRESSION, CONTEXT)
    narrow = fitted(name, REGRESSION).predict(test, CONTEXT)
    assert fuser.predict(test, CONTEXT) / 1000 == pytest.approx(narrow, rel=0.02)
