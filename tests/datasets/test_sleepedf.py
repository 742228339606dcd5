"""Sleep-EDF from its files to a cohort: which samples an epoch has, stages, pairs of files; and
what is refused.
"""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cohort import Counts
from bench.errors import DataError
from bench_datasets.sleepedf.dataset import band
from bench_datasets.sleepedf.files import files, nights
from bench_datasets.sleepedf.params import CHANNELS, SleepedfParams
from bench_datasets.sleepedf.read import LARGEST, Hypnogram, within
from support.counting import numbers
from support.sleepedf_files import (
    MOVED,
    N2,
    REM,
    RUNS,
    START,
    UNKNOWN,
    W,
    clock,
    in_turn,
    night,
    prepare,
    write_hypnogram,
    write_signals,
)

edfio = pytest.importorskip("edfio", reason="the extra sleep is not installed")


def test_an_epoch_has_the_samples_of_its_own_30_seconds_in_every_signal(tmp_path):
    cohort = prepare(night(tmp_path), rate=100)
    assert cohort.ids.tolist() == [f"SC4001-{epoch:04d}" for epoch in (0, 1, 2, 3, 4, 5, 6, 8, 9, 10)]
    for place, (name, (_, rate)) in enumerate(CHANNELS.items()):
        grid = cohort.modalities[name].grid[..., 0]
        for record, epoch in enumerate((0, 1, 2, 3, 4, 5, 6, 8, 9, 10)):
            seconds = 1000 * place + np.repeat(np.arange(30 * epoch, 30 * epoch + 30), 100)
            expected = seconds if rate == 100 else np.where(np.arange(3000) % 100 == 0, seconds, np.nan)
            np.testing.assert_allclose(grid[record], expected, atol=0.01)


def test_stages_3_and_4_are_one_and_what_is_no_stage_is_a_gap(tmp_path):
    cohort = prepare(night(tmp_path))
    assert cohort.targets["stage"].tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4, 0]
    assert numbers(cohort, "left_out") == {"epochs of movement time": 1, "epochs without a stage": 1}


def test_a_signal_of_one_sample_a_second_is_observed_once_a_second_or_held(tmp_path):
    once, held = (prepare(night(tmp_path), rate=10, slow=slow).modalities["resp"] for slow in ("once", "held"))
    assert once.observed[0, :, 0].tolist() == [place % 10 == 0 for place in range(300)]
    assert once.events.counts.tolist() == [30] * 10
    np.testing.assert_allclose(held.grid[3, :, 0], 3000 + np.repeat(np.arange(90, 120), 10), atol=0.01)
    assert held.observed.all()


def test_a_lower_rate_keeps_what_is_slow_and_filters_out_what_it_cannot_hold(tmp_path):
    seconds = np.arange(36000) / 100
    signals = clock(360)
    signals["EEG Fpz-Cz"] = 10_000 * np.sin(2 * np.pi * 2 * seconds)
    signals["EEG Pz-Oz"] = 10_000 * np.sin(2 * np.pi * 40 * seconds)
    night(tmp_path)
    write_signals(tmp_path / "SC4001E0-PSG.edf", {label: np.rint(each) for label, each in signals.items()}, 360)
    cohort = prepare(tmp_path, rate=50)
    slow, fast = (cohort.modalities[name].grid[4, :, 0] for name in ("eeg_fpz_cz", "eeg_pz_oz"))
    np.testing.assert_allclose(slow, 10_000 * np.sin(2 * np.pi * 2 * np.arange(1500) / 50), atol=200)
    assert np.abs(fast).max() < 200


@pytest.mark.parametrize("rate", [10, 20, 25, 50, 100])
def test_every_rate_has_its_bins_and_each_sample_lies_in_its_own(tmp_path, rate):
    cohort = prepare(night(tmp_path), rate=rate)
    assert cohort.length == 30 * rate
    assert cohort.modalities["eog"].events.counts.tolist() == [30 * rate] * 10


