"""The features of linear and gbm: closed forms on little series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort, Events, Series
from bench.testing.toy import toy_cohort
from bench_fusers import summaries
from bench_fusers.summaries import features
from support.fuser_cohorts import cohort

_ = np.nan


def summary(values: list[float], observed: list[bool]) -> dict[str, float]:
    """The features of one channel `c` of one record's modality `m`, by their short names."""
    grid = np.array(values, np.float32)[None, :, None]
    seen = np.array(observed)[None, :, None]
    events = Events(np.zeros(2, np.int64), np.zeros(0, np.float32), np.zeros((0, 1), np.float32))
    available = np.array([any(observed)])
    series = Series(("c",), ("1",), grid, seen, np.arange(len(values), dtype=np.float32), events, available, ~available)
    one = Cohort(np.array(["r"]), np.array(["g"]), {"m": series}, np.array([[_, 2]], np.float32), ("age", "sex"), {})
    row, names = features(one)
    return {name.removeprefix("m.c.").removeprefix("m."): float(x) for name, x in zip(names, row[0], strict=True)}


def test_a_completed_channel_is_summarised_with_its_imputed_values() -> None:
    got = summary([1, 2, 3, 4, 5, 9], [False, True, False, False, True, False])
    assert got == pytest.approx(
        {
            "mean": 4,
            "std": np.std([1, 2, 3, 4, 5, 9]),
            "min": 1,
            "max": 9,
            "first": 1,
            "last": 9,
            "slope": 6 * np.polyfit(range(6), [1, 2, 3, 4, 5, 9], 1)[0],
            "mean_1_of_3": 1.5,
            "mean_2_of_3": 3.5,
            "mean_3_of_3": 7,
            "share": 2 / 6,
            "first_seen": 1 / 6,
            "last_seen": 5 / 6,
            "available": 1,
            "filled": 0,
            "statics.age": _,
            "statics.sex": 2,
            "statics.age.known": 0,
            "statics.sex.known": 1,
        },
        nan_ok=True,
    )


def test_missing_entries_are_left_out() -> None:
    got = summary([_, 2, _, _, 4, _], [False, True, False, False, True, False])
    expected = {"mean": 3, "std": 1, "min": 2, "max": 4, "first": 2, "last": 4, "slope": 4, "mean_1_of_3": 2}
    assert {name: got[name] for name in expected} == pytest.approx(expected)
    assert (got["mean_3_of_3"], got["share"]) == (4, pytest.approx(1 / 3))
    assert np.isnan(got["mean_2_of_3"])


def test_a_single_value_has_no_slope_and_no_spread() -> None:
    got = summary([_, _, 5, _], [False, False, True, False])
    assert (got["mean"], got["std"], got["slope"]) == (5, 0, 0)


def test_a_channel_never_observed_has_times_no_observed_one_has() -> None:
    got = summary([0, 0, 0], [False] * 3)
    assert (got["share"], got["first_seen"], got["last_seen"], got["available"], got["filled"]) == (0, 1, 0, 0, 1)
    at_the_edges = summary([0, 0, 0], [True, False, True])
    assert (at_the_edges["first_seen"], at_the_edges["last_seen"]) == (0, 1)


@pytest.mark.filterwarnings("error")
def test_a_channel_without_any_value_has_nan_statistics_and_no_warning() -> None:
    got = summary([_, _, _], [False] * 3)
    assert {name for name, x in got.items() if np.isnan(x)} == {
        *("mean", "std", "min", "max", "first", "last", "slope"),
        *("mean_1_of_3", "mean_2_of_3", "mean_3_of_3", "statics.age"),
    }


@given(size=st.integers(1, 12), fill=st.sampled_from([None, 0.0]))
@settings(max_examples=20, deadline=None)
def test_a_row_depends_on_its_record_alone(size: int, fill: float | None) -> None:
    whole = cohort(12, fill=fill)
    rows, names = features(whole)
    assert rows.shape == (12, len(names))
    assert np.array_equal(features(whole.take(np.arange(size)))[0], rows[:size], equal_nan=True)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = toy_cohort(30)
    expected = features(whole)[0]
    monkeypatch.setattr(summaries, "CHUNK", 7)
    assert np.array_equal(features(whole)[0], expected, equal_nan=True)
