"""What every fuser of ours promises beyond the conformance kit, on toy cohorts with known
answers.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.cohort import Task
from bench.components import Context, Fuser
from bench.metrics.scoring import score
from bench.stages.audits import imputed_reaches
from bench_fusers.flexmoe.plugin import FLEXMOE_PRESETS
from bench_fusers.fusemoe.plugin import fusemoe_choice
from bench_fusers.haim.plugin import haim_choice
from bench_fusers.maestro.plugin import MAESTRO_MODES
from bench_fusers.mists.plugin import MISTS_PRESETS
from bench_fusers.mult.plugin import mult_choice
from bench_fusers.tfn.plugin import tfn_choice
from support.fuser_cohorts import (
    BINARY,
    MULTICLASS,
    MULTILABEL,
    NAMES,
    REGISTRY,
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
    "flexmoe": FLEXMOE_PRESETS.over,
    "fusemoe": fusemoe_choice,
    "haim": haim_choice,
    "maestro": MAESTRO_MODES.over,
    "mists": MISTS_PRESETS.over,
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
    scores = score(task, test.targets[task.name], outputs).values
    if task.kind == "regression":
        assert scores["mae"] < 0.6 * np.abs(test.targets["regression"] - 100).mean()
    else:
        assert scores["auroc"] > 0.9


@pytest.mark.parametrize("name", [name for name in NAMES if "own_imputer" not in REGISTRY.get("fuser", name).tags])
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
    assert score(BINARY, test.targets["binary"], before[:, None]).values["auroc"] > 0.75


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
@pytest.mark.parametrize("task", [BINARY, MULTICLASS, MULTILABEL], ids=lambda task: task.kind)
@pytest.mark.filterwarnings("error")
def test_a_validation_part_without_some_class_selects_by_the_loss(name: str, task: Task) -> None:
    train, valid, test = parts(cohort())
    target = valid.targets[task.name].reshape(len(valid), -1)[:, 0]
    fuser = build(name)
    fuser.fit(train, valid.take(np.flatnonzero(target == 0)), task, CONTEXT)
    assert score(task, test.targets[task.name], fuser.predict(test, CONTEXT)).values["auroc"] > 0.85
