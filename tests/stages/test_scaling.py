"""Standardising over the visible training entries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.stages.hiding import apply
from bench.stages.scale import Scaler
from bench.testing.toy import toy_cohort

COHORT = toy_cohort(n=60)
TRAIN = COHORT.take(np.arange(30))


def with_channel(cohort: Cohort, values: float) -> Cohort:
    """The cohort with every observed entry of the first channel of labs set to one value."""
    series = cohort.modalities["labs"]
    grid = series.grid.copy()
    grid[..., 0] = np.where(series.observed[..., 0], values, np.nan)
    return cohort.with_modalities({**cohort.modalities, "labs": replace(series, grid=grid)})


def test_visible_training_entries_get_mean_0_and_population_deviation_1() -> None:
    scaled = Scaler.fit(TRAIN).scale(TRAIN)
    for series in scaled.modalities.values():
        for k in range(series.grid.shape[2]):
            values = series.grid[..., k][series.observed[..., k]].astype(float)
            assert values.mean() == pytest.approx(0, abs=1e-6)
            assert values.std() == pytest.approx(1, abs=1e-6)
    assert np.nanmean(scaled.statics, axis=0) == pytest.approx([0, 0], abs=1e-6)


def test_grid_and_events_stay_on_one_scale_and_nan_stays() -> None:
    scaled = Scaler.fit(TRAIN).scale(COHORT)
    for name, series in scaled.modalities.items():
        before = COHORT.modalities[name]
        assert np.array_equal(np.isnan(series.grid), ~before.observed)
        assert np.array_equal(np.isnan(series.events.values), np.isnan(before.events.values))
        last = series.grid[np.isfinite(series.grid)]
        assert set(last.tolist()) <= set(series.events.values[np.isfinite(series.events.values)].tolist())
    assert np.array_equal(np.isnan(scaled.statics), np.isnan(COHORT.statics))
    assert np.array_equal(scaled.targets["toy"], COHORT.targets["toy"])


def test_hidden_entries_and_other_records_teach_the_scaler_nothing() -> None:
    visible = {name: series.observed & (np.arange(12)[:, None] < 6) for name, series in TRAIN.modalities.items()}
    changed = {
        name: replace(series, grid=np.where(visible[name], series.grid, series.grid * 100 + 7))
        for name, series in TRAIN.modalities.items()
    }
    one, two = (Scaler.fit(apply(c, visible)).state for c in (TRAIN, TRAIN.with_modalities(changed)))
    assert all(np.array_equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_a_constant_channel_becomes_0_and_is_not_blown_up(value: float) -> None:
    scaler = Scaler.fit(with_channel(TRAIN, value))
    assert scaler.state["series.labs"][:, 0] == pytest.approx([np.float32(value), 1.0])
    assert scaler.grid("labs", np.full((1, 1, 2), value, np.float32))[0, 0, 0] == pytest.approx(0, abs=1e-6)


def test_a_channel_never_observed_in_training_keeps_its_values() -> None:
    scaler = Scaler.fit(
        TRAIN.with_modalities({n: replace(s, observed=np.zeros_like(s.observed)) for n, s in TRAIN.modalities.items()})
    )
    values = np.array([[[1.5, -2.0]]], np.float32)
    assert np.array_equal(scaler.grid("labs", values), values)


def test_values_are_cut_at_ten_deviations_or_wherever_asked() -> None:
    far = np.array([[[1e6, -1e6]]], np.float32)
    assert Scaler.fit(TRAIN).grid("labs", far).ravel().tolist() == [10.0, -10.0]
    assert Scaler.fit(TRAIN, winsor=3.0).grid("labs", far).ravel().tolist() == [3.0, -3.0]


def test_a_scaler_made_from_a_stored_state_scales_the_same() -> None:
    scaler = Scaler.fit(TRAIN)
    again = Scaler({key: value.copy() for key, value in scaler.state.items()})
    grid = COHORT.modalities["vitals"].grid
    assert np.array_equal(scaler.grid("vitals", grid), again.grid("vitals", grid), equal_nan=True)
