"""Each dataset tells its release by what its files hold, never by names, nor by counts where
digests are known.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tarfile
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench_datasets.affect.files import mosi_release
from bench_datasets.affect.params import MosiParams
from bench_datasets.mimic4.files import TABLES
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.mimic4.release import RELEASES, SHA256, release
from bench_datasets.physionet2012 import release as physionet2012_release
from bench_datasets.physionet2012.files import find
from bench_datasets.physionet2012.params import Physionet2012Params
from bench_datasets.physionet2012.release import text_digest, value_digest
from support.physionet_files import STAYS, outcomes, write_set


def write_tables(folder: Path, rows: dict[str, int], plain: bool = False) -> None:
    for name, count in rows.items():
        path = folder / f"{name}.csv{'' if plain else '.gz'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = "a,b\n" + "1,2\n" * count
        path.write_text(body) if plain else path.write_bytes(gzip.compress(body.encode(), 1))


def checksums(folder: Path) -> dict[str, str]:
    return {name: sha256((folder / f"{name}.csv.gz").read_bytes()).hexdigest() for name in TABLES}


LOOKS = "MIMIC-IV demo 2.2 by its counts, but not as published: {}"


def test_the_demo_of_mimic_iv_is_known_by_its_files_whatever_its_folder_is_called_and_a_part_of_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = RELEASES["demo 2.2"]
    whole = tmp_path / "mimiciv" / "3.1"
    write_tables(whole, rows)
    assert release(whole, Mimic4Params()) == LOOKS.format(", ".join(TABLES))
    monkeypatch.setitem(SHA256, "demo 2.2", checksums(whole))
    assert release(whole, Mimic4Params()) == "MIMIC-IV demo 2.2"
    for table in TABLES:
        part = tmp_path / table.replace("/", "-")
        write_tables(part, {**rows, table: rows[table] - 1})
        assert release(part, Mimic4Params()) == "", table


@pytest.mark.parametrize("table", [name for name in TABLES if name != "icu/chartevents"])
def test_one_changed_entry_of_a_table_of_the_demo_is_another_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    rows = {**dict.fromkeys(TABLES, 3)}
    monkeypatch.setitem(RELEASES, "demo 2.2", rows)
    write_tables(tmp_path, rows)
    monkeypatch.setitem(SHA256, "demo 2.2", checksums(tmp_path))
    path = tmp_path / f"{table}.csv.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"1,2\n", b"1,3\n", 1)))
    assert release(tmp_path, Mimic4Params()) == LOOKS.format(table)
    path.unlink()
    write_tables(tmp_path, {table: 3}, plain=True)
    assert release(tmp_path, Mimic4Params()) == LOOKS.format(table)


def test_the_checksums_of_the_demo_are_those_that_are_published(open_data: Path) -> None:
    sums = (open_data / "mimic-iv-demo-2.2" / "SHA256SUMS.physionet.txt").read_text()
    assert all(f"{SHA256['demo 2.2'][name]} {name}.csv.gz\n" in sums for name in TABLES)
    # Of the copy at hand the chart events were made anew.
    assert release(open_data / "mimic-iv-demo-2.2", Mimic4Params()) == LOOKS.format("icu/chartevents")


def test_a_large_table_is_left_to_verify_and_a_damaged_one_is_of_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {**RELEASES["2.2"], "hosp/diagnoses_icd": 10, "icu/chartevents": 10}
    write_tables(tmp_path, rows)
    assert release(tmp_path, Mimic4Params()) == ""
    counted = {"hosp/patients": 9, "hosp/admissions": 8, "icu/icustays": 7, "icu/d_items": 6}
    known = {"x": {**RELEASES["2.2"], **counted}}
    monkeypatch.setattr("bench_datasets.mimic4.release.RELEASES", known)
    write_tables(tmp_path, counted)
    sizes = {path: path.stat().st_size for path in tmp_path.rglob("*.gz")}
    write_tables(tmp_path, {"hosp/diagnoses_icd": 10**5, "icu/chartevents": 10**5})
    monkeypatch.setattr("bench_datasets.mimic4.release.LARGEST", {".gz": max(sizes.values()) + 1, ".csv": 0})
    assert release(tmp_path, Mimic4Params()) == "MIMIC-IV x, told by its counts alone"
    path = tmp_path / "hosp/patients.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    assert release(tmp_path, Mimic4Params()) == ""


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Sets a and b of three stays each, as if they had been published: name -> records."""
    sets = {
        "a": STAYS,
        "b": {f"2{name}": text.replace(f"RecordID,{name}", f"RecordID,2{name}") for name, text in STAYS.items()},
    }
    monkeypatch.setattr(physionet2012_release, "WHOLE", len(STAYS))
    for name, stays in sets.items():
        write_set(tmp_path / "published", stays, "dir", name)
        (tmp_path / "published/physionet2012" / f"Outcomes-{name}.txt").write_text(
            outcomes(dict.fromkeys(stays, (5, 0)))
        )
        records = {record: text.encode() for record, text in stays.items()}
        said = (tmp_path / "published/physionet2012" / f"Outcomes-{name}.txt").read_bytes()
        monkeypatch.setitem(physionet2012_release.TEXT, name, text_digest(records, said))
        monkeypatch.setitem(physionet2012_release.VALUES, name, value_digest(records, said.decode()))
    return sets


