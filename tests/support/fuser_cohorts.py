"""Completed toy cohorts with a target of every kind, and the fusers under test by name."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np

import bench_fusers.plugin
from bench import seeds
from bench.cohort import Cohort, Task
from bench.components import Fuser
from bench.registry import Registry
from bench.testing.toy import toy_cohort

REGISTRY = Registry()
REGISTRY.register_plugin("fusers", bench_fusers.plugin)
NAMES = REGISTRY.names("fuser")

BINARY = Task("binary", "binary", ("auroc", "auprc"))
MULTICLASS = Task("multiclass", "multiclass", ("auroc", "accuracy"), outputs=3)
MULTILABEL = Task("multilabel", "multilabel", ("auroc", "f1"), outputs=2)
REGRESSION = Task("regression", "regression", ("mae", "rmse"))
TASKS = (BINARY, MULTICLASS, MULTILABEL, REGRESSION)

QUICK: dict[str, dict[str, Any]] = {"gru": {"epochs": 8, "batch_size": 32}, "gbm": {"trees": 40}, "linear": {}}
"""Parameters that keep a test short, of fusers that declare none for tests (`test_params`)."""
# As published it would be trained on observed values alone, and then read the 0 of these cohorts.
QUICK["condi-head"] = {**REGISTRY.get("fuser", "condi-head").test_params, "phase_b_input": "imputed"}
if importlib.util.find_spec("xgboost") is None:
    QUICK["haim"] = {"backend": "sklearn"}


def build(name: str, **params: Any) -> Fuser[Any]:
    spec = REGISTRY.get("fuser", name)
    fuser: Fuser[Any] = spec.build({**QUICK.get(name, spec.test_params), **params})
    return fuser


def cohort(n: int = 200, seed: int = 0, absent: float = 0.2, fill: float | None = 0.0) -> Cohort:
    """A toy cohort whose targets follow its latent severity; unobserved entries hold `fill`
    (None: NaN).
    """
    toy = toy_cohort(n, seed=seed, absent=absent)
    severity = seeds.generator(seed, "data", "toy").normal(size=n)
    assert ((severity > 0) == (toy.targets["toy"] == 1)).all()
    toy = replace(
        toy,
        targets={
            "binary": toy.targets["toy"],
            "multiclass": np.digitize(severity, [-0.5, 0.5]).astype(np.float32),
            "multilabel": np.stack([severity > 0.3, severity < -0.3], axis=1).astype(np.float32),
            "regression": (severity * 20 + 100).astype(np.float32),
        },
    )
    return toy if fill is None else filled_with(toy, fill)


def filled_with(unfilled: Cohort, value: float) -> Cohort:
    """Every entry that was not observed set to `value`, absent modalities marked as filled."""
    return unfilled.with_modalities(
        {
            name: replace(
                series,
                grid=np.where(series.observed, series.grid, np.float32(value)),
                filled=~series.available,
            )
            for name, series in unfilled.modalities.items()
        }
    )


def unfilled(whole: Cohort) -> Cohort:
    """The same where no imputer filled an absent modality."""
    return whole.with_modalities(
        {name: replace(series, filled=np.zeros_like(series.filled)) for name, series in whole.modalities.items()}
    )


def parts(whole: Cohort) -> tuple[Cohort, Cohort, Cohort]:
    """Three fifths to learn from, a fifth to select on, a fifth to test on."""
    n = len(whole)
    train, valid, test = np.split(np.arange(n), [n * 3 // 5, n * 4 // 5])
    return whole.take(train), whole.take(valid), whole.take(test)


def without(whole: Cohort, *names: str) -> Cohort:
    """The cohort as a client has it that does not own some modalities."""
    bare = {
        name: replace(series, observed=np.zeros_like(series.observed), available=np.zeros(len(whole), bool))
        for name, series in whole.modalities.items()
        if name in names
    }
    return whole.with_modalities({**whole.modalities, **bare})
