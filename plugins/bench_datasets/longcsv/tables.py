"""The two tables, CSV or Parquet, as arrays: every row is there, with what could not be read
marked.
"""

from __future__ import annotations

import csv
import gzip
import re
import threading
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from bench.errors import DataError, PluginError, nearest
from bench_datasets.csv_scan import scan
from bench_datasets.foreign import kind_of
from bench_datasets.unreadable import not_parquet

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>")
"""What R, pandas and spreadsheets write where there is no number."""


@dataclass(frozen=True)
class Texts:
    """A column of texts. codes: int [rows], an index into `names`, -1 where a field is empty."""

    names: list[str]
    codes: np.ndarray


@dataclass(frozen=True)
class Numbers:
    """A column of numbers. values: float64 [rows], NaN where a field is empty or no number; bad:
    bool [rows], where it is no number.
    """

    values: np.ndarray
    bad: np.ndarray


@dataclass(frozen=True)
class Labels:
    """The table of records as texts. columns: name -> [rows]; places: where each row stands."""

    columns: Mapping[str, list[str]]
    places: list[str]


def read_long(
    path: Path, texts: Mapping[str, str], numbers: Mapping[str, str], moments: Mapping[str, str], origin: Path
) -> tuple[dict[str, Texts], dict[str, Numbers]]:
    """The columns of a long table. texts, numbers, moments: the key in the mapping -> the column
    that it names; the same keys come back. Moments are dates and times, and come back as hours
    since 1970. origin: the mapping's file, for messages.

    Raises DataError for a column that is not there, and for a file that is cut short or no table.
    """
    wanted = {**texts, **numbers, **moments}
    if path.suffix == ".parquet":
        table = _parquet(path, wanted, origin)
        frame = {key: table.column(name) for key, name in wanted.items()}
        return (
            {key: _encoded(frame[key]) for key in texts},
            {key: _numbers(frame[key].to_pandas()) for key in numbers}
            | {key: moments_of(frame[key].to_pandas()) for key in moments},
        )
    columns = _csv(path, wanted, set(texts.values()), set(moments.values()), origin)
    categories = {key: columns[key].cat for key in texts}
    return (
        {
            key: Texts([str(name) for name in each.categories], each.codes.to_numpy())
            for key, each in categories.items()
        },
        {key: _numbers(columns[key]) for key in numbers} | {key: moments_of(columns[key]) for key in moments},
    )


def _csv(path: Path, wanted: Mapping[str, str], texts: set[str], plain: set[str], origin: Path) -> dict[str, Any]:
    with _reading(path), _opened(path) as stream:
        seen = scan(stream, threading.Event())
    if seen.damage:
        raise DataError(f"{path} is no table of CSV: {seen.damage}; mend that line")
    header = _header(path)
    places = _places(path, header, wanted, origin)
    # Every column is read: with a choice of columns pandas takes a row with too many fields as it
    # is.
    empty: Any = {number: [""] if name in texts else list(MISSING) for number, name in enumerate(header)}
    kinds = {
        number: "category" for number in range(len(header)) if number not in places.values() or header[number] in texts
    }
    kinds |= {number: "str" for number, name in enumerate(header) if name in plain}
    with _reading(path), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            path, header=0, names=list(range(len(header))), index_col=False, dtype=kinds, na_values=empty,
            keep_default_na=False, skipinitialspace=True, low_memory=False, encoding="utf-8-sig",
        )  # fmt: skip
    if len(frame) != seen.rows:
        raise DataError(
            f"{path} has {seen.rows:,} rows, and {len(frame):,} of them can be read; is every field with a quote or a line "
            "break in quotes?"
        )
    return {key: frame[place] for key, place in places.items()}


def read_labels(path: Path, wanted: Mapping[str, str], origin: Path) -> Labels:
    """The named columns of the table of records. wanted: the key in the mapping -> its column.

    Raises DataError as `read_long` does, and for a row with another number of fields.
    """
    if path.suffix == ".parquet":
        table = _parquet(path, wanted, origin)
        columns = {}
        for name in wanted.values():
            texts = _encoded(table.column(name))
            names = np.array([*texts.names, ""], object)
            columns[name] = names[texts.codes].tolist()
        return Labels(columns, [f"{path}, row {number}" for number in range(1, table.num_rows + 1)])
    header = _header(path)
    places = _places(path, header, wanted, origin)
    rows, lines = [], []
    with _reading(path), _text(path) as stream:
        reader = csv.reader(stream, skipinitialspace=True, strict=True)
        next(reader)
        for row in reader:
            if row and len(row) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num} has {len(row)} fields, and the first line {len(header)}; mend that line"
                )
            if row:
                rows.append(row)
                lines.append(f"{path}, line {reader.line_num}")
    return Labels({header[place]: [row[place].strip() for row in rows] for place in places.values()}, lines)


