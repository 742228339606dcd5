"""Imputers are scored on hidden entries of the test part and, apart from them, of the validation
part.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort
from bench.components import Context
from bench.data.splits import PARTS
from bench.execute.job import Job
from bench.metrics.imputation import imputation_scores
from bench.stages import view as views
from bench.stages.imputing import Imputation, impute, load
from bench.stages.view import View, view
from bench.testing.toy import toy_cohort
from support.toy_stages import prepared

SUITE = """
name = "hides"
title = "t"
dataset = "toy"

[grid]
task = ["toy"]
scenario = ["mcar"]
imputer = ["locf"]
fuser = ["linear"]
seed = [1]

[scenario.mcar]
rate = 0.3

[controls]
imputer = []
fuser = []
"""
COHORT = toy_cohort(n=120)


def imputed(folder: Path, cohort: Cohort, *words: str) -> tuple[View, Imputation]:
    """What the imputer of the first cell saw, and what the stage left of it."""
    folder.mkdir(exist_ok=True)
    views._views.clear()  # kept by key, and the altered cohorts of these tests have the key of the first
    planned, setup, registry = prepared(folder, SUITE, cohort, *words)
    cell = planned.cells[0]
    key = cell.keys["impute"]
    impute(Job(id=key, stage="impute", label="", cell=cell), setup, registry, Context(seed=1))
    seen = view(cell, setup, registry)
    views._views.clear()
    return seen, load(setup.store, key)


def with_other_truth(cohort: Cohort, seen: View, part: str, factor: float) -> Cohort:
    """The cohort with other values at the entries that are hidden in the records of one part."""
    rows = (seen.parts == PARTS.index(part))[:, None, None]
    changed = {
        name: replace(
            series, grid=np.where(rows & seen.hidden[name], series.grid * np.float32(factor) + 1, series.grid)
        )
        for name, series in cohort.modalities.items()
    }
    return cohort.with_modalities(changed)


@pytest.mark.parametrize(("part", "field"), [("valid", "validation"), ("test", "scores")])
def test_each_part_is_scored_as_if_there_were_no_other(tmp_path: Path, part: str, field: str) -> None:
    seen, imputation = imputed(tmp_path, COHORT)
    rows = np.flatnonzero(seen.parts == PARTS.index(part))
    expected = imputation_scores(
        {name: truth[rows] for name, truth in seen.truth.items()},
        {name: values[None, rows] for name, values in imputation.completed.items()},
        {name: hidden[rows] for name, hidden in seen.hidden.items()},
    )
    scores = getattr(imputation, field)
    assert scores.keys() == {"vitals", "labs", "all"}
    assert scores == {name: pytest.approx(value) for name, value in expected.items()}


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.sampled_from([0.0, -3.0, 0.5, 20.0]))
def test_hidden_values_of_one_part_are_in_the_score_of_no_other(
    tmp_path_factory: pytest.TempPathFactory, factor: float
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    seen, base = imputed(folder / "base", COHORT)
    other = {}
    for part in PARTS:
        other[part] = imputed(folder / part, with_other_truth(COHORT, seen, part, factor))[1]
    assert other["test"].validation == base.validation
    assert other["test"].scores != base.scores
    assert other["valid"].scores == base.scores
    assert other["valid"].validation != base.validation
    assert (other["train"].scores, other["train"].validation) == (base.scores, base.validation)


def test_where_scenarios_hide_in_the_test_part_alone_the_validation_part_has_no_score(tmp_path: Path) -> None:
    imputation = imputed(tmp_path, COHORT, "hiding.parts=test")[1]
    assert imputation.scores
    assert imputation.validation == {}


@pytest.mark.parametrize("imputer", ["none", "mask_only"])
def test_what_fills_nothing_has_no_score_of_either_part(tmp_path: Path, imputer: str) -> None:
    imputation = imputed(tmp_path, COHORT, f"imputer={imputer}", "fuser=gbm")[1]
    assert (imputation.scores, imputation.validation) == ({}, {})
