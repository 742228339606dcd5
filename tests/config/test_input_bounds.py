"""Whatever a file of others claims, holds or unpacks to: it is refused in one line, and reading it
takes less than 1 GiB.

Each reader of outside files meets files at the sizes at which they do harm: some megabytes that
stand for gigabytes. They run in a process of their own, whose peak of memory is measured.
"""

from __future__ import annotations

import gzip
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.measured import GIB, Measured, command, source

ROOT = Path(__file__).parents[2]
MIB = 2**20


def sparse(path: Path, size: int, head: bytes = b"", tail: bytes = b"") -> Path:
    """A file that claims to be large and takes no place on the disk."""
    with path.open("wb") as stream:
        stream.write(head)
        stream.truncate(size - len(tail))
        stream.seek(size - len(tail))
        stream.write(tail)
    return path


def packed(path: Path, *parts: bytes | tuple[bytes, int]) -> Path:
    """A .gz whose content is these parts, one after the other, some of them many times over;
    each is packed but once.
    """
    with path.open("wb") as stream:
        for part in parts:
            content, times = part if isinstance(part, tuple) else (part, 1)
            stream.write(gzip.compress(content) * times)
    return path


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """The header of a member of a tar archive."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf()


def refused(said: Measured, most: float = GIB) -> None:
    assert said.code not in (0, 70), said.err
    assert said.peak < most, f"{said.peak / MIB:,.0f} MiB"
    assert len(said.last) < 1000


def one_line(said: Measured) -> None:
    """Of a command: nothing but one line, with the exit code of a person's error."""
    refused(said)
    assert said.code in (2, 3, 5)
    assert "Traceback" not in said.err
    assert said.last.startswith("bench: ")


EXPORT = (ROOT / "leaderboards" / "physionet48.records.json").read_bytes().split(b"\n", 2)[2].rstrip()[:-1].rstrip()


def export(extra: bytes) -> bytes:
    """An export of a version without checksums, with one more parameter of its dataset."""
    return b"{\n" + EXPORT + b',\n"data": {"x": ' + extra + b"}\n}\n"


EXPORTS: dict[str, Callable[[Path], object]] = {
    "of 10 GiB": lambda path: sparse(path, 10 * GIB),
    "of 10 GiB, begun well": lambda path: sparse(path, 10 * GIB, b'{\n"schema": '),
    "nested": lambda path: path.write_bytes(export(b"[" * 5 * MIB + b"]" * 5 * MIB)),
    "nested within the bounds": lambda path: path.write_bytes(export(b"[" * 10_000 + b"]" * 10_000)),
    "of many values": lambda path: path.write_bytes(export(b"[" + b"{}," * 40 * MIB + b"1]")),
    "of one long text": lambda path: path.write_bytes(export(b'"' + b"x" * 200 * MIB + b'"')),
}


@pytest.mark.parametrize("bomb", EXPORTS)
def test_records(tmp_path: Path, bomb: str) -> None:
    path = tmp_path / "x.records.json"
    EXPORTS[bomb](path)
    one_line(command("report", f"from={path}", folder=tmp_path))


def test_records_within_the_bounds_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "x.records.json"
    path.write_bytes(export(b"[" + b'{"a":"bc"},' * 1_900_000 + b'1e99,"' + b"x" * 100 * MIB + b'"]'))
    done = command("report", f"from={path}", f"to={tmp_path / 'to'}", folder=tmp_path)
    assert done.code == 0
    assert done.peak < 1.1 * GIB


def header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