def _header(path: Path) -> list[str]:
    if kind := kind_of(path) if path.suffix == ".csv" else "":
        raise DataError(f"{path} is {kind}; expected a table of CSV, its first line with the names of the columns")
    with _reading(path), _text(path) as stream:
        header = [name.strip() for name in next(csv.reader(stream, skipinitialspace=True), [])]
    separator = next((each for each in (";", "\t", "|") if len(header) == 1 and each in header[0]), "")
    if separator:
        shown = {"\t": "a tab"}.get(separator, f'"{separator}"')
        raise DataError(f"{path}, line 1: columns are separated by {shown}; save the table with commas")
    return header


def _places(path: Path, header: Sequence[str], wanted: Mapping[str, str], origin: Path) -> dict[str, int]:
    """Key -> the place of its column. Raises DataError for a column that is missing or there
    twice.
    """
    for key, name in wanted.items():
        if (times := header.count(name)) != 1:
            # Parquet allows any text as a name, and a message is one line.
            has = f"has the column {name!r} twice" if times else f"has no column {name!r}"
            near = "" if times else nearest(name, header)
            raise DataError(
                f"{path}, line 1 {has} (from {origin}, {key}); {near}its columns: {', '.join(header)[:200]}; "
                f'name the one that is meant in {origin.name}: {key} = "COLUMN"'
            )
    return {key: header.index(name) for key, name in wanted.items()}


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        yield stream  # type: ignore[misc]  # a GzipFile reads bytes too


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    kind = gzip.open if path.suffix == ".gz" else open
    with kind(path, "rt", encoding="utf-8-sig", newline="") as stream:
        yield stream


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what libraries say of a file into one line."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 (byte {error.start:,}); save it as UTF-8") from error
    except pd.errors.ParserWarning as error:
        raise DataError(f"{path}: rows have more fields than the first line names; name every column there") from error
    except (pd.errors.ParserError, csv.Error) as error:
        ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if ragged:
            fields, line, has = ragged.groups()
            raise DataError(
                f"{path}, line {line} has {has} fields, and the first line {fields}; mend that line"
            ) from error
        raise DataError(f"{path} is no table of CSV: {' '.join(str(error).split())}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is cut short or damaged ({error}); copy it again") from error


def _parquet(path: Path, wanted: Mapping[str, str], origin: Path) -> Any:
    """The named columns of a Parquet file, a table of pyarrow."""
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ImportError as error:
        raise PluginError(f"reading {path.name} needs pyarrow; type: pip install 'gapbench[clinical]'") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _places(path, file.schema_arrow.names, wanted, origin)
            return file.read(columns=list(dict.fromkeys(wanted.values())))
    except (pyarrow.lib.ArrowException, OSError) as error:
        raise DataError(f"{path} is {not_parquet(path, error)}; write it again, or give a CSV file") from error


def _encoded(column: Any) -> Texts:
    """A column of pyarrow as texts."""
    import pyarrow

    encoded = column.combine_chunks()
    encoded = encoded if pyarrow.types.is_dictionary(encoded.type) else encoded.dictionary_encode()
    names = [_as_text(value) for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    codes = np.where(np.isnan(codes), -1, codes).astype(np.int64) if codes.dtype.kind == "f" else codes.astype(np.int64)
    lost = np.array([name == "" for name in names] + [True])
    return Texts(names, np.where(lost[codes], -1, codes))


def _as_text(value: Any) -> str:
    """What a field of Parquet says, as CSV would: 7.0 is 7, as a column of whole numbers is saved
    where one is missing.
    """
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def moments_of(column: Any) -> Numbers:
    """Dates and times, as ISO 8601 writes them, in hours since 1970; without a zone they are
    UTC.
    """
    if column.dtype.kind in "iuf":
        return Numbers(np.full(len(column), np.nan), column.notna().to_numpy(bool))
    known = column.notna().to_numpy(bool)
    moments = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    hours = ((moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(hours=1)).to_numpy(np.float64)
    return Numbers(hours, np.isnan(hours) & known)


def _numbers(column: Any) -> Numbers:
    if column.dtype.kind in "iuf":
        values = column.to_numpy(np.float64)
        return Numbers(values, np.zeros(len(values), bool))
    if column.dtype.kind in "Mmb":  # dates and truth values are no numbers, though pandas makes some of them
        return Numbers(np.full(len(column), np.nan), column.notna().to_numpy(bool))
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    return Numbers(values, np.isnan(values) & column.notna().to_numpy(bool))
