"""Fetching PhysioNet 2012 from a server on this machine that also cuts, corrupts, refuses and
ignores ranges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.errors import DataError, StorageError
from bench_datasets import physionet_download
from bench_datasets.physionet2012.fetch import fetch
from bench_datasets.physionet2012.params import Physionet2012Params
from support.physionet_files import STAYS, prepare, write_set
from support.serving import Server, serving

ARCHIVE = "set-a.tar.gz"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    archive = write_set(tmp_path / "origin", STAYS, "tar.gz")
    contents = {ARCHIVE: archive.read_bytes(), "Outcomes-a.txt": (archive.parent / "Outcomes-a.txt").read_bytes()}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in contents.items())
    monkeypatch.setattr(physionet_download, "PAUSE", 0.0)
    with serving({**contents, "SHA256SUMS.txt": sums.encode()}, ARCHIVE) as server:
        monkeypatch.setenv("BENCH_PHYSIONET_URL", server.url)
        yield server


def get(root: Path, sets: tuple[Any, ...] = ()) -> list[str]:
    """Fetch into `root`; what was reported."""
    said: list[str] = []
    fetch(root, Physionet2012Params(sets=sets), said.append)
    return said


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "physionet2012").iterdir())


def test_what_was_fetched_is_complete_and_can_be_prepared(server: Server, tmp_path: Path) -> None:
    said = get(tmp_path)
    assert left(tmp_path) == ["Outcomes-a.txt", ARCHIVE]
    assert len(prepare(tmp_path)) == 3
    assert f"{ARCHIVE} complete, checksum right" in said


def test_a_set_that_is_not_published_is_left_out_aloud_unless_it_was_asked_for(server: Server, tmp_path: Path) -> None:
    assert any("set c is not published" in line for line in get(tmp_path))
    with pytest.raises(DataError, match=r"does not list set-c\.tar\.gz"):
        get(tmp_path, sets=("c",))


def test_fetching_again_downloads_nothing_but_the_checksums(server: Server, tmp_path: Path) -> None:
    get(tmp_path)
    server.asked.clear()
    get(tmp_path)
    assert server.asked == [("SHA256SUMS.txt", None)]


def test_a_cut_connection_is_resumed_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.cuts = 2
    said = get(tmp_path)
    size = len(server.contents[ARCHIVE])
    asked = [wanted for name, wanted in server.asked if name == ARCHIVE]
    assert asked == [None, f"bytes={size // 2}-", f"bytes={(size // 2 + size) // 2}-"]
    assert any("the connection was cut" in line for line in said)
    assert (tmp_path / "physionet2012" / ARCHIVE).read_bytes() == server.contents[ARCHIVE]


def test_a_connection_cut_more_often_than_it_may_fail_arrives_as_long_as_it_grows(
    server: Server, tmp_path: Path
) -> None:
    server.cuts = physionet_download.TRIES + 2
    get(tmp_path)
    assert (tmp_path / "physionet2012" / ARCHIVE).read_bytes() == server.contents[ARCHIVE]


def test_a_later_command_goes_on_with_the_part_on_disk(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "physionet2012" / f"{ARCHIVE}.part"
    part.parent.mkdir()
    part.write_bytes(server.contents[ARCHIVE][:100])
    get(tmp_path)
    assert (ARCHIVE, "bytes=100-") in server.asked
    assert left(tmp_path) == ["Outcomes-a.txt", ARCHIVE]


def test_a_part_that_is_already_whole_is_only_checked(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "physionet2012" / f"{ARCHIVE}.part"
    part.parent.mkdir()
    part.write_bytes(server.contents[ARCHIVE])
    get(tmp_path)
    assert left(tmp_path) == ["Outcomes-a.txt", ARCHIVE]


def test_a_part_longer_than_the_file_is_started_over(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "physionet2012" / f"{ARCHIVE}.part"
    part.parent.mkdir()
    part.write_bytes(server.contents[ARCHIVE] + b"more")
    get(tmp_path)
    assert (tmp_path / "physionet2012" / ARCHIVE).read_bytes() == server.contents[ARCHIVE]


def test_a_server_without_ranges_sends_all_of_it_again(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, 1
    get(tmp_path)
    assert (tmp_path / "physionet2012" / ARCHIVE).read_bytes() == server.contents[ARCHIVE]


def test_a_server_that_fails_for_a_moment_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.failures = 2
    assert any("503" in line for line in get(tmp_path))
    assert ARCHIVE in left(tmp_path)


def test_a_server_that_keeps_failing_ends_in_one_line_and_keeps_what_arrived(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "physionet2012" / f"{ARCHIVE}.part"
    part.parent.mkdir()
    part.write_bytes(server.contents[ARCHIVE][:100])
    server.failures = 100
    with pytest.raises(
        DataError, match=r"503.* 5 attempts in a row.*same command again.*BENCH_PHYSIONET_URL.*physionet2012"
    ):
        get(tmp_path)
    assert part.read_bytes() == server.contents[ARCHIVE][:100]


def test_a_corrupt_file_is_refused_with_both_checksums_and_removed(server: Server, tmp_path: Path) -> None:
    good = server.contents[ARCHIVE]
    server.contents[ARCHIVE] = good[:50] + bytes([good[50] ^ 1]) + good[51:]
    wrong = hashlib.sha256(server.contents[ARCHIVE]).hexdigest()
    with pytest.raises(DataError, match=f"{wrong}, expected {hashlib.sha256(good).hexdigest()}"):
        get(tmp_path)
    assert left(tmp_path) == []
    server.contents[ARCHIVE] = good
    get(tmp_path)
    assert left(tmp_path) == ["Outcomes-a.txt", ARCHIVE]


def test_a_file_of_one_s_own_that_differs_is_never_replaced(server: Server, tmp_path: Path) -> None:
    own = tmp_path / "physionet2012" / ARCHIVE
    own.parent.mkdir()
    own.write_bytes(b"packed again")
    with pytest.raises(DataError, match="there already and differs"):
        get(tmp_path)
    assert own.read_bytes() == b"packed again"


def test_a_wrong_address_ends_at_once_in_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_PHYSIONET_URL", server.url + "elsewhere")
    with pytest.raises(DataError, match=r"elsewhere/SHA256SUMS.txt answers 404"):
        get(tmp_path)
    assert len(server.asked) == 1


def test_nobody_listening_ends_in_one_line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_PHYSIONET_URL", "http://127.0.0.1:1/")
    with pytest.raises(DataError, match="was not fetched"):
        get(tmp_path)


def test_an_address_that_is_not_http_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_PHYSIONET_URL", "file:///tmp")
    with pytest.raises(DataError, match="not an http"):
        get(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_storage_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "physionet2012").write_text("a file stands in the way")
    with pytest.raises(StorageError, match="physionet2012"):
        get(tmp_path)


@pytest.mark.parametrize("length", ["abc", "-1", "9" * 5000, "1.5", "٣"])
def test_a_length_that_is_no_number_says_nothing(server: Server, tmp_path: Path, length: str) -> None:
    server.length = length.encode().decode("latin1")
    get(tmp_path)
    assert left(tmp_path) == ["Outcomes-a.txt", ARCHIVE]
