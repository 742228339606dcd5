"""The stand-in for Sleep-EDF: every kind of night, and spectra that tell the stage to whoever
cuts rightly; and the download.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.cohort import Counts
from bench.components import Context
from bench.errors import DataError
from bench_datasets.sleepedf.dataset import Sleepedf
from bench_datasets.sleepedf.fetch import fetch
from bench_datasets.sleepedf.files import nights
from bench_datasets.sleepedf.generate import BEYOND, LOOKS, generate
from bench_datasets.sleepedf.params import SleepedfParams
from bench_datasets.sleepedf.read import read_epochs, read_hypnogram, read_signals
from bench_datasets.sleepedf.verify import verify
from support.counting import numbers
from support.publishing import publishing
from support.sleepedf_files import night, prepare

edfio = pytest.importorskip("edfio", reason="the extra sleep is not installed")
PARAMS = SleepedfParams(subjects=5, minutes=40)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sleepedf") / "made"
    generate(folder, PARAMS, lambda line: None)
    return folder


def test_the_same_parameters_give_the_same_files_and_more_subjects_begin_with_the_same(made: Path, tmp_path: Path):
    generate(tmp_path / "more", SleepedfParams(subjects=6), lambda line: None)
    for path in made.glob("*.edf"):
        assert (tmp_path / "more" / path.name).read_bytes() == path.read_bytes()
    generate(tmp_path / "other", SleepedfParams(subjects=4, generator_seed=1), lambda line: None)
    assert (tmp_path / "other/SC4001E0-PSG.edf").read_bytes() != (made / "SC4001E0-PSG.edf").read_bytes()


def test_every_subject_of_the_whole_part_can_be_generated(tmp_path: Path):
    params = SleepedfParams(part="sc", subjects=32, minutes=30)
    generate(tmp_path / "many", params, lambda line: None)
    assert len(set(prepare(tmp_path / "many", part="sc", rate=10).groups)) == 32


def test_nights_are_as_odd_as_the_published_ones(made: Path):
    cohort = prepare(made)
    counted = numbers(cohort)
    assert counted["recordings"] == 9, "one night of the first subject is lost"
    assert counted["epochs beyond the end of the signals"] == BEYOND
    assert {f"task stage: {stage}" for stage in ("W", "N1", "N2", "N3", "REM")} <= counted.keys()
    assert all(counted[f"epochs {what}"] for what in ("of movement time", "without a stage"))
    texts = {each.text for path in made.glob("*Hypnogram.edf") for each in edfio.read_edf(path).annotations}
    assert texts == set(LOOKS)
    assert "" not in cohort.columns["age_band"]


def test_a_file_has_signals_of_100_and_of_1_sample_a_second(made: Path):
    file = edfio.read_edf(made / "SC4001E0-PSG.edf")
    assert [signal.sampling_frequency for signal in file.signals] == [100] * 3 + [1] * 4
    assert file.duration == 2400


def features(epochs: np.ndarray) -> np.ndarray:
    """Log power in six bands, the spread and the middle: [n, 8] of [n, samples] at 100 Hz."""
    power = np.abs(np.fft.rfft(epochs - epochs.mean(axis=1, keepdims=True), 3000, axis=1)) ** 2
    hertz = np.fft.rfftfreq(3000, 0.01)
    bands = [power[:, (hertz >= low) & (hertz < high)].sum(axis=1) for low, high in
             ((0.2, 2), (2, 5), (5, 8), (8, 12), (12, 15), (15, 40))]  # fmt: skip
    return np.column_stack([*np.log(np.array(bands) + 1), np.log(epochs.std(axis=1) + 1), epochs.mean(axis=1)])


def learnt(cut: dict[str, list[np.ndarray]], stages: np.ndarray, test: np.ndarray) -> float:
    """The balanced accuracy of a linear model on band powers of cut epochs, on subjects it was not
    fitted on. 0.2 is chance.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.concatenate([features(np.stack(epochs)) for epochs in cut.values()], axis=1)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced"))
    model.fit(known[~test], stages[~test])
    return float(balanced_accuracy_score(stages[test], model.predict(known[test])))


