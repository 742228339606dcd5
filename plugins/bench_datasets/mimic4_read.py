"""Tables of MIMIC-IV through DuckDB: headers checked, gzip checksums checked, no table ever loaded whole.

Every column is read as text and cast where it is used, so that one bad field costs one row, counted, and not the file.
Write `try_cast(trim(column) AS ...)`: DuckDB 2.0 moves a bare try_cast of a column into its CSV reader, where it fails.
A row that is too short is filled up with NULL and then counted like any other that lacks what is needed.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import os
import re
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from bench.errors import DataError, PluginError

MEMORY = "1GB"
"""What DuckDB may hold; what is more goes to a private folder that is removed afterwards."""

THREADS = 2
_DAMAGED = (OSError, EOFError, zlib.error)


class Tables:
    """A DuckDB session that reads CSV files; use with `with`.

    While DuckDB reads a .gz, a second thread decompresses it too and compares the checksum, which DuckDB does not: a
    truncated or flipped file is refused, not half believed.
    """

    def __init__(self) -> None:
        try:
            import duckdb
        except ImportError as error:
            raise PluginError(
                "the dataset mimic4 needs DuckDB, which is not installed; type: pip install 'gapbench[clinical]'"
            ) from error
        self._error = duckdb.Error
        self._spill = tempfile.TemporaryDirectory(prefix="bench-mimic4-")
        self._session = duckdb.connect(
            config={
                "threads": min(THREADS, os.cpu_count() or 1),
                "memory_limit": MEMORY,
                "temp_directory": self._spill.name,
                "preserve_insertion_order": True,
            }
        )
        # Without statistics of a CSV file the optimiser may hash the large side of a join: join as written instead.
        self._session.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._intact: dict[Path, Future[None]] = {}

    def __enter__(self) -> Tables:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        self._session.close()
        self._spill.cleanup()

    def csv(self, path: Path, needed: tuple[str, ...]) -> str:
        """A table expression over a CSV file, all columns text. DataError when a needed column is not in its header."""
        header = read_header(path)
        if missing := [name for name in needed if name not in header]:
            raise DataError(
                f"{path} lacks the column {', '.join(missing)} (its first line: {','.join(header)[:120]!r}); "
                "is it the table of MIMIC-IV 2.2 or 3.1? download it again"
            )
        if path.suffix == ".gz" and path not in self._intact:
            self._intact[path] = self._pool.submit(_decompress, path, self._stop)
        columns = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in header)
        return (
            f"read_csv({_quoted(_no_pattern(path))}, columns = {{{columns}}}, auto_detect = false, header = true, "
            "delim = ',', quote = '\"', escape = '\"', null_padding = true, strict_mode = false, parallel = false)"
        )

    def run(self, query: str, *paths: Path) -> None:
        """Execute a statement that reads `paths`; then their checksums are known to be right."""
        with self._explained(paths):
            self._session.execute(query)

    def rows(self, query: str, *paths: Path) -> list[tuple[Any, ...]]:
        """The rows of a small result."""
        with self._explained(paths):
            result: list[tuple[Any, ...]] = self._session.execute(query).fetchall()
        return result

    def number(self, query: str, *paths: Path) -> int:
        """The single number a query gives."""
        return int(self.rows(query, *paths)[0][0] or 0)

    def columns(self, query: str) -> dict[str, np.ndarray]:
        """A result as arrays, by column; NULL is NaN in floats and expected nowhere else."""
        with self._explained(()):
            found: dict[str, Any] = self._session.execute(query).fetchnumpy()
        return {
            name: column.filled(np.nan) if isinstance(column, np.ma.MaskedArray) else column
            for name, column in found.items()
        }

    def batches(self, query: str, rows: int) -> Any:
        """A result as Arrow record batches of at most `rows` rows."""
        relation: Any = self._session.sql(query)
        if hasattr(relation, "to_arrow_reader"):
            return relation.to_arrow_reader(rows)
        return self._session.execute(query).fetch_record_batch(rows)  # its name in older DuckDB

    @contextlib.contextmanager
    def _explained(self, paths: tuple[Path, ...]) -> Iterator[None]:
        """Turn what DuckDB says of `paths` into one clear DataError; when it says nothing, compare their checksums."""
        try:
            yield
        except self._error as error:
            self._compare(paths)
            if "not utf-8 encoded" in str(error).lower():
                line = re.search(r"Line: (\d+)", str(error))
                raise DataError(
                    f"{', '.join(map(str, paths))} is not UTF-8: there is another byte in {f'line {line[1]}' if line else 'it'}; "
                    "every table is read as UTF-8, as it is published: download it again, or convert it, for instance from "
                    "Latin-1: iconv -f LATIN1 -t UTF-8 OLD.csv > NEW.csv"
                ) from None  # DuckDB quotes the row
            said = str(error).splitlines()[0]
            raise DataError(
                f"{', '.join(map(str, paths)) or 'the tables'} cannot be read ({said}); download it again"
            ) from error
        self._compare(paths)

    def _compare(self, paths: tuple[Path, ...]) -> None:
        for path in paths:
            if future := self._intact.get(path):
                try:
                    future.result()
                except _DAMAGED as error:
                    raise DataError(
                        f"{path} is cut short or damaged ({error}); download it again (wget -c goes on where it stopped)"
                    ) from error

    def put(self, name: str, **columns: tuple[str, Sequence[Any]]) -> None:
        """A small temporary table. columns: name -> SQL type and the values, all equally many."""
        types = ", ".join(f"{column} {kind}" for column, (kind, _) in columns.items())
        self._session.execute(f"CREATE TEMP TABLE {name} ({types})")
        values = ", ".join(f"unnest(?::{kind}[])" for kind, _ in columns.values())
        self._session.execute(f"INSERT INTO {name} SELECT {values}", [list(given) for _, given in columns.values()])


def read_header(path: Path) -> list[str]:
    """The column names in the first line of a CSV file. DataError when it is empty or cannot be read."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as stream:
            header = [name.strip() for name in next(csv.reader([stream.readline(2**16)]), [])]
    except _DAMAGED as error:
        raise DataError(f"{path} cannot be read ({error}); download it again") from error
    if not header:
        raise DataError(f"{path} is empty: not even a line with column names; download it again")
    return header


def path_literal(path: Path) -> str:
    """A path as an SQL text that DuckDB takes as the name of one file."""
    return _quoted(_no_pattern(path))


def _no_pattern(path: Path) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _decompress(path: Path, stop: threading.Event) -> None:
    with gzip.open(path) as stream:
        while not stop.is_set() and stream.read(2**20):
            pass
