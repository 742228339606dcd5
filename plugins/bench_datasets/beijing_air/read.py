"""One station's CSV file as an array of hours: every row and every field kept or counted.

Fields hold no comma and no line break, so a line is split at its commas and quotes are taken off: a
quote that is never closed swallows nothing.
"""

from __future__ import annotations

import gzip
import logging
import math
import re
import zlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from bench.cohort import Counts
from bench.errors import DataError
from bench.files import read_bytes
from bench_datasets.beijing_air.files import FETCH
from bench_datasets.beijing_air.table import FIRST, HOURS, POINTS, TIME, VARIABLES, WIND
from bench_datasets.foreign import kind_of_bytes

LARGEST = 64 * 2**20
"""Bytes of a file, and of what it unpacks to: a published one has 2.7 MB."""

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>"})
"""What R, pandas and spreadsheets write where there is nothing."""

COLUMNS = (*(variable.name for variable in VARIABLES), WIND)
"""The columns of values, in the order of `read_station`."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
_BAD: Any = object()

_log = logging.getLogger("bench.beijing_air")


def read_station(station: str, path: Path, counts: Counts) -> np.ndarray:
    """The values of a station, float32 [HOURS, COLUMNS], as recorded: NaN where missing or
    unusable.

    The last column is the wind's direction, 0 to 15, an index into POINTS.

    Raises DataError, with the line where there is one, for a file that is cut short, damaged or no
    table. The same for a missing column, one most of whose fields cannot be read, an hour that
    stands twice with different values, and a file of another station.
    """
    lines = _text(path).splitlines()
    header = [_bare(name) for name in (lines[0].split(",") if lines else [])]
    if wrong := [name for name in (*TIME, *COLUMNS) if header.count(name) != 1]:
        kind = "has it twice" if wrong[0] in header else "lacks it"
        raise DataError(
            f"{path} is no file of a station: of the columns {','.join((*TIME, *COLUMNS))} it {kind}: {wrong[0]} (its first "
            f"line: {','.join(header)[:80]!r}); {_again(path)}"
        )
    numbered = [number for number, line in enumerate(lines) if number and line.strip()]
    rows = [number for number in numbered if lines[number].count(",") + 1 == len(header)]
    if not numbered:
        raise DataError(f"{path} holds no hour; {_again(path)}")
    counts.found("rows", len(numbered))
    counts.unusable("rows with another number of fields than the header, skipped", len(numbered) - len(rows))
    if 2 * len(rows) <= len(numbered):
        raise DataError(f"{path}: most rows have another number of fields than its first line; {_again(path)}")
    fields = ",".join(lines[number] for number in rows).split(",")  # one list: one of each row takes five times as long
    columns = {name: fields[place :: len(header)] for place, name in enumerate(header)}
    _check_station(station, columns.get("station", ()), path)

    hours = _hours(columns, path, counts)
    values = np.stack([_values(name, columns[name], path, counts) for name in COLUMNS], axis=1)
    kept = np.flatnonzero(hours >= 0)
    grid = np.full((HOURS, len(COLUMNS)), np.nan, np.float32)
    places, first = np.unique(hours[kept], return_index=True)
    grid[places] = values[kept[first]]
    again = np.setdiff1d(kept, kept[first])
    differs = again[~_same(grid[hours[again]], values[again])]
    if len(differs):
        raise DataError(
            f"{path} line {rows[differs[0]] + 1}: its hour stands in an earlier line with other values ({len(differs)} such "
            f"lines); which one is right is unknown; {_again(path)}"
        )
    counts.unusable("rows that repeat an hour, skipped", len(again))
    if lacking := HOURS - len(places):
        counts.found("hours without a row, taken as not observed", lacking)
        _log.warning("%s has %d of %d hours; was it cut short?", path.name, len(places), HOURS)
    return grid


def _text(path: Path) -> str:
    """The text of a file, unpacked where it is a .gz."""
    try:
        content = read_bytes(path, LARGEST)
        if path.suffix == ".gz" and not (kind := kind_of_bytes(content[:64])).startswith("compressed with gzip"):
            raise DataError(f"{path} is {kind or 'not compressed with gzip'}; {_again(path)}")
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                content = stream.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise DataError(
                    f"{path} unpacks to more than {LARGEST // 2**20} MiB, as no station's file; {_again(path)}"
                )
        if kind := kind_of_bytes(content[:64]):
            raise DataError(f"{path} is {kind}; {_again(path)}")
        return content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is cut short or damaged ({error}); {_again(path)}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 (byte {error.start:,}); {_again(path)}") from error


def _again(path: Path) -> str:
    return f"move it away and fetch it again: {FETCH.format(path.parent)}"


def _bare(field: str) -> str:
    return field.strip().strip('"').strip()


def _check_station(station: str, column: Sequence[str], path: Path) -> None:
    named = {name for field in set(column) if (name := _bare(field)) not in MISSING}
    if named - {station}:
        raise DataError(
            f"{path} holds rows of {', '.join(sorted(named)[:3])}, and its name says {station}; give each station its own file"
        )


def _hours(columns: dict[str, list[str]], path: Path, counts: Counts) -> np.ndarray:
    """The hour of each row since FIRST, int64 [rows]; -1 where it is unreadable or outside."""
    known: dict[tuple[str, ...], int] = {}
    hours = np.empty(len(columns["hour"]), np.int64)
    for place, fields in enumerate(zip(*(columns[name] for name in TIME[:3]), strict=True)):
        if fields not in known:
            known[fields] = _day(fields)
        hours[place] = known[fields]
    of_day = {text: _whole(text) for text in set(columns["hour"])}
    hour = np.array([of_day[text] for text in columns["hour"]])
    bad = (hours == _UNREADABLE) | (hour < 0) | (hour > 23)
    counts.unusable("rows whose date or hour cannot be read, skipped", bad.sum())
    if 2 * bad.sum() >= len(bad):
        raise DataError(f"{path}: most rows have no year, month, day and hour that can be read; {_again(path)}")
    hours = np.asarray(hours * 24 + hour)
    outside = ~bad & ((hours < 0) | (hours >= HOURS))
    counts.left_out("rows outside 2013-03-01 to 2017-02-28, left out", outside.sum())
    hours[bad | outside] = -1
    return hours


_UNREADABLE = -(10**6)


def _day(fields: tuple[str, ...]) -> int:
    try:
        return (date(*(_whole(field) for field in fields)) - FIRST).days
    except ValueError:
        return _UNREADABLE


def _whole(field: str) -> int:
    """A whole number, also as 1.0 or 01; -1 where it is none."""
    text = _bare(field)
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return int(value) if 0 <= value < 10_000 and value == int(value) else -1


def _values(name: str, column: Sequence[str], path: Path, counts: Counts) -> np.ndarray:
    """The values of a column, float32 [rows]; each distinct text is read once."""
    read = {text: _point(_bare(text)) if name == WIND else _number(_bare(text)) for text in set(column)}
    unread = {text for text, value in read.items() if value is _BAD}
    bad = sum(text in unread for text in column) if unread else 0
    if bad:
        what = "none of the 16 points of the compass" if name == WIND else "not a number"
        counts.unusable(f"{name}: values that are {what}, left out", bad)
    if 2 * bad >= len(column):
        raise DataError(f"{path}: most values of {name} cannot be read ({_bare(min(unread))[:20]!r}); {_again(path)}")
    return np.array([math.nan if text in unread else read[text] for text in column], np.float32)


def _number(text: str) -> Any:
    if text in MISSING:
        return math.nan
    return float(text) if _NUMBER.fullmatch(text) and abs(float(text)) < 1e6 else _BAD


def _point(text: str) -> Any:
    if text in MISSING:
        return math.nan
    return float(POINTS.index(text)) if text in POINTS else _BAD


def _same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether rows are equal, NaN to NaN: bool [rows]."""
    return np.asarray(((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1))
