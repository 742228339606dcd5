"""The audit `imputed-reaches-fuser` asks where an answer is to be expected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench.stages.audits import PROBE, imputed_reaches
from bench.testing.toy import toy_cohort


class _Stump:
    """A stand-in for a boosted tree: a record's prediction is whether the mean of its grid is above
    a threshold; `reads` picks the entries.
    """

    reads_imputed = True

    def __init__(self, observed_alone: bool = False) -> None:
        self.observed_alone = observed_alone

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        means = np.zeros(len(cohort))
        for series in cohort.modalities.values():
            read = series.observed if self.observed_alone else np.ones_like(series.observed)
            means += np.where(read, series.grid, 0).mean(axis=(1, 2))
        return np.float32(np.abs(means) > 1)[:, None]


def _cohort(gaps: np.ndarray) -> Cohort:
    """Records whose first so many entries are imputed, all values 0."""
    cohort = toy_cohort(n=len(gaps), length=12, modalities={"vitals": 3}, absent=0.0)
    series = cohort.modalities["vitals"]
    place = np.arange(series.grid[0].size).reshape(series.grid.shape[1:])
    observed = place[None] >= gaps[:, None, None]
    full = replace(series, grid=np.zeros_like(series.grid), observed=observed, available=np.ones(len(gaps), bool))
    return cohort.with_modalities({"vitals": full})


def _audit(fuser: Any, gaps: np.ndarray) -> Any:
    return imputed_reaches(fuser, _cohort(gaps), (), Context())


def test_records_with_most_imputed_values_are_asked_wherever_they_stand() -> None:
    few, many = np.ones(PROBE, int), np.full(PROBE, 30)
    for gaps in (np.concatenate([few, many]), np.concatenate([many, few])):
        assert _audit(_Stump(), gaps).passed
    assert _audit(_Stump(), few).passed is False  # where no record has more than one


def test_a_fuser_that_reads_observed_values_alone_is_found_however_many_are_imputed() -> None:
    audit = _audit(_Stump(observed_alone=True), np.arange(2 * PROBE) % 37)
    assert audit.passed is False
    assert audit.detail == f"0% of {PROBE} predictions moved"


def test_records_without_an_imputed_value_are_never_asked() -> None:
    gaps = np.zeros(2 * PROBE, int)
    gaps[-3:] = 30
    assert _audit(_Stump(), gaps).detail == "100% of 3 predictions moved"
    assert _audit(_Stump(), np.zeros(5, int)).passed is None
