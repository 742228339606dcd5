"""Raw bytes of PhysioNet 2012 to flat arrays: archives, record lines, outcomes. No cleaning, no
binning.

Archives are read member by member in memory; nothing is ever written to disk and no member's path
is followed.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from bench.cohort import Counts
from bench.errors import DataError
from bench.files import read_bytes
from bench_datasets.bounded_tar import DAMAGED, TooLarge, opened
from bench_datasets.foreign import kind_of
from bench_datasets.physionet2012.files import RECORD_NAME, record_files
from bench_datasets.physionet2012.table import INDEX

LARGEST_RECORD = 2**20
"""Bytes. The largest real record has 0.04 MB; anything near this limit is not one."""

LARGEST_SET, MOST_LINES = 128 * 2**20, 4_000_000
"""Bytes and lines of all records of a set: a few times those of a published one."""

LINES_AT_ONCE = 500_000
"""Distinct texts of so many lines are in memory together."""

LARGEST_OUTCOMES = 16 * 2**20
"""Bytes of a file of outcomes: a hundred times a published one."""

LARGEST_VALUE = float(np.finfo(np.float32).max)
HEADER = ("Time", "Parameter", "Value")
_TIME = re.compile(r"(\d\d):([0-5]\d)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ASCII = bytes(byte if byte < 128 else ord("?") for byte in range(256))
MANY = 20
"""So many lines that cannot be used, when they are most of a set, are no accident."""

LINES = "lines after the headers"

_UNKNOWN, _RECORD_ID, _HEADER = -1, -2, -3


@dataclass(frozen=True)
class Lines:
    """The usable lines of one set, in file order.

    - ids: record ids, in the order read.
    - record: int64 [rows], index into ids.
    - minutes: int64 [rows], minutes since admission to the ICU.
    - variable: int64 [rows], index into `physionet2012_table.VARIABLES`.
    - values: float64 [rows], as typed.
    - garbage: place and kind of the first line that could not be used, "" when there is none.
    - counts: lines read and left out, by name.
    """

    ids: list[str]
    record: np.ndarray
    minutes: np.ndarray
    variable: np.ndarray
    values: np.ndarray
    garbage: str
    counts: Counts


def read_set(source: Path) -> Lines:
    """All records of an archive or a folder. DataError when it is damaged, holds no record or
    holds one twice.
    """
    counts = Counts()
    ids: list[str] = []
    contents: list[bytes] = []
    try:
        size = lines_read = 0
        for record, content in _records(source, counts):
            size, lines_read = size + len(content), lines_read + content.count(b"\n") + content.count(b"\r")
            if size > LARGEST_SET or lines_read > MOST_LINES:
                raise TooLarge(f"records of more than {LARGEST_SET // 2**20} MiB or {MOST_LINES:,} lines")
            ids.append(record)
            contents.append(content)
    except TooLarge as error:
        raise DataError(
            f"{source} has {error}, which no set of PhysioNet 2012 has; move it away and fetch it again: "
            f"bench data fetch physionet2012 data.root={source.parent}"
        ) from None
    except DAMAGED as error:
        kind = kind_of(source) if source.is_file() else ""
        if kind and kind not in (
            ("a zip archive (of Excel, NumPy or torch?)",) if source.suffix == ".zip" else ("compressed with gzip",)
        ):
            raise DataError(
                f"{source} is {kind}; move it away and fetch it again: bench data fetch physionet2012 data.root={source.parent}"
            ) from error
        cause = "is cut short or damaged" if source.is_file() else "cannot be read"
        raise DataError(
            f"{source} {cause}: {len(ids):,} records were read before the end ({type(error).__name__}: {error}); "
            f"move it away and fetch it again: bench data fetch physionet2012 data.root={source.parent}"
        ) from error
    if not ids:
        raise DataError(f"{source} holds no record (a member named <RecordID>.txt); fetch it again")
    twice = sorted(record for record, times in Counter(ids).items() if times > 1)
    if twice:
        raise DataError(f"{source} holds records twice ({len(twice)}: {some(twice)}); keep one file of each")
    lines = _parse(ids, [_as_published(content) for content in contents], source, counts)
    bad, there = counts.total("unusable"), counts.number(LINES)
    if bad >= MANY and 2 * bad > there:
        raise DataError(
            f"{source}: {bad:,} of {there:,} lines cannot be used, the first: {lines.garbage}; "
            "expected is Time,Parameter,Value with times as HH:MM. Another program may have changed the files: fetch them again"
        )
    return lines


def _as_published(content: bytes) -> bytes:
    """A record as it was published, of one that another program saved with its columns named:
    quotes, an index, another order.

    Fields are read line by line, so that a stray quote costs its line. A line of another width
    becomes one that is none.
    """
    if b"\r" in content and b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    first = content[: content.find(b"\n") + 1 or None].rstrip(b"\r\n")
    if first == b",".join(name.encode() for name in HEADER):
        return content
    names = [name.strip() for name in _fields(first.decode("utf-8-sig", "replace"))]
    if any(names.count(name) != 1 for name in HEADER):
        return content
    places = [names.index(name) for name in HEADER]
    lines = [",".join(HEADER)]
    for line in content.decode("utf-8-sig", "replace").splitlines()[1:]:
        row = _fields(line)
        whole = len(row) == len(names)
        lines.append(",".join(row[place].strip() for place in places) if whole else "?" * bool(line.strip()))
    return "\n".join(lines).encode("utf-8", "replace") + b"\n"


def _fields(line: str) -> list[str]:
    """The fields of a line; none where it is blank, or no line of CSV: a field without end, or
    an end of line within.
    """
    try:
        return next(csv.reader([line]), []) if line.strip() else []
    except csv.Error:
        return []


def _records(source: Path, counts: Counts) -> Iterator[tuple[str, bytes]]:
    """Record id and content of each member that is a plain file named <digits>.txt; others are
    counted.
    """
    if source.is_dir():
        paths = record_files(source)
        others = sum(p.is_file() for p in source.iterdir()) - len(paths)
        counts.found("files in the set that are not records", others)
        for path in paths:
            if _record_id(path.name, True, False, path.stat().st_size, source, counts):
                yield path.stem, path.read_bytes()
    elif source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                link = (info.external_attr >> 16) & 0o170000 == 0o120000
                record = _record_id(info.filename, not link, info.is_dir(), info.file_size, source, counts)
                if record:
                    yield record, archive.read(info)
    else:
        with opened(source) as members:
            for member, tar in members:
                record = _record_id(member.name, member.isreg(), member.isdir(), member.size, source, counts)
                file = tar.extractfile(member) if record else None
                if record and file:
                    content = file.read()
                    if len(content) != member.size:
                        raise EOFError(f"{member.name} has {len(content)} of {member.size} bytes")
                    yield record, content


def _record_id(name: str, plain: bool, folder: bool, size: int, source: Path, counts: Counts) -> str | None:
    match = RECORD_NAME.fullmatch(PurePosixPath(name).name)
    if folder:
        return None
    if not plain or not match:
        counts.found("files in the set that are not records")
        return None
    if size > LARGEST_RECORD:
        raise DataError(f"{source}: {name} would unpack to {size:,} bytes, a record has a few thousand; fetch it again")
    return match[1]


def _parse(ids: list[str], contents: Sequence[bytes], source: Path, counts: Counts) -> Lines:
    """Split, look up and check every line. Blank lines carry nothing and are passed over."""
    buffer = b"".join(content if content.endswith(b"\n") else content + b"\n" for content in contents)
    if not buffer.isascii():  # the parser would stop at what is not UTF-8; a "?" makes such a line garbage
        buffer = buffer.translate(_ASCII)
    if b"\r\n" in buffer:
        buffer = buffer.replace(b"\r\n", b"\n")
    text = np.frombuffer(buffer, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    fields = np.diff(np.searchsorted(np.flatnonzero(text == ord(",")), ends), prepend=0)
    blank = np.diff(ends, prepend=-1) == 1
    counted = np.array([content.count(b"\n") + (not content.endswith(b"\n")) for content in contents])
    record = np.repeat(np.arange(len(ids)), counted)
    number = np.arange(len(ends)) - np.repeat(np.cumsum(counted) - counted, counted) + 1

    whole = fields == 2
    if not whole.all():
        split = buffer.split(b"\n")
        buffer = b"".join(split[line] + b"\n" for line in np.flatnonzero(whole))
    minutes, variable, values = (
        np.full(len(ends), fill, dtype) for fill, dtype in ((-1, int), (-1, int), (np.nan, float))
    )
    if whole.any():
        at_once = pd.read_csv(
            io.BytesIO(buffer),
            header=None,
            names=list(HEADER),
            dtype="category",
            quoting=csv.QUOTE_NONE,
            na_filter=False,
            lineterminator="\n",
            low_memory=False,
            chunksize=LINES_AT_ONCE,
        )
        places = np.flatnonzero(whole)
        for number_of, frame in enumerate(at_once):
            here = places[number_of * LINES_AT_ONCE :][: len(frame)]
            minutes[here] = _look_up(frame["Time"], _minutes, np.int64)
            variable[here] = _look_up(frame["Parameter"], _variable, np.int64)
            values[here] = _look_up(frame["Value"], _number, np.float64)

    header = (number == 1) & (variable == _HEADER)
    known = whole & ((variable >= 0) | (variable == _RECORD_ID))
    defects = {
        "the wrong number of fields": ~whole & ~blank,
        "an unknown parameter": whole & ~header & ((variable == _UNKNOWN) | (variable == _HEADER)),
        "a time that is not HH:MM": known & (minutes < 0),
        "a value that is not a number": known & (minutes >= 0) & np.isnan(values),
    }
    for defect, mask in defects.items():
        counts.unusable(f"lines with {defect}, skipped", mask.sum())
    counts.found(LINES, (~blank & ~header).sum())
    garbage = ""
    if bad := [(int(np.argmax(mask)), defect) for defect, mask in defects.items() if mask.any()]:
        line, defect = min(bad)
        garbage = f"{source.name}: {ids[record[line]]}.txt line {number[line]} has {defect}"

    usable = known & (minutes >= 0) & ~np.isnan(values)
    named = usable & (variable == _RECORD_ID)
    counts.found("lines that repeat the record id", named.sum())
    wrong = np.unique(record[named & (values != np.array([float(i) for i in ids])[record])])
    if len(wrong):
        raise DataError(
            f"{source}: the RecordID inside differs from the file name ({len(wrong)}: "
            f"{some([ids[i] for i in wrong])}); whose outcome belongs to them is unknown; fetch the set again"
        )
    counts.found("records without a RecordID line, known by the file name", len(ids) - len(np.unique(record[named])))
    kept = usable & (variable >= 0)
    return Lines(ids, record[kept], minutes[kept], variable[kept], values[kept], garbage, counts)


def _look_up(column: pd.Series, function: Callable[[str], float], dtype: type) -> np.ndarray:
    """Each distinct text is read once, in Python, so that reading can be strict."""
    table: np.ndarray = np.array([function(str(text)) for text in column.cat.categories], dtype)
    return table[column.cat.codes.to_numpy()]


def _minutes(text: str) -> int:
    match = _TIME.fullmatch(text)
    return 60 * int(match[1]) + int(match[2]) if match else -1


def _variable(text: str) -> int:
    return {"RecordID": _RECORD_ID, "Parameter": _HEADER}.get(text, INDEX.get(text, _UNKNOWN))


def _number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if abs(value) < LARGEST_VALUE else math.nan


@dataclass(frozen=True)
class Outcome:
    """What became of a stay. died: 0, 1 or NaN; days: length of the stay in hospital, NaN when
    unknown.
    """

    died: float
    days: float


def read_outcomes(path: Path) -> dict[str, Outcome]:
    """Record id -> outcome, from an Outcomes file; -1, NA and empty fields are unknown. Columns are
    found by name.

    Raises DataError, with the line, for a missing column, a value that is not accepted or an id
    that stands there twice.
    """
    needed = ("RecordID", "Length_of_stay", "In-hospital_death")
    result: dict[str, Outcome] = {}
    try:
        rows = csv.reader(io.StringIO(read_bytes(path, LARGEST_OUTCOMES).decode("utf-8-sig"), newline=None))
        header = next(rows, [])
        plain = [_plain(name) for name in header]
        if missing := [name for name in needed if plain.count(_plain(name)) != 1]:
            kind = kind_of(path)
            raise DataError(
                f"{path} is {kind}; fetch it again"
                if kind
                else f"{path} lacks the column {', '.join(missing)}, or has it twice (its first line: {','.join(header)[:80]!r}; "
                "expected RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death); fetch it again"
            )
        places = [plain.index(_plain(name)) for name in needed]
        for number, row in enumerate(rows, 2):
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(f"{path} line {number} has {len(row)} of {len(header)} fields; fetch it again")
            # pandas and R write 1.0 for 1 in a column where one is missing.
            record, days, died = (re.sub(r"[.]0*\Z", "", row[place].strip()) for place in places)
            if not RECORD_NAME.fullmatch(f"{record}.txt"):
                raise DataError(f"{path} line {number}: RecordID {record!r} is not a whole number; fetch it again")
            if record in result:
                raise DataError(f"{path} line {number}: RecordID {record} stands there twice; fetch it again")
            result[record] = Outcome(_outcome(died, 1, path, number), _outcome(days, 10_000, path, number))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it again") from error
    return result


def _plain(name: str) -> str:
    """A column's name without what R makes of it: In.hospital_death."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _outcome(text: str, most: int, path: Path, number: int) -> float:
    if text in ("", "-1", "NA"):
        return math.nan
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) > most:
        raise DataError(
            f"{path} line {number}: {text!r} is not accepted (0 to {most}, or -1 for unknown); fetch it again"
        )
    return float(text)


def some(ids: Sequence[str]) -> str:
    """The first few of many ids, for a message."""
    return ", ".join(ids[:5]) + (" ..." if len(ids) > 5 else "")
