"""Archives that unpack to far more than they are: refused in one line, with little memory,
wherever the size is hidden.
"""

from __future__ import annotations

import contextlib
import gzip
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import DataError
from bench_datasets import bounded_tar
from bench_datasets.bounded_tar import TooLarge
from bench_datasets.physionet2012 import read as physionet2012_read
from bench_datasets.physionet2012.read import read_set
from bench_datasets.physionet2012.release import _records

MIB = 2**20


def member(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member of a tar archive: its header and its padded content."""
    info = tarfile.TarInfo(name)
    info.size, info.type = len(content), kind
    return info.tobuf() + content + bytes(-len(content) % 512)


def newlines(write: Callable[[bytes], object]) -> None:
    for number in range(40):
        write(member(f"set-a/{number + 1}.txt", b"\n" * MIB))


def long_header(write: Callable[[bytes], object]) -> None:
    length = 80 * MIB
    write(member("x", b"%d comment=" % length + b"x" * (length - 18) + b"\n", tarfile.XHDTYPE) + member("1.txt", b""))


def long_name(write: Callable[[bytes], object]) -> None:
    write(member("x", b"x" * 80 * MIB, tarfile.GNUTYPE_LONGNAME) + member("1.txt", b""))


def many_members(write: Callable[[bytes], object]) -> None:
    write(member("x", b"") * 6_000)


def claimed(write: Callable[[bytes], object]) -> None:
    info = tarfile.TarInfo("set-a/1.txt")
    info.size = 8 * 2**30
    write(info.tobuf() + b"\n" * MIB)


BOMBS = (newlines, long_header, long_name, many_members, claimed)


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_small_archive_of_much_is_refused_with_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: Callable
) -> None:
    monkeypatch.setattr(bounded_tar, "MOST_MEMBERS", 5_000)
    path = tmp_path / "set-a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        bomb(stream.write)
        stream.write(bytes(1024))
    assert path.stat().st_size < MIB
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as refused:
            read_set(path)
        with contextlib.suppress(TooLarge, tarfile.TarError, EOFError):
            dict(_records(path))  # which names its release
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(refused.value).splitlines()) == 1
    assert peak < 150 * MIB


def test_a_zip_of_newlines_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "set-a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(40):
            archive.writestr(f"set-a/{number + 1}.txt", b"\n" * MIB)
    with pytest.raises(DataError, match="records of more than 128 MiB or 4,000,000 lines"):
        read_set(path)


def test_a_folder_of_newlines_and_a_huge_file_are_refused_too(tmp_path: Path) -> None:
    (tmp_path / "set-a").mkdir()
    for number in range(11):
        (tmp_path / "set-a" / f"{number + 1}.txt").write_bytes(b"\n" * MIB)
    with pytest.raises(DataError, match="4,000,000 lines"):
        read_set(tmp_path / "set-a")
    (tmp_path / "set-a" / "1.txt").write_bytes(b"\n" * (MIB + 1))
    with pytest.raises(DataError, match=r"would unpack to|more than"):
        read_set(tmp_path / "set-a")


def test_an_archive_within_the_bounds_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    content = member("1.txt", b"Time,Parameter,Value\n00:00,RecordID,1\n") + bytes(1024)
    path.write_bytes(gzip.compress(content))
    with bounded_tar.opened(path) as members:
        assert [info.name for info, _ in members] == ["1.txt"]
    path.write_bytes(gzip.compress(content)[:-8] + bytes(8))
    with pytest.raises(OSError), bounded_tar.opened(path) as members:
        assert [info.name for info, _ in members] == ["1.txt"]
    assert physionet2012_read.LARGEST_SET < bounded_tar.LARGEST
