"""In which bin of the grid an event lies: one answer for the cohort, for what is hidden and for
whoever reads events.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort, Events, Series, bin_events, bins_of
from bench.stages.hiding import apply
from bench.testing.toy import toy_cohort

WAYS = {
    "place times width, rounded": lambda places, rate: (places * (1 / rate / 3600)).astype(np.float32),
    "seconds over 3600": lambda places, rate: (places / rate / 3600).astype(np.float32),
    "product in float32": lambda places, rate: places.astype(np.float32) * np.float32(1 / rate / 3600),
    "seconds in float32": lambda places, rate: places.astype(np.float32) / np.float32(rate) / np.float32(3600),
    "even parts of a whole": lambda places, rate: np.linspace(
        0, len(places) / rate / 3600, len(places), endpoint=False, dtype=np.float32
    ),
}
"""How people compute the time, in hours, of sample 0, 1, 2, ... of a series of so many samples a
second.
"""

RATES = st.one_of(
    st.sampled_from([1 / 3600, 1 / 60, 1.0, 30.0, 100.0, 128.0, 256.0, 360.0, 500.0, 1000.0, 44_100.0]),
    st.floats(1e-5, 1e5, allow_nan=False),
)


def regular(rate: float, length: int, way: str = "place times width, rounded") -> Cohort:
    """One record of one channel: sample k has the value k, in bin k. The grid is made by place,
    as a file of samples is.
    """
    times = WAYS[way](np.arange(length), rate)
    values = np.arange(length, dtype=np.float32)[:, None]
    series = Series(
        channels=("signal",),
        units=("mV",),
        grid=values[None],
        observed=np.ones((1, length, 1), bool),
        times=times,
        events=Events(np.array([0, length]), times, values),
        available=np.ones(1, bool),
        filled=np.zeros(1, bool),
    )
    cohort = toy_cohort(n=1, length=length)
    return replace(cohort, modalities={"signal": series}, bin_hours=1 / rate / 3600)


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None, max_examples=60)
@given(rate=RATES, length=st.integers(1, 5000))
def test_sample_k_of_a_regular_series_lies_in_bin_k_however_its_time_was_computed(
    way: str, rate: float, length: int
) -> None:
    times = WAYS[way](np.arange(length), rate)
    assert bins_of(times, 1 / rate / 3600).tolist() == list(range(length))


@pytest.mark.parametrize("way", WAYS)
def test_a_grid_made_by_place_and_one_made_from_events_are_the_same(way: str) -> None:
    for rate in (100.0, 128.0, 500.0):
        cohort = regular(rate, 1000, way)
        series = cohort.modalities["signal"]
        grid, observed = bin_events(series.events, cohort.length, cohort.bin_hours)
        assert observed.all()
        assert np.array_equal(grid, series.grid)


@pytest.mark.parametrize("way", WAYS)
def test_no_hidden_sample_of_a_regular_series_stays_in_the_events_and_no_other_leaves(way: str) -> None:
    cohort = regular(100.0, 1000, way)
    visible = np.random.default_rng(0).random((1, 1000, 1)) < 0.5
    left = apply(cohort, {"signal": visible}).modalities["signal"]
    assert left.events.values[:, 0].tolist() == np.flatnonzero(visible[0, :, 0]).tolist()


def test_whole_seconds_and_minutes_lie_in_their_own_hour() -> None:
    """Clocks of hospitals: the last second of an hour is not the next hour."""
    for unit in (60, 3600):
        ticks = np.arange(-2 * unit, 500 * unit)
        assert np.array_equal(bins_of((ticks / unit).astype(np.float32)), ticks // unit)


@settings(deadline=None)
@given(
    place=st.integers(-1000, 5000),
    share=st.floats(0.01, 0.99),
    rate=st.sampled_from([1 / 3600, 1 / 60, 1.0, 100.0, 500.0]),
)
def test_a_time_inside_a_bin_belongs_to_it(place: int, share: float, rate: float) -> None:
    width = 1 / rate / 3600
    assert bins_of(np.array([(place + share) * width], np.float32), width).tolist() == [place]


@settings(deadline=None)
@given(times=st.lists(st.floats(-100, 100, width=32), max_size=50), width=st.floats(1e-6, 10))
def test_a_later_time_is_never_in_an_earlier_bin(times: list[float], width: float) -> None:
    assert (np.diff(bins_of(np.sort(np.array(times, np.float32)), width)) >= 0).all()