def test_stages_are_learnt_from_epochs_and_a_cutter_that_mixes_seconds_and_samples_stays_at_chance(made: Path):
    """The cutter of a published pipeline took onsets and durations, which are seconds, for places
    of samples: every epoch then comes from the first half minute, before the sleeper was asleep.
    """
    fast = ("eeg_fpz_cz", "eeg_pz_oz", "eog")
    mixed: dict[str, list[np.ndarray]] = {name: [] for name in fast}
    stages, test = [], []
    for each in nights(made, PARAMS):
        epochs, signals = read_epochs(each, 30, Counts()), read_signals(each)
        for number, stage in zip(epochs.numbers.tolist(), epochs.stages.tolist(), strict=True):
            stages.append(stage)
            test.append(each.subject in ("SC403", "SC404"))
            onset, duration = 30 * number, 30
            for name in fast:
                mixed[name].append(signals[name][onset : onset + duration])
    cohort = Sleepedf(SleepedfParams(rate=100)).prepare(made, Context())
    ours = {name: list(cohort.modalities[name].grid[..., 0]) for name in fast}
    assert cohort.targets["stage"].tolist() == stages
    assert learnt(ours, np.array(stages), np.array(test)) > 0.8
    assert learnt(mixed, np.array(stages), np.array(test)) < 0.3


def test_breathing_and_muscles_tell_the_stage_too(made: Path):
    cohort = prepare(made, rate=10)
    level = np.nanmean(cohort.modalities["emg"].grid[..., 0], axis=1)
    means = [level[cohort.targets["stage"] == stage].mean() for stage in range(5)]
    assert means[0] > means[1] > means[2] > means[3] > means[4] > 0


def test_verify_says_how_much_of_the_part_is_there(made: Path):
    found = {entry["item"]: entry for entry in verify(made, PARAMS)}
    assert found["recordings"]["status"] == "differs"
    assert "9 of the 39" in found["recordings"]["detail"]
    assert found["ages"]["status"] == "ok"


def test_the_recordings_of_the_part_are_fetched_then_only_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    origin = tmp_path / "origin"
    for name in ("SC4001", "SC4002", "SC4201"):
        night(origin / "sleep-cassette", name)
    (origin / "sleep-telemetry").mkdir()
    (origin / "sleep-telemetry" / "ST7011J0-PSG.edf").write_bytes(b"of another study")
    (origin / "sleep-cassette" / "SC-subjects.xls").write_bytes(b"not read")
    with publishing(origin) as (address, asked):
        monkeypatch.setenv("BENCH_SLEEPEDF_URL", address)
        fetch(tmp_path / "here", SleepedfParams(), lambda line: None)
        assert sorted(set(asked)) == ["SHA256SUMS.txt", *(
            f"sleep-cassette/SC400{n}{end}.edf" for n in (1, 2) for end in ("E0-PSG", "EC-Hypnogram")
        )]  # fmt: skip
        assert prepare(tmp_path / "here").ids.tolist() == prepare(origin).ids.tolist()
        asked.clear()
        fetch(tmp_path / "here", SleepedfParams(part="sc"), lambda line: None)
        assert [name for name in asked if "SC4001" in name] == []
        assert sum("SC4201" in name for name in asked) == 2


def test_a_server_without_the_part_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    night(tmp_path / "origin" / "sleep-cassette", "SC4201")
    with publishing(tmp_path / "origin") as (address, _):
        monkeypatch.setenv("BENCH_SLEEPEDF_URL", address)
        with pytest.raises(DataError, match="no recording of part sc20"):
            fetch(tmp_path / "here", SleepedfParams(), lambda line: None)


@pytest.fixture(scope="module")
def hypnograms(open_data: Path) -> list[Path]:
    return sorted((open_data / "sleep-edfx-hypnograms").glob("*.edf"))


def test_published_hypnograms_are_read_whole(hypnograms: list[Path]):
    from bench_datasets.sleepedf.read import within

    counts, stages, ages = Counts(), np.zeros(5, int), {}
    for path in hypnograms:
        hypnogram = read_hypnogram(path, counts)
        stages += np.bincount(within(hypnogram, 86_400, 30, counts).stages, minlength=5)
        ages[path.name[:5]] = hypnogram.age
    assert len(hypnograms) == 20
    assert stages.tolist() == [3656, 1689, 8927, 3074, 3693]
    assert counts.number("epochs that were scored") == 54_498
    assert counts.number("epochs of movement time") == 32
    assert counts.number("annotations with a part of an epoch, which is left out") == 0
    assert sorted(ages.values()) == [25, 25, 26, 26, 28, 30, 31, 33, 33, 34]