def test_wake_is_kept_for_so_many_minutes_around_sleep(tmp_path):
    night(tmp_path, runs=((W, 600), (N2, 60), (W, 90), (REM, 30), (W, 600)))
    assert len(prepare(tmp_path, wake=30)) == 46
    cohort = prepare(tmp_path, wake=2)
    assert cohort.targets["stage"].tolist() == [0] * 4 + [2, 2, 0, 0, 0, 4] + [0] * 4
    assert numbers(cohort)["epochs of wake more than 2 min before or after sleep"] == 32
    assert len(prepare(tmp_path, wake=0)) == 6


def test_epochs_that_were_scored_beyond_the_end_of_the_signals_are_left_out(tmp_path):
    night(tmp_path, runs=((N2, 90), (REM, 90)), seconds=120)
    cohort = prepare(tmp_path)
    assert cohort.targets["stage"].tolist() == [2, 2, 2, 4]
    assert numbers(cohort)["epochs beyond the end of the signals"] == 2


def test_an_annotation_has_its_whole_epochs(tmp_path):
    night(tmp_path)
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", [(0, 75, N2), (90, 30, REM), (120, 30, "Lights off")])
    cohort = prepare(tmp_path)
    assert cohort.targets["stage"].tolist() == [2, 2, 4]
    assert numbers(cohort)["annotations with a part of an epoch, which is left out"] == 1
    assert numbers(cohort)["annotations of another kind"] == 1


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), min_size=1, max_size=12),
    st.integers(0, 400),
    st.integers(0, 20),
)
def test_no_epoch_is_kept_beyond_the_signals_and_none_of_sleep_is_lost_within(runs, epochs, wake):
    stages = [stage for stage, many in runs for _ in range(many)]
    kept = within(Hypnogram(dict(enumerate(stages)), None, None), 30 * epochs, wake, Counts())
    asleep = [number for number, stage in enumerate(stages[:epochs]) if stage]
    assert set(asleep) <= set(kept.numbers.tolist())
    assert all(
        number < epochs and stages[number] == stage for number, stage in zip(kept.numbers, kept.stages, strict=True)
    )
    if asleep:
        assert kept.numbers.min() >= asleep[0] - 2 * wake
        assert kept.numbers.max() <= asleep[-1] + 2 * wake
    else:
        assert not len(kept.numbers)


def test_both_nights_of_a_subject_are_one_group_and_the_parts_are_by_subject(tmp_path):
    for name in ("SC4001", "SC4002", "SC4191", "SC4201"):
        night(tmp_path, name)
    assert sorted(set(prepare(tmp_path).groups.tolist())) == ["SC400", "SC419"]
    assert sorted(set(prepare(tmp_path, part="sc").groups.tolist())) == ["SC400", "SC419", "SC420"]


def test_the_two_files_of_a_night_are_known_by_subject_and_night_whoever_scored_it(tmp_path):
    night(tmp_path)
    (tmp_path / "SC4001EC-Hypnogram.edf").rename(tmp_path / "SC4001EP-Hypnogram.edf")
    (tmp_path / "SC4001E0-PSG.edf").rename(tmp_path / "SC4001G0-PSG.edf")
    (pair,) = nights(tmp_path, SleepedfParams())
    assert (pair.name, pair.subject) == ("SC4001", "SC400")
    assert [path.name for path in files(tmp_path, SleepedfParams())] == ["SC4001G0-PSG.edf", "SC4001EP-Hypnogram.edf"]


def test_bands_of_age_are_read_from_the_header_and_empty_where_it_tells_none(tmp_path):
    for name, who in {"SC4001": "Female_33yr", "SC4002": "Female_34yr", "SC4011": "Male_35yr", "SC4021": "X"}.items():
        night(tmp_path, name, who=who)
    cohort = prepare(tmp_path)
    of = dict(zip(cohort.groups.tolist(), cohort.columns["age_band"].tolist(), strict=True))
    assert of == {"SC400": "-34", "SC401": "35-49", "SC402": ""}
    assert numbers(cohort)["subjects of unknown age"] == 1
    assert set(prepare(tmp_path, age_edges=(34,)).columns["age_band"]) == {"-33", "34-", ""}


def test_bands_meet_without_a_gap():
    assert [band(age, (35, 50)) for age in (20, 34, 35, 49, 50, 99)] == ["-34", "-34", "35-49", "35-49", "50-", "50-"]
    assert band(40, ()) == "all"


