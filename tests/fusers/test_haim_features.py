"""The features of haim: the eleven statistics against closed forms and libraries, embeddings,
modes, names and counts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks

from bench.cohort import Cohort, Events, Series
from bench.testing.subject import emptied
from bench.testing.toy import toy_cohort
from bench_fusers.haim import features as haim_features
from bench_fusers.haim.features import STATISTICS, aggregated, features, statistics
from support.fuser_cohorts import cohort, filled_with

NAN = np.nan


def of(*values: float, times: list[float] | None = None) -> dict[str, float]:
    """The statistics of one series; NaN entries are not read."""
    row = np.array(values, np.float64)[None, :, None]
    found = statistics(row, ~np.isnan(row), None if times is None else np.array(times))[0, 0]
    return dict(zip(STATISTICS, found.tolist(), strict=True))


def table(whole: Cohort, **changed: object) -> dict[str, np.ndarray]:
    """Feature name -> its column."""
    asked = {"embeddings": (), "raw": False, "mode": "honest", "counts": False, "trend_time": False} | changed
    columns, names = features(whole, **asked)  # type: ignore[arg-type]
    return dict(zip(names, columns.T, strict=True))


def test_the_statistics_of_a_short_series_are_those_of_its_definition() -> None:
    assert of(1, 3, 2, 6) == pytest.approx(
        {
            "max": 6,
            "min": 1,
            "mean": 3,
            "variance": (4 + 0 + 1 + 9) / 3,
            "mean_difference": 5 / 3,
            "mean_absolute_difference": (2 + 1 + 4) / 3,
            "max_absolute_difference": 4,
            "sum_absolute_difference": 7,
            "last_minus_first": 5,
            "peaks": 1,
            "slope": (-1.5 * -2 + -0.5 * 0 + 0.5 * -1 + 1.5 * 3) / 5,
        }
    )


def test_what_is_not_read_is_as_if_it_were_not_there() -> None:
    assert of(NAN, 1, NAN, 3, 2, NAN, 6, NAN) == pytest.approx(of(1, 3, 2, 6))


def test_one_value_has_no_variance_difference_peak_or_slope() -> None:
    found = of(NAN, 4, NAN)
    assert {name: found.pop(name) for name in ("max", "min", "mean")} == {"max": 4, "min": 4, "mean": 4}
    assert set(found.values()) == {0.0}


def test_a_series_without_any_value_has_no_statistic() -> None:
    assert all(np.isnan(value) for value in of(NAN, NAN).values())


def test_a_plateau_is_one_peak_and_the_ends_are_none() -> None:
    assert of(0, 2, 2, 2, 1)["peaks"] == 1
    assert of(2, 2, 1, 1, 3)["peaks"] == 0
    assert of(1, 2, 2, 3, 1)["peaks"] == 1


def test_the_slope_is_against_the_number_of_the_value_or_against_hours() -> None:
    assert of(1, NAN, NAN, 2)["slope"] == pytest.approx(1)
    assert of(1, NAN, NAN, 2, times=[0.0, 1.0, 2.0, 3.0])["slope"] == pytest.approx(1 / 3)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-4, 4), st.booleans()).map(lambda pair: float(pair[0]) if pair[1] else NAN),
        min_size=1,
        max_size=12,
    )
)
def test_the_statistics_are_those_of_numpy_and_scipy_on_what_is_read(values: list[float]) -> None:
    kept = np.array([value for value in values if not np.isnan(value)])
    if len(kept) < 2:
        return
    steps = np.diff(kept)
    expected = [
        *(kept.max(), kept.min(), kept.mean(), kept.var(ddof=1), steps.mean(), np.abs(steps).mean()),
        *(np.abs(steps).max(), np.abs(steps).sum(), kept[-1] - kept[0], len(find_peaks(kept)[0])),
        np.polyfit(np.arange(len(kept)), kept, 1)[0],
    ]
    assert list(of(*values).values()) == pytest.approx(expected, abs=1e-9)


def test_an_embedding_is_the_mean_of_its_steps_or_weighs_later_ones_more() -> None:
    values = np.array([[1.0, NAN], [NAN, NAN], [3.0, 5.0], [8.0, 7.0]])[None]
    read, times = ~np.isnan(values), np.array([0.0, 1.0, 2.0, 4.0])
    assert aggregated(values, read)[0].tolist() == pytest.approx([4.0, 6.0])
    # Weights 0, 0.5 and 1.
    assert aggregated(values, read, times)[0].tolist() == pytest.approx([(1.5 + 8) / 1.5, (2.5 + 7) / 1.5])


def test_words_weigh_by_the_hours_since_the_start_and_other_embeddings_by_those_since_their_first() -> None:
    values = np.array([[NAN, NAN], [2.0, NAN], [3.0, 5.0], [8.0, 7.0]])[None]
    read, times = ~np.isnan(values), np.array([0.0, 1.0, 2.0, 4.0])
    assert aggregated(values, read, times, words=True)[0].tolist() == pytest.approx([(2 + 6 + 32) / 7, (10 + 28) / 6])
    alone = values[:, :2]
    assert aggregated(alone, ~np.isnan(alone), times[:2], words=True)[0, 0] == 2.0
    first = np.array([[6.0, 4.0]])[None]
    assert aggregated(first, ~np.isnan(first), times[:1], words=True)[0].tolist() == [6.0, 4.0], "no weight at all"
    toy = toy_cohort(12, length=6, modalities={"notes": 3}, absent=0.0)
    named = {"notes": toy.modalities["notes"], "cxr": toy.modalities["notes"]}
    rows, _ = features(
        toy.with_modalities(named),
        embeddings=("notes", "cxr"),
        raw=True,
        mode="reference",
        counts=False,
        trend_time=False,
    )
    assert not np.allclose(rows[:, :3], rows[:, 3:6]), "a modality is of words by its name"


def test_an_embedding_of_one_step_is_that_step_whatever_the_weights() -> None:
    values = np.array([[NAN, NAN], [3.0, 5.0]])[None]
    times = np.array([0.0, 1.0])
    assert aggregated(values, ~np.isnan(values), times)[0].tolist() == [3.0, 5.0]
    assert np.isnan(aggregated(values[:, :1], ~np.isnan(values[:, :1]), times[:1])).all()


def test_the_published_example_has_as_many_features_as_the_specification_says() -> None:
    # 30 channels, a note, a picture, an ECG: 11 * 30 + 768 + 1024 + 256.
    sizes = {"series": 30, "notes": 768, "cxr": 1024, "ecg": 256}
    whole = toy_cohort(4, length=2, modalities=sizes)
    whole = replace(whole, statics=whole.statics[:, :0], static_names=())
    found = table(filled_with(whole, 0.0), embeddings=("notes", "cxr", "ecg"))
    assert len(found) == 2378


def test_features_are_named_by_modality_channel_and_statistic() -> None:
    names = list(table(cohort(8), embeddings=("labs",), counts=True))
    assert names[:2] == ["vitals/vitals_0/max", "vitals/vitals_0/min"]
    assert {"vitals/vitals_2/slope", "vitals/vitals_1/count", "vitals/all/present"} <= set(names)
    assert [name for name in names if name.startswith("labs")] == [
        *("labs/labs_0/mean", "labs/labs_1/mean", "labs/all/count", "labs/all/present")
    ]
    assert names[-2:] == ["statics/age/value", "statics/gender/value"]


def test_counts_say_how_much_was_observed_and_present_whether_anything_is_there() -> None:
    whole = cohort(40)
    labs = whole.modalities["labs"]
    half = replace(labs, filled=labs.filled & (np.arange(40) % 2 == 0))
    found = table(whole.with_modalities({"labs": half}), counts=True)
    assert np.array_equal(found["labs/labs_1/count"], labs.observed[:, :, 1].sum(axis=1))
    assert np.array_equal(found["labs/all/present"], half.available | half.filled)
    assert not found["labs/all/present"].all()


def test_imputed_values_count_unless_only_observed_ones_are_read() -> None:
    low, high = filled_with(cohort(fill=None), 0.0), filled_with(cohort(fill=None), 9.0)
    one, two = table(low), table(high)
    assert not np.array_equal(one["vitals/vitals_0/max"], two["vitals/vitals_0/max"])
    for name, column in table(low, raw=True).items():
        assert np.array_equal(column, table(high, raw=True)[name], equal_nan=True)


def test_reading_observed_values_alone_is_what_the_imputer_none_gives() -> None:
    filled, open_ = cohort(), cohort(fill=None)
    open_table = table(open_)
    for name, column in table(filled, raw=True).items():
        assert np.array_equal(column, open_table[name], equal_nan=True)


def test_with_events_each_recorded_value_counts_and_without_the_last_of_each_bin() -> None:
    toy = cohort(60, fill=None)
    every = table(toy, raw=True, events=True, embeddings=("labs",), mode="reference")
    for name, series in toy.modalities.items():
        for record in range(len(toy)):
            rows = slice(*series.events.offsets[record : record + 2])
            for channel, label in enumerate(series.channels):
                values, times = series.events.values[rows, channel], series.events.times[rows]
                kept = values[~np.isnan(values)]
                of = {key: column[record] for key, column in every.items() if key.startswith(f"{name}/{label}/")}
                if name == "vitals":
                    expected = [kept.max(), kept.min(), kept.mean()] if len(kept) else [0, 0, 0]
                    found = [of[f"{name}/{label}/{statistic}"] for statistic in STATISTICS[:3]]
                    assert found == pytest.approx(expected, abs=1e-5)
                elif len(kept) > 1 and np.isfinite(values[[0, -1]]).all():
                    share = (times - times[0]) / (times[-1] - times[0])
                    weights = np.where(np.isnan(values), 0, share)
                    expected = (weights * np.nan_to_num(values)).sum() / weights.sum()
                    assert of[f"{name}/{label}/mean"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mode", ["honest", "reference"])
def test_events_and_bins_agree_where_a_bin_holds_one_event(mode: str) -> None:
    toy = cohort(60, fill=None)

    def one_a_bin(series: Series) -> Series:
        there = series.observed.any(axis=2)
        times = np.broadcast_to(series.times, there.shape)[there]
        offsets = np.concatenate([[0], there.sum(axis=1).cumsum()])
        return replace(series, events=Events(offsets, times, series.grid[there]))

    thin = toy.with_modalities({name: one_a_bin(series) for name, series in toy.modalities.items()})
    asked = {"raw": True, "mode": mode, "embeddings": ("labs",), "trend_time": True, "counts": True}
    every, last = table(thin, events=True, **asked), table(thin, events=False, **asked)
    assert every.keys() == last.keys()
    for name, column in every.items():
        assert np.allclose(column, last[name], atol=1e-5, equal_nan=True), name


@pytest.mark.parametrize("mode", ["honest", "reference"])
def test_a_modality_of_which_nobody_has_an_event_is_as_one_that_is_not_read(mode: str) -> None:
    toy = cohort(12, fill=None)
    gone = toy.with_modalities({name: emptied(series) for name, series in toy.modalities.items()})
    for name, column in table(gone, raw=True, events=True, embeddings=("labs",), mode=mode).items():
        if not name.startswith("statics"):
            assert (column == 0).all() if mode == "reference" else np.isnan(column).all(), name


def test_an_absent_modality_is_nan_in_mode_honest_and_zero_in_mode_reference() -> None:
    whole = cohort(fill=None)
    gone = ~whole.modalities["labs"].available
    assert gone.any()
    for name, column in table(whole).items():
        if name.startswith("labs"):
            assert np.isnan(column[gone]).all()
    reference = table(whole, mode="reference", counts=True)
    assert all((column[gone] == 0).all() for name, column in reference.items() if name.startswith("labs"))
    assert not any(name.endswith(("/count", "/present")) for name in reference)
    assert all(np.isfinite(column).all() for column in reference.values())


@pytest.mark.parametrize("more", [{}, {"raw": True, "events": True, "mode": "reference"}], ids=["bins", "events"])
def test_the_row_of_a_record_depends_on_that_record_alone(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, object]
) -> None:
    whole, asked = cohort(20, fill=None), {"counts": True, "embeddings": ("labs",), **more}

    def rows(of: Cohort) -> np.ndarray:
        return np.stack(list(table(of, **asked).values()), axis=1)

    together = rows(whole)
    monkeypatch.setattr(haim_features, "CHUNK", 3)
    assert np.array_equal(together, rows(whole), equal_nan=True)
    assert np.array_equal(together[[7]], rows(whole.take(np.array([7]))), equal_nan=True)
    assert table(whole.take(np.array([], int)), **asked)["vitals/vitals_0/max"].shape == (0,)