WEIGHTS: dict[str, Callable[[Path], object]] = {
    "of zeros": lambda path: sparse(path, 10 * GIB),
    "with a long header": lambda path: sparse(path, 10 * GIB, (99_000_000).to_bytes(8, "little") + b"{"),
    "with many values": lambda path: path.write_bytes(header(b'{"a":[' + b"{}," * 30_000_000 + b"1]}")),
    "nested": lambda path: path.write_bytes(header(b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}")),
    "of 10^12 numbers": lambda path: path.write_bytes(
        header(json.dumps({"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode())
    ),
}


@pytest.mark.parametrize("bomb", WEIGHTS)
def test_weights_and_cached_cohorts(tmp_path: Path, bomb: str) -> None:
    path = tmp_path / "x.safetensors"
    WEIGHTS[bomb](path)
    one_line(command("weights", "load", str(path), folder=tmp_path))
    code = "import sys\nfrom pathlib import Path\nfrom bench import arrays\n"
    refused(source(code + "assert arrays.is_complete(Path(sys.argv[1]))", str(path), folder=tmp_path))


SUITES: dict[str, Callable[[Path], object]] = {
    "of 10 GiB": lambda path: sparse(path, 10 * GIB),
    "of lists": lambda path: path.write_bytes(b"a=[" + b"[]," * 1_390_000 + b"]"),
    "nested": lambda path: path.write_bytes(b"a=" + b"[" * MIB + b"]" * MIB),
    "of keys": lambda path: path.write_bytes(b"\n".join(b"a%d=1" % number for number in range(380_000))),
    "of a dotted key": lambda path: path.write_bytes(b".".join([b"a"] * 2000) + b"=1"),
}


@pytest.mark.parametrize("bomb", SUITES)
def test_suites(tmp_path: Path, bomb: str) -> None:
    path = tmp_path / "x.toml"
    SUITES[bomb](path)
    one_line(command("plan", f"suite={path}", folder=tmp_path))


LEDGER = """
import sys
from pathlib import Path
from bench.results.ledger import Ledger
out = Path(sys.argv[1])
ledger = Ledger(out)
assert ledger.load() == {}
assert sorted(ledger.damaged) == ["ab.json", "ac.json"]
ledger.last("x")
"""


def test_a_ledger(tmp_path: Path) -> None:
    from bench.results.sealed import seal

    cells, plans = tmp_path / "ledger" / "cells" / "ab", tmp_path / "ledger" / "plans"
    cells.mkdir(parents=True)
    plans.mkdir()
    sparse(cells / "ab.json", 10 * GIB)
    (cells / "ac.json").write_bytes(seal(b"[" + b"{}," * 20 * MIB + b"1]"))
    (plans / "x.json").write_bytes(seal(b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"))
    refused(done := source(LEDGER, str(tmp_path), folder=tmp_path))
    assert "StorageError" in done.last


NEWLINES = (member("set-a/1.txt", MIB) + b"\n" * MIB, 4300)
LETTERS = b"x" * 16 * MIB
ARCHIVES: dict[str, tuple[bytes | tuple[bytes, int], ...]] = {
    "newlines": (NEWLINES,),
    "PAX header": (member("x", 7 * GIB, tarfile.XHDTYPE), b"%d comment=" % (7 * GIB), (LETTERS, 448)),
    "long name": (member("x", 4 * GIB, tarfile.GNUTYPE_LONGNAME), (LETTERS, 256)),
    "long record": (member("set-a/1.txt", 7 * GIB), (b"\n" * 16 * MIB, 448)),
    "empty records": (b"".join(member(f"{number}.txt", 0) for number in range(2000)), (member("x", 0) * 2000, 2000)),
    "zeros after the end": (member("set-a/1.txt", 0) + bytes(1024), (bytes(16 * MIB), 448)),
}
SET = """
import sys
from pathlib import Path
from bench_datasets.physionet2012.read import read_set
read_set(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("bomb", ARCHIVES)
def test_archives_of_records(tmp_path: Path, bomb: str) -> None:
    path = packed(tmp_path / "set-a.tar.gz", *ARCHIVES[bomb])
    assert path.stat().st_size < 20 * MIB
    refused(done := source(SET, str(path), folder=tmp_path), 0.5 * GIB)
    assert "DataError" in done.last


@pytest.mark.slow
def test_an_archive_of_as_many_records_as_are_read_takes_less_than_a_gigabyte(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "set-a.tar.gz", "wb", compresslevel=0) as stream:
        for record in range(1, 200):
            lines = b"".join(
                b"%02d:%02d,HR,%d.%06d999999\n" % (line % 48, line % 60, line % 200, line * 7 + record)
                for line in range(19_990)
            )
            content = (b"Time,Parameter,Value\n00:00,RecordID,%d\n" % record + lines)[: MIB // 2]
            content = content[: content.rfind(b"\n") + 1]
            stream.write(member(f"set-a/{record}.txt", len(content)) + content + bytes(-len(content) % 512))
        stream.write(bytes(1024))
    done = source(SET, str(tmp_path / "set-a.tar.gz"), folder=tmp_path)
    assert done.code == 0, done.last
    assert done.peak < GIB


def npz(path: Path, shape: tuple[int, ...], kind: str, blocks: int) -> Path:
    """An .npz of one array whose header says that shape and type, and of which so many blocks of
    16 MiB of zeros are there.
    """
    about = b"{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (kind.encode(), repr(shape).encode())
    about += b" " * (-(len(about) + 11) % 64) + b"\n"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("train/text.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(b"\x93NUMPY\x01\x00" + len(about).to_bytes(2, "little") + about)
        for _ in range(blocks):
            stream.write(bytes(16 * MIB))
    return path


NPZ = {
    "10^12 numbers": ((10**12,), "<f4", 0),
    "1.75 GiB": ((2**26, 7), "<f4", 112),
    "bytes": ((2**25, 7, 4), "|i1", 56),
}


@pytest.mark.parametrize("bomb", NPZ)
def test_arrays_of_ones_own(tmp_path: Path, bomb: str) -> None:
    path = npz(tmp_path / "x.npz", *NPZ[bomb])
    code = "import sys\nfrom pathlib import Path\nfrom bench_datasets.affect.read import _own\n_own(Path(sys.argv[1]))"
    refused(done := source(code, str(path), folder=tmp_path))
    assert "DataError" in done.last
    code = (
        "import sys\nfrom pathlib import Path\nfrom bench.results.predictions import unpack\n"
        "unpack(Path(sys.argv[1]).read_bytes())"
    )
    refused(source(code, str(path), folder=tmp_path), 0.5 * GIB)


SMALL_READERS = {
    "outcomes": "from bench_datasets.physionet2012.read import read_outcomes as read",
    "equivalents": "from bench_datasets.mimic4.codes import read_equivalents as read",
    "groups": "from bench_datasets.mimic4.codes import read_definitions as read",
}


@pytest.mark.parametrize("reader", SMALL_READERS)
@pytest.mark.parametrize("suffix", [".csv", ".yaml"])
def test_small_tables(tmp_path: Path, reader: str, suffix: str) -> None:
    path = sparse(tmp_path / f"x{suffix}", 10 * GIB)
    code = f"import sys\nfrom pathlib import Path\n{SMALL_READERS[reader]}\nread(Path(sys.argv[1]))"
    refused(done := source(code, str(path), folder=tmp_path), 0.5 * GIB)
    assert "the most that is read" in done.last


TABLE = """
import sys
from pathlib import Path
from bench_datasets.mimic4.read import Tables
path = Path(sys.argv[1])
with Tables() as tables:
    table = tables.table(path, ["subject_id", "a"])
    tables.number(f"SELECT count(*) FROM {table} WHERE a IS NOT NULL", path)
    tables.rows_of(path)
"""
TABLES: dict[str, Callable[[Path], Path]] = {
    "a line of 1 GiB": lambda to: packed(to / "x.csv.gz", b"subject_id,a\n", (LETTERS, 64)),
    "a first line of 1 GiB": lambda to: packed(to / "x.csv.gz", b"subject_id,a", (LETTERS, 64)),
    "a field of 1 GiB": lambda to: packed(to / "x.csv.gz", b'subject_id,a\n1,"', (LETTERS, 64)),
    "zeros": lambda to: packed(to / "x.csv.gz", b"subject_id,a\n", (bytes(16 * MIB), 64)),
    "10 GiB": lambda to: sparse(to / "x.csv", 10 * GIB, b"subject_id,a\n"),
    "a footer of 2 GiB": lambda to: sparse(
        to / "x.parquet", 10 * GIB, b"PAR1", (2**31 - 100).to_bytes(4, "little") + b"PAR1"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", TABLES)
def test_tables_of_mimic(tmp_path: Path, bomb: str) -> None:
    """DuckDB holds 1 GB, as it is told, and Python the rest."""
    pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    refused(done := source(TABLE, str(TABLES[bomb](tmp_path)), folder=tmp_path), 1.25 * GIB)
    assert "DataError" in done.last