def test_a_night_that_lacks_a_file_or_is_there_twice_is_refused_by_name(tmp_path):
    night(tmp_path)
    (tmp_path / "SC4012EC-Hypnogram.edf").write_bytes(b"")
    with pytest.raises(DataError, match="SC4012: no PSG"):
        prepare(tmp_path)
    (tmp_path / "SC4012EC-Hypnogram.edf").rename(tmp_path / "SC4001EP-Hypnogram.edf")
    with pytest.raises(DataError, match="SC4001 twice"):
        prepare(tmp_path)


def test_an_empty_place_says_what_to_type(tmp_path):
    with pytest.raises(DataError, match=r"bench data fetch sleepedf data\.root="):
        prepare(tmp_path)


@pytest.mark.parametrize(
    "place", ["", "sleep-edfx-1.0.0/sleep-cassette", "physionet.org/files/sleep-edfx/1.0.0/sleep-cassette"]
)
def test_the_files_are_found_where_programs_put_them(tmp_path, place):
    night(tmp_path / place)
    assert len(files(tmp_path, SleepedfParams())) == 2


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        ([(0, 60, N2), (75, 30, REM)], "does not begin at a whole epoch"),
        ([(-30, 60, N2)], "does not begin at a whole epoch"),
        ([(0, 60, N2), (30, 30, REM)], "claim the same epoch"),
        ([(0, 60, N2), (30, 30, MOVED)], "claim the same epoch"),
        ([(0, 1e9, N2)], "has no duration"),
        ([(0, 60, UNKNOWN)], "scores no epoch"),
    ],
)
def test_annotations_that_cannot_be_meant_are_refused(tmp_path, annotations, reason):
    night(tmp_path)
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", annotations)
    with pytest.raises(DataError, match=reason):
        prepare(tmp_path)


def test_files_of_two_nights_are_not_taken_for_one(tmp_path):
    night(tmp_path)
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", in_turn(RUNS), start=START + datetime.timedelta(seconds=30))
    with pytest.raises(DataError, match="do not begin at the same time"):
        prepare(tmp_path)


def test_a_signal_that_is_absent_or_of_another_rate_is_refused_by_name(tmp_path):
    night(tmp_path)
    signals = clock(360)
    fast = dict(signals, **{"EMG submental": np.zeros(36000)})
    write_signals(tmp_path / "SC4001E0-PSG.edf", fast, 360)
    with pytest.raises(DataError, match="EMG submental has 100 samples a second, not 1"):
        prepare(tmp_path)
    del signals["Resp oro-nasal"]
    write_signals(tmp_path / "SC4001E0-PSG.edf", signals, 360)
    with pytest.raises(DataError, match="no signal Resp oro-nasal"):
        prepare(tmp_path)


@pytest.mark.parametrize("name", ["SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf"])
@pytest.mark.parametrize("damage", ["cut", "page", "empty", "bytes", "large"])
def test_a_damaged_file_is_refused_by_name(tmp_path, name, damage, monkeypatch):
    path = night(tmp_path) / name
    whole = path.read_bytes()
    contents = {"cut": whole[:-100], "page": b"<!DOCTYPE html><p>busy", "empty": b"", "bytes": bytes(range(256)) * 9}
    path.write_bytes(contents.get(damage, whole))
    if damage == "large":
        kind = "signals" if "PSG" in name else "hypnogram"
        monkeypatch.setitem(LARGEST, kind, 100)
    with pytest.raises(DataError, match=name):
        prepare(tmp_path)


def test_a_header_that_claims_more_than_the_file_holds_takes_no_memory(tmp_path):
    path = night(tmp_path) / "SC4001E0-PSG.edf"
    whole = bytearray(path.read_bytes())
    whole[236:244] = b"99999999"
    path.write_bytes(whole)
    with pytest.raises(DataError, match="records"):
        prepare(tmp_path)


def test_edges_of_bands_rise():
    with pytest.raises(ValueError, match="rise"):
        SleepedfParams(age_edges=(50, 35))


def test_more_generated_subjects_than_sc20_has_need_the_whole_part():
    with pytest.raises(ValueError, match="subjects=21 needs part=sc"):
        SleepedfParams(subjects=21)
    assert SleepedfParams(subjects=78, part="sc").subjects == 78
