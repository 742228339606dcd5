"""The stand-in of `beijing_air`: files that the reader of the real ones reads, made up and called
so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.registry import discover
from bench_datasets.beijing_air.files import STATIONS, file_name, files
from bench_datasets.beijing_air.generate import generate
from bench_datasets.beijing_air.params import BeijingAirParams
from bench_datasets.beijing_air.release import release
from bench_datasets.beijing_air.verify import verify
from support.beijing_files import prepare
from support.counting import numbers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("beijing") / "made"
    made.mkdir()
    generate(made, 2, 0)
    return made


def test_the_same_seed_gives_the_same_files_however_many_stations_there_are(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        generate(tmp_path / name, 1, seed)
    first = file_name(STATIONS[0])
    assert (tmp_path / "same" / first).read_bytes() == (folder / first).read_bytes()
    assert (tmp_path / "other" / first).read_bytes() != (folder / first).read_bytes()


def test_it_is_known_to_be_made_up_and_is_never_called_by_the_name_of_the_release(folder: Path) -> None:
    assert folder / "synthetic.json" in files(folder, BeijingAirParams())
    assert "the contents of Aotizhongxin, Changping differ" in release(folder, BeijingAirParams())
    status = {entry["item"]: entry["status"] for entry in verify(folder, BeijingAirParams())}
    assert (status["Aotizhongxin"], status["Wanliu"]) == ("unknown", "absent")


def test_every_row_is_read_and_there_are_gaps_in_each_channel(folder: Path) -> None:
    cohort = prepare(folder)
    assert not numbers(cohort, "unusable", "repaired")
    assert numbers(cohort)["rows"] == 2 * 35_064
    for series in cohort.modalities.values():
        shares = series.observed.mean(axis=(0, 1))
        assert ((shares > 0.9) & (shares < 1)).all(), dict(zip(series.channels, shares, strict=True))


def test_the_last_day_says_more_of_the_next_than_the_season_does(folder: Path) -> None:
    mae = {entry["item"]: entry["detail"].split()[1] for entry in verify(folder, BeijingAirParams())}
    assert float(mae["persistence"].strip(",")) < float(mae["climatology"].strip(","))


def test_the_estimate_knows_how_many_records_the_generator_makes(folder: Path) -> None:
    spec = discover().get("dataset", "beijing_air")
    params = spec.parameters({"generated_stations": 2})
    assert spec.expected_records(params) == pytest.approx(len(prepare(folder)), rel=0.02)


@pytest.mark.slow
def test_the_suite_runs_without_files_and_says_that_its_hours_were_made_up(project) -> None:
    words = ("data.root=synthetic", "data.generated_stations=1", "scenario=block", "imputer=locf", "fuser=linear")
    project.here("run", "suite=beijing_air", *words, "controls.imputer=", "audits.cells=")
    (record,) = project.records()
    assert record["status"] == "ok"
    assert record["provenance"]["split"] == "split=dates (of the dataset)"
    assert record["imputation"].keys() >= {"pollutants", "weather"}
    assert project.page("suite=beijing_air").splitlines()[0].endswith("(synthetic cohort)")
