"""The real sets a and b, against what PhysioNet publishes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.physionet2012.dataset import Physionet2012
from bench_datasets.physionet2012.params import Physionet2012Params
from bench_datasets.physionet2012.table import VARIABLES
from support.counting import numbers
from support.pages import page
from support.physionet_files import unaccounted

BOUNDS = {variable.name: (variable.low, variable.high) for variable in VARIABLES}


@pytest.fixture(scope="module")
def cohort(data_root: Path) -> Cohort:
    return Physionet2012(Physionet2012Params(sets=("a", "b"))).prepare(data_root, Context())


@pytest.mark.parametrize(("name", "lines", "deaths"), [("a", 1_757_980, 554), ("b", 1_762_535, 568)])
def test_each_set_has_the_published_size(data_root: Path, name: str, lines: int, deaths: int) -> None:
    cohort = Physionet2012(Physionet2012Params(sets=(name,))).prepare(data_root, Context())  # type: ignore[arg-type]
    assert cohort.counts["lines after the headers"].number == lines
    assert cohort.counts["records"].number == len(cohort) == 4000
    assert cohort.targets["ihm"].sum() == cohort.counts["task ihm: positive"].number == deaths


def test_nothing_is_lost_between_the_files_and_the_cohort(cohort: Cohort) -> None:
    assert unaccounted(cohort) == 0
    assert not numbers(cohort, "unusable")
    assert cohort.counts["lines at 48:00 or later, outside the window"].number == 928
    assert cohort.counts["records without any series, kept"].number == 10


def test_the_length_of_stay_is_known_but_for_117_survivors(cohort: Cohort) -> None:
    assert cohort.counts["task los: positive"].number == (cohort.targets["los"] == 1).sum() == 672
    assert cohort.counts["task los: outcome unknown, left out"].number == np.isnan(cohort.targets["los"]).sum() == 117
    assert not np.isnan(cohort.targets["ihm"]).any()


def test_cleaned_values_are_plausible_in_every_channel(cohort: Cohort) -> None:
    for series in cohort.modalities.values():
        for index, name in enumerate(series.channels):
            seen = series.events.values[:, index][~np.isnan(series.events.values[:, index])]
            low, high = (np.float32(bound) for bound in BOUNDS[name])
            assert len(seen) > 100
            assert low <= seen.min() <= seen.max() <= high


def test_the_most_and_the_least_observed_channels_are_as_the_literature_says(cohort: Cohort) -> None:
    shares = {
        name: share
        for series in cohort.modalities.values()
        for name, share in zip(series.channels, series.observed.mean(axis=(0, 1)), strict=True)
    }
    assert max(shares, key=shares.__getitem__) == "HR"
    assert min(shares, key=shares.__getitem__) == "Cholesterol"
    assert 0.88 < shares["HR"] < 0.92


def test_the_manual_prints_these_counts(cohort: Cohort) -> None:
    manual = page("reference/datasets/physionet2012.md")
    for name, count in numbers(cohort).items():
        assert f"| {name} | {count:,} |\n" in manual
