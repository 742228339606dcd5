"""Each dataset tells its release by what its files hold, never by the name of a folder; a part of one is not the whole."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest
from physionet_files import STAYS, write_set

from bench_datasets import physionet2012_release
from bench_datasets.affect_files import mosi_release
from bench_datasets.affect_plugin import MosiParams
from bench_datasets.mimic4_files import TABLES
from bench_datasets.mimic4_release import RELEASES, release
from bench_datasets.physionet2012_files import SETS
from bench_datasets.plugin import Mimic4Params, Physionet2012Params


def write_tables(folder: Path, rows: dict[str, int], plain: bool = False) -> None:
    for name, count in rows.items():
        path = folder / f"{name}.csv{'' if plain else '.gz'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = "a,b\n" + "1,2\n" * count
        path.write_text(body) if plain else path.write_bytes(gzip.compress(body.encode(), 1))


@pytest.mark.parametrize("plain", [False, True])
def test_the_demo_of_mimic_iv_is_known_whatever_its_folder_is_called_and_a_part_of_it_is_not(
    tmp_path: Path, plain: bool
) -> None:
    rows = RELEASES["demo 2.2"]
    whole = tmp_path / "mimiciv" / "3.1"
    write_tables(whole, rows, plain)
    assert release(whole, Mimic4Params()) == "MIMIC-IV demo 2.2"
    for table in TABLES:
        part = tmp_path / table.replace("/", "-")
        write_tables(part, {**rows, table: rows[table] - 1}, plain)
        assert release(part, Mimic4Params()) == "", table


def test_a_large_table_is_left_to_verify_and_a_damaged_one_is_of_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {**RELEASES["2.2"], "hosp/diagnoses_icd": 10, "icu/chartevents": 10}
    write_tables(tmp_path, rows)
    assert release(tmp_path, Mimic4Params()) == ""
    counted = {"hosp/patients": 9, "hosp/admissions": 8, "icu/icustays": 7, "icu/d_items": 6}
    known = {"x": {**RELEASES["2.2"], **counted}}
    monkeypatch.setattr("bench_datasets.mimic4_release.RELEASES", known)
    write_tables(tmp_path, counted)
    sizes = {path: path.stat().st_size for path in tmp_path.rglob("*.gz")}
    write_tables(tmp_path, {"hosp/diagnoses_icd": 10**5, "icu/chartevents": 10**5})
    monkeypatch.setattr("bench_datasets.mimic4_release.LARGEST", {".gz": max(sizes.values()) + 1, ".csv": 0})
    assert release(tmp_path, Mimic4Params()) == "MIMIC-IV x"
    path = tmp_path / "hosp/patients.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    assert release(tmp_path, Mimic4Params()) == ""


@pytest.mark.parametrize("layout", ["dir", "tar.gz", "zip"])
def test_sets_of_physionet_2012_are_named_and_a_part_of_one_is_counted(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(physionet2012_release, "WHOLE", len(STAYS))
    for name in SETS[:2]:
        write_set(tmp_path, STAYS, layout, name)
    told = physionet2012_release.release
    assert told(tmp_path, Physionet2012Params()) == "PhysioNet 2012 sets a, b"
    assert told(tmp_path, Physionet2012Params(sets=("b",))) == "PhysioNet 2012 set b"
    write_set(tmp_path, dict(list(STAYS.items())[:1]), layout, "c")
    assert told(tmp_path, Physionet2012Params()).endswith("sets a, b, c (1 of 3 records)")


def test_a_damaged_archive_is_of_no_release(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS, "tar.gz")
    path = tmp_path / "physionet2012" / "set-a.tar.gz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises((tarfile.TarError, EOFError)), tarfile.open(path) as archive:
        archive.getnames()
    assert physionet2012_release.release(tmp_path, Physionet2012Params()) == ""


def test_features_of_your_own_are_not_the_published_ones(tmp_path: Path) -> None:
    (tmp_path / "mosi_data.pkl").write_bytes(b"")
    (tmp_path / "own.npz").write_bytes(b"")
    assert mosi_release(tmp_path, MosiParams()) == "CMU-MOSI"
    assert mosi_release(tmp_path, MosiParams(fold_sizes="any")) == "CMU-MOSI, folds of any size"
    assert mosi_release(tmp_path, MosiParams(file="own.npz")) == "CMU-MOSI, features of your own"