def told(root: Path, *sets: str) -> str:
    return physionet2012_release.release(root, Physionet2012Params(sets=sets))


@pytest.mark.parametrize("layout", ["dir", "tar.gz", "zip"])
def test_sets_of_physionet_2012_are_named_and_a_part_of_one_is_counted(
    tmp_path: Path, layout: str, published: dict[str, dict[str, str]]
) -> None:
    for name, stays in published.items():
        write_set(tmp_path, stays, layout, name)
    assert told(tmp_path) == "PhysioNet 2012 sets a, b"
    assert told(tmp_path, "b") == "PhysioNet 2012 set b"
    write_set(tmp_path, dict(list(STAYS.items())[:1]), layout, "c")
    assert told(tmp_path).endswith("sets a, b, c (1 of 3 records)")


def test_a_set_whose_digest_is_not_known_says_that_its_records_were_counted(
    tmp_path: Path, published: dict[str, dict[str, str]]
) -> None:
    write_set(tmp_path, published["a"], "zip", "c")
    assert told(tmp_path) == "PhysioNet 2012 set c (told by the number of its records alone)"


def test_a_set_under_the_name_of_another_is_named(tmp_path: Path, published: dict[str, dict[str, str]]) -> None:
    write_set(tmp_path, published["b"], "tar.gz", "a")
    looks = "PhysioNet 2012 set a by its counts, but its contents are those of set b"
    assert told(tmp_path) == looks
    write_set(tmp_path, published["b"], "tar.gz", "b")
    assert told(tmp_path) == looks.replace("set a by", "sets a, b by").replace("its contents", "the contents of set a")


def by_pandas(text: str) -> str:
    """A table as pandas saves it anew, with its index; numbers of a column that holds some
    others become such.
    """
    file = io.StringIO()
    pd.read_csv(io.StringIO(text)).to_csv(file)
    return file.getvalue()


SAVED = {
    "ends of lines of another system": lambda text: text.replace("\n", "\r\n"),
    "no end of the last line": lambda text: text.rstrip("\n"),
    "pandas": by_pandas,
    "quotes": lambda text: "\n".join(",".join(f'"{word}"' for word in line.split(",")) for line in text.splitlines()),
}


@pytest.mark.parametrize("way", SAVED)
def test_a_set_that_was_saved_anew_is_still_that_set(
    tmp_path: Path, published: dict[str, dict[str, str]], way: str
) -> None:
    write_set(tmp_path, {record: SAVED[way](text) for record, text in published["a"].items()}, "zip", "a")
    path = tmp_path / "physionet2012" / "Outcomes-a.txt"
    path.write_text(SAVED[way](path.read_text()), newline="")
    assert told(tmp_path) == "PhysioNet 2012 set a"


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_number_is_another_the_set_looks_like_it_and_is_not(
    tmp_path: Path, published: dict[str, dict[str, str]], data: st.DataObject
) -> None:
    root = tmp_path / "changed"
    shutil.rmtree(root, ignore_errors=True)
    write_set(root, published["a"], "dir", "a")
    path = data.draw(st.sampled_from(sorted(path for path in root.rglob("*.txt"))))
    text = path.read_text()
    place = data.draw(st.sampled_from([at.start() for at in re.finditer(r"[0-9]", text)]))
    digit = data.draw(st.sampled_from("0123456789").filter(lambda digit: digit != text[place]))
    path.write_text(text[:place] + digit + text[place + 1 :])
    assert told(root) == "PhysioNet 2012 set a by its counts, but its contents differ"


def test_the_sets_at_hand_are_those_that_were_published(data_root: Path, tmp_path: Path) -> None:
    assert told(data_root) == "PhysioNet 2012 sets a, b"
    base, here = find(data_root, Physionet2012Params())[0].outcomes.parent, tmp_path / "physionet2012"
    here.mkdir()
    for name in ("set-a.tar.gz", "Outcomes-a.txt"):
        (here / name).write_bytes((base / name.replace("-a", "-b")).read_bytes())
    assert told(tmp_path).endswith("set a by its counts, but its contents are those of set b")
    (here / "set-a.tar.gz").write_bytes((base / "set-a.tar.gz").read_bytes())
    lines = (base / "Outcomes-a.txt").read_text().splitlines(keepends=True)
    died = next(number for number, line in enumerate(lines) if line.rstrip().endswith(",1"))
    lines[died] = re.sub("1(?=\\s*$)", "0", lines[died])
    (here / "Outcomes-a.txt").write_text("".join(lines))
    assert told(tmp_path).endswith("set a by its counts, but its contents differ")
    with tarfile.open(base / "set-a.tar.gz") as archive:
        records = {Path(m.name).stem: archive.extractfile(m).read() for m in archive if m.isfile()}
    said = (base / "Outcomes-a.txt").read_text()
    assert value_digest(records, said) == physionet2012_release.VALUES["a"]


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
    assert mosi_release(tmp_path, MosiParams()) == "CMU-MOSI, told by its counts alone"
    assert mosi_release(tmp_path, MosiParams(fold_sizes="any")) == "CMU-MOSI, folds of any size"
    assert mosi_release(tmp_path, MosiParams(file="own.npz")) == "CMU-MOSI, features of your own"
