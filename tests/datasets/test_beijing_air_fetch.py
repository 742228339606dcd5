"""Fetching `beijing_air` from a server on this machine: the archive in the archive, checked by the
values it holds.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.cohort import Counts
from bench.errors import DataError
from bench_datasets import physionet_download
from bench_datasets.beijing_air import release
from bench_datasets.beijing_air.fetch import ARCHIVE, fetch
from bench_datasets.beijing_air.files import STATIONS, file_name
from bench_datasets.beijing_air.params import BeijingAirParams
from bench_datasets.beijing_air.read import read_station
from support.beijing_files import hours, prepare, row, text, write
from support.serving import Server, serving

FILES = {name: text(row(hour, station=name) for hour in hours("2013-03-01T00", 30)) for name in STATIONS}


def packed(members: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def published(files: Mapping[str, str]) -> bytes:
    """As UCI publishes it: an archive in an archive, with other files beside it."""
    inner = packed({f"PRSA_Data_20130301-20170228/{file_name(name)}": content for name, content in files.items()})
    return packed({"PRSA2017_Data_20130301-20170228.zip": inner, "data.csv": "a,b\n1,2\n", "test.csv": "a\n"})


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    origin = write(tmp_path / "origin", FILES)
    for name in STATIONS:
        values = read_station(name, origin / file_name(name), Counts())
        monkeypatch.setitem(release.VALUES, name, release.value_digest(values))
    monkeypatch.setattr(physionet_download, "PAUSE", 0.0)
    with serving({ARCHIVE: published(FILES)}, ARCHIVE) as server:
        monkeypatch.setenv("BENCH_BEIJING_AIR_URL", server.url)
        yield server


def get(root: Path, stations: tuple[str, ...] = ()) -> list[str]:
    """Fetch into `root`; what was reported."""
    said: list[str] = []
    fetch(root, BeijingAirParams(stations=stations), said.append)  # type: ignore[arg-type]
    return said


def left(root: Path) -> list[str]:
    folder = root / "beijing_air"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_what_was_fetched_is_the_files_alone_and_can_be_prepared(server: Server, tmp_path: Path) -> None:
    said = get(tmp_path / "new")
    assert left(tmp_path / "new") == [file_name(name) for name in STATIONS]
    assert set(prepare(tmp_path / "new").columns["station"]) == set(STATIONS)
    assert f"{file_name('Wanliu')} complete, values as published" in said


def test_only_the_stations_that_were_asked_for_are_unpacked(server: Server, tmp_path: Path) -> None:
    get(tmp_path, ("Dongsi",))
    assert left(tmp_path) == [file_name("Dongsi")]


def test_fetching_again_downloads_nothing_and_a_station_that_lacks_is_added(server: Server, tmp_path: Path) -> None:
    get(tmp_path)
    server.asked.clear()
    assert all("is there already" in line for line in get(tmp_path))
    assert server.asked == []
    (tmp_path / "beijing_air" / file_name("Gucheng")).unlink()
    get(tmp_path)
    assert left(tmp_path) == [file_name(name) for name in STATIONS]


def test_a_cut_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cuts = 2
    assert any("the connection was cut" in line for line in get(tmp_path))
    assert len(left(tmp_path)) == 12


def test_other_values_than_were_published_are_not_kept_and_another_mirror_begins_anew(
    server: Server, tmp_path: Path
) -> None:
    good = server.contents[ARCHIVE]
    server.contents[ARCHIVE] = published(
        {**FILES, "Aotizhongxin": FILES["Aotizhongxin"].replace("1020.1", "1020.2", 1)}
    )
    with pytest.raises(DataError, match="other values of Aotizhongxin"):
        get(tmp_path)
    assert left(tmp_path) == []
    server.contents[ARCHIVE] = good
    get(tmp_path)
    assert len(left(tmp_path)) == 12


def test_a_damaged_archive_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    good = server.contents[ARCHIVE]
    for bad in (good[: len(good) // 2], b"<html>no such page</html>", good.replace(good[3000:3100], bytes(100))):
        server.contents[ARCHIVE] = bad
        with pytest.raises(DataError, match="arrived damaged"):
            get(tmp_path)
        assert left(tmp_path) == []


def test_an_archive_without_a_station_is_refused(server: Server, tmp_path: Path) -> None:
    server.contents[ARCHIVE] = published({name: FILES[name] for name in STATIONS[1:]})
    with pytest.raises(DataError, match="no file of Aotizhongxin"):
        get(tmp_path)


def test_names_that_lead_out_of_the_folder_lead_nowhere_and_a_bomb_is_refused(server: Server, tmp_path: Path) -> None:
    server.contents[ARCHIVE] = packed({f"../../{file_name(name)}": content for name, content in FILES.items()})
    get(tmp_path / "deep" / "er")
    assert len(left(tmp_path / "deep" / "er")) == 12
    assert not list(tmp_path.glob("*.csv"))
    server.contents[ARCHIVE] = packed({file_name("Tiantan"): b" " * (64 * 2**20 + 1)})
    with pytest.raises(DataError, match="unpacks to more than 64 MiB"):
        get(tmp_path)


def test_a_file_of_one_s_own_that_says_something_else_is_never_replaced(server: Server, tmp_path: Path) -> None:
    own = write(tmp_path / "beijing_air", {"Tiantan": [row(hour, PM25="99") for hour in hours("2013-03-01T00", 30)]})
    before = (own / file_name("Tiantan")).read_bytes()
    with pytest.raises(DataError, match="is there already and says something else"):
        get(tmp_path)
    assert (own / file_name("Tiantan")).read_bytes() == before


def test_without_a_network_the_stand_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(physionet_download, "PAUSE", 0.0)
    monkeypatch.setenv("BENCH_BEIJING_AIR_URL", "http://127.0.0.1:1/")
    with pytest.raises(DataError, match=r"was not fetched.*data\.root=synthetic"):
        get(tmp_path)


def test_an_address_that_is_not_http_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_BEIJING_AIR_URL", "file:///tmp")
    with pytest.raises(DataError, match="not an http"):
        get(tmp_path)
