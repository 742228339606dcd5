"""The imputers that need no training to speak of: closed forms on little series, and the laws
all must keep.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bench_imputers.plugin
from bench.cohort import Cohort, Events, Series
from bench.components import Context, Imputer
from bench.registry import NoParams, Registry
from bench.testing.toy import toy_cohort
from support.pages import page

REGISTRY = Registry()
REGISTRY.register_plugin("imputers", bench_imputers.plugin)
NAMES = [spec.name for spec in REGISTRY.specs("imputer") if spec.params is NoParams]
FILLING = [name for name in NAMES if name not in ("none", "mask_only")]
_ = np.nan


def build(name: str) -> Imputer:
    imputer: Imputer = REGISTRY.get("imputer", name).build()
    return imputer


def cohort_of(grid: Any) -> Cohort:
    """A cohort with one modality `m` that has the given grid [n, length, channels]."""
    values = np.asarray(grid, np.float32)
    n, length, channels = values.shape
    observed = ~np.isnan(values)
    events = Events(
        np.arange(0, (n + 1) * length, length, dtype=np.int64),
        np.tile(np.arange(length, dtype=np.float32), n),
        values.reshape(-1, channels),
    )
    series = Series(
        channels=tuple("abcdefgh"[:channels]),
        units=("SD",) * channels,
        grid=values,
        observed=observed,
        times=np.arange(length, dtype=np.float32),
        events=events,
        available=np.any(observed, axis=(1, 2)),
        filled=np.zeros(n, bool),
    )
    ids = np.array([f"r{i}" for i in range(n)])
    return Cohort(ids, ids, {"m": series}, np.zeros((n, 0), np.float32), (), {})


def completed(name: str, row: list[float], train: list[float]) -> list[float]:
    """One record with one channel, imputed after training on another."""
    imputer = build(name)
    imputer.fit(cohort_of([[[v] for v in train]]), cohort_of([[[v] for v in train]]), Context())
    done = imputer.impute(cohort_of([[[v] for v in row]]), 5, Context())["m"]
    assert done.shape == (1, 1, len(row), 1)
    assert done.dtype == np.float32
    return done.ravel().tolist()


ROW = [_, 1.0, _, _, 4.0, _, 6.0, _, _]
TRAIN = [10.0, 20.0, 60.0, _, _]


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("zero", ROW, [0, 1, 0, 0, 4, 0, 6, 0, 0]),
        ("mean", ROW, [30, 1, 30, 30, 4, 30, 6, 30, 30]),
        ("median", ROW, [20, 1, 20, 20, 4, 20, 6, 20, 20]),
        ("locf", ROW, [30, 1, 1, 1, 4, 4, 6, 6, 6]),
        ("nearest", ROW, [1, 1, 1, 4, 4, 4, 6, 6, 6]),
        ("linear", ROW, [1, 1, 2, 3, 4, 5, 6, 6, 6]),
        ("none", ROW, ROW),
        ("mask_only", ROW, [0] * 9),
        ("locf", [_, _], [30, 30]),
        ("nearest", [_, _], [30, 30]),
        ("linear", [_, _], [30, 30]),
        ("linear", [_, 5.0], [5, 5]),
        ("linear", [5.0], [5]),
        ("nearest", [2.0, _, _, _, 8.0], [2, 2, 2, 8, 8]),
        ("locf", [_], [30]),
    ],
)
def test_little_series_have_the_values_worked_out_by_hand(name: str, row: list, expected: list) -> None:
    assert completed(name, row, TRAIN) == pytest.approx(expected, nan_ok=True, abs=0)


@pytest.mark.parametrize("name", FILLING)
def test_a_channel_never_observed_in_training_is_filled_with_0(name: str) -> None:
    assert completed(name, [_, _, _], [_, _]) == [0, 0, 0]


def test_a_modality_that_was_not_in_training_is_refused_by_name() -> None:
    imputer, cohort = build("mean"), toy_cohort(n=4)
    imputer.fit(cohort.with_modalities({"vitals": cohort.modalities["vitals"]}), cohort, Context())
    with pytest.raises(ValueError, match="labs"):
        imputer.impute(cohort, 1, Context())


cohorts = st.builds(
    toy_cohort,
    n=st.integers(2, 12),
    length=st.integers(1, 9),
    modalities=st.sampled_from([{"m": 1}, {"a": 2, "b": 1}]),
    seed=st.integers(0, 1000),
    rate=st.floats(0.0, 1.0),
)
laws = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize("name", FILLING)
@given(cohort=cohorts)
@laws
def test_observed_entries_come_back_bit_identical_and_the_rest_is_finite(name: str, cohort: Cohort) -> None:
    imputer = build(name)
    imputer.fit(cohort, cohort, Context())
    for modality, done in imputer.impute(cohort, 1, Context()).items():
        series = cohort.modalities[modality]
        assert np.isfinite(done).all()
        assert done[0][series.observed].tobytes() == series.grid[series.observed].tobytes()


def test_the_sign_of_an_observed_negative_zero_survives() -> None:
    for name in FILLING:
        assert np.signbit(completed(name, [-0.0, _, -0.0], TRAIN)[2])


@pytest.mark.parametrize("name", NAMES)
@given(cohort=cohorts, data=st.data())
@laws
def test_a_record_is_imputed_the_same_in_any_company_and_any_order(name: str, cohort: Cohort, data: Any) -> None:
    index = np.array(data.draw(st.lists(st.integers(0, len(cohort) - 1), min_size=1, unique=True)))
    imputer = build(name)
    imputer.fit(cohort, cohort, Context())
    whole, part = imputer.impute(cohort, 1, Context()), imputer.impute(cohort.take(index), 1, Context())
    assert all(np.array_equal(whole[m][:, index], part[m], equal_nan=True) for m in whole)


@pytest.mark.parametrize("name", ["locf", "nearest", "linear"])
@given(cohort=cohorts)
@laws
def test_values_along_time_stay_between_the_records_own_and_the_training_mean(name: str, cohort: Cohort) -> None:
    imputer = build(name)
    imputer.fit(cohort, cohort, Context())
    done = imputer.impute(cohort, 1, Context())
    for modality, series in cohort.modalities.items():
        fill = imputer.state_dict()[modality]
        low = np.minimum(np.where(series.observed, series.grid, np.inf).min(axis=1), fill)
        high = np.maximum(np.where(series.observed, series.grid, -np.inf).max(axis=1), fill)
        assert (done[modality][0] >= low[:, None] - 1e-5).all()
        assert (done[modality][0] <= high[:, None] + 1e-5).all()


@given(cohort=cohorts)
@laws
def test_linear_and_nearest_do_not_know_the_direction_of_time_but_for_ties(cohort: Cohort) -> None:
    def backwards(series: Series) -> Series:
        return replace(series, grid=series.grid[:, ::-1], observed=series.observed[:, ::-1])

    turned = cohort.with_modalities({m: backwards(series) for m, series in cohort.modalities.items()})
    imputer = build("linear")
    imputer.fit(cohort, cohort, Context())
    one, two = imputer.impute(cohort, 1, Context()), imputer.impute(turned, 1, Context())
    for modality in one:
        np.testing.assert_allclose(one[modality], two[modality][:, :, ::-1], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_validation_records_teach_nothing(name: str) -> None:
    cohort = toy_cohort()
    one, two = build(name), build(name)
    one.fit(cohort, cohort, Context())
    two.fit(cohort, toy_cohort(seed=9), Context())
    assert all(np.array_equal(one.state_dict()[m], two.state_dict()[m], equal_nan=True) for m in one.state_dict())


def test_the_manual_names_every_imputer() -> None:
    manual = page("reference/imputers/index.md") + page("reference/imputers/pypots.md")
    listed = re.findall(r"^\| \[?`([\w.-]+)`", manual, re.MULTILINE)
    assert {*REGISTRY.names("imputer")} <= {*listed}
