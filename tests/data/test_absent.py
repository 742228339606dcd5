"""What a fuser is handed of a modality that a record lacks: nothing, unless the run asks
imputers to fill it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.components import Context
from bench.execute.job import Job
from bench.grid.cell import Cell
from bench.stages.audits import absent_ignored, imputed_reaches
from bench.stages.fusing import absent_share
from bench.stages.imputing import completed_cohort, impute
from bench.stages.view import View, view
from bench.testing.toy import toy_cohort
from support.toy_stages import prepared

SUITE = """
name = "absence"
title = "t"
dataset = "toy"

[grid]
task = ["toy"]
scenario = ["modality_drop"]
imputer = ["locf"]
fuser = ["linear"]
seed = [1]

[scenario.modality_drop]
rate = 0.4

[controls]
imputer = []
fuser = []
"""
COHORT = toy_cohort(n=120, absent=0.1)


def handed(folder: Path, *words: str) -> tuple[Cell, View, Cohort]:
    """The first cell, what its imputer saw and what its fuser is handed."""
    planned, setup, registry = prepared(folder, SUITE, COHORT, *words)
    cell = planned.cells[0]
    impute(Job(id=cell.keys["impute"], stage="impute", label="", cell=cell), setup, registry, Context(seed=1))
    return cell, view(cell, setup, registry), completed_cohort(cell, setup, registry)[0]


@pytest.mark.parametrize("imputer", ["locf", "mean", "mask_only", "none"])
def test_a_modality_that_was_dropped_is_absent_to_the_fuser_whatever_the_imputer(tmp_path: Path, imputer: str) -> None:
    words = (f"imputer={imputer}", *(["fuser=gbm"] if imputer == "none" else []))
    _, seen, cohort = handed(tmp_path, *words)
    for name, series in cohort.modalities.items():
        gone = ~seen.cohort.modalities[name].available
        assert (gone & COHORT.modalities[name].available).sum() > 10
        assert not series.filled.any()
        assert np.array_equal(series.present, ~gone)
        assert not series.imputed[gone].any()


def test_asked_to_fill_what_is_absent_the_imputer_does_and_it_is_marked(tmp_path: Path) -> None:
    _, seen, cohort = handed(tmp_path, "fill_absent=true")
    for name, series in cohort.modalities.items():
        assert np.array_equal(series.filled, ~seen.cohort.modalities[name].available)
        assert series.present.all()


@pytest.mark.parametrize("imputer", ["mask_only", "none"])
def test_controls_that_fill_nothing_fill_no_modality_either(tmp_path: Path, imputer: str) -> None:
    _, _, cohort = handed(tmp_path, f"imputer={imputer}", "fuser=gbm", "fill_absent=true")
    assert not any(series.filled.any() for series in cohort.modalities.values())


def test_the_imputation_is_the_same_and_only_the_fusion_is_another_cell(tmp_path: Path) -> None:
    stays, filled = handed(tmp_path, "fuser=linear")[0], handed(tmp_path, "fill_absent=true")[0]
    assert stays.keys["impute"] == filled.keys["impute"]
    assert stays.key != filled.key


class _Reads:
    """A stand-in for a fuser: the mean of the entries that `entries` picks."""

    reads_imputed = True

    def __init__(self, entries: str) -> None:
        self.entries = entries

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        read = [
            np.where(series.present[:, None, None] | (self.entries == "all"), series.grid, 0).mean(axis=(1, 2))
            for series in cohort.modalities.values()
        ]
        return np.mean(read, axis=0, dtype=np.float32)[:, None]


def test_the_audit_of_absence_finds_a_fuser_that_reads_what_is_not_there(tmp_path: Path) -> None:
    _, _, cohort = handed(tmp_path)
    assert absent_ignored(_Reads("present"), cohort, Context()).passed is True  # type: ignore[arg-type]
    careless = absent_ignored(_Reads("all"), cohort, Context())  # type: ignore[arg-type]
    assert careless.passed is False
    assert "largest difference" in careless.detail


def test_where_nothing_is_absent_the_audit_of_absence_does_not_apply(tmp_path: Path) -> None:
    _, _, cohort = handed(tmp_path, "fill_absent=true")
    audit = absent_ignored(_Reads("all"), cohort, Context())  # type: ignore[arg-type]
    assert audit.passed is None
    assert audit.detail == "no test record has an absent modality"


def test_what_an_imputer_left_where_a_modality_is_absent_is_no_imputed_value(tmp_path: Path) -> None:
    _, _, cohort = handed(tmp_path)
    series = {
        name: replace(s, observed=np.broadcast_to(s.available[:, None, None], s.observed.shape))
        for name, s in cohort.modalities.items()
    }
    audit = imputed_reaches(_Reads("all"), cohort.with_modalities(series), (), Context())  # type: ignore[arg-type]
    assert audit.passed is None
    assert audit.detail == "no test record has an imputed value"


def test_how_much_of_what_was_hidden_no_fuser_reads_is_told(tmp_path: Path) -> None:
    for words, share in ((), 1.0), (("fill_absent=true",), 0.0):
        _, seen, cohort = handed(tmp_path, *words)
        assert absent_share(seen, cohort) == {"absent": share}
    _, seen, cohort = handed(tmp_path, "scenario=within", "scenario.within.pw=0.9")
    assert 0 < absent_share(seen, cohort)["absent"] < 1
    _, seen, cohort = handed(tmp_path, "scenario=natural")
    assert absent_share(seen, cohort) == {}
