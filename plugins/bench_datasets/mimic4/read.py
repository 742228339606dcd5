"""Tables of MIMIC-IV through DuckDB: headers checked, checksums and quotes checked, no table ever
loaded whole.

Every column is read as text and cast where it is used, so that one bad field costs one row,
counted, and not the file. The same text is made of a Parquet file, so that the form a table is
stored in changes nothing.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import logging
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
from bench_datasets.csv_scan import Scan, scan
from bench_datasets.foreign import kind_of, kind_of_bytes

MEMORY = "1GB"
"""What DuckDB may hold; what is more goes to a private folder that is removed afterwards."""

THREADS = 2
MANY = 20
"""So many bad fields, when they are most of a column, are no accident."""

EMPTY = ("", "NA", "<NA>", "NULL", "\\N", "None")
"""What R, pandas and databases write where there is nothing."""

UTC = ("UTC", "Etc/UTC", "+00:00")

_WORDS = ", ".join(f"'{word}'" for word in EMPTY)

MACROS = (
    f"field(t) AS CASE WHEN trim(t) IN ({_WORDS}) THEN NULL ELSE trim(t) END",
    # pandas and R turn whole numbers into 1.0 and 1e+05 where one of a column is missing; 1.5 is no
    # number of anything.
    """whole(t) AS CASE WHEN try_cast(t AS DOUBLE) = floor(try_cast(t AS DOUBLE)) AND abs(try_cast(t AS DOUBLE)) < 9e15
                         THEN try_cast(t AS DOUBLE)::BIGINT END""",
    # The clock of the hospital: year first, no zone but UTC, which R writes after times that have
    # none.
    r"""moment(t) AS CASE WHEN length(t) = 19 AND t[14] = ':' AND t[17] = ':' THEN try_cast(t AS TIMESTAMP)
        WHEN regexp_full_match(t, '\d{4}[-/]\d\d?[-/]\d\d?([ T]\d\d?:\d\d(:\d\d([.]\d*)?)?)?( ?(Z|UTC|[+]00(:?00)?))?')
        THEN try_cast(trim(regexp_extract(t, '^[^Z+U]*')) AS TIMESTAMP) END""",
)
"""field: a field, or NULL; whole: text as BIGINT; moment: text as TIMESTAMP; all NULL for what
is no such thing.
"""

TIME = "YYYY-MM-DD HH:MM:SS"
WHOLE = "a whole number"

_DAMAGED = (OSError, EOFError, zlib.error)
_log = logging.getLogger("bench.mimic4")


class Tables:
    """A DuckDB session that reads CSV files; use with `with`.

    While DuckDB reads a CSV file, a second thread (`csv_scan`) reads it too. It counts the rows,
    and checks what DuckDB does not: the checksum of a .gz and the rules of quotes. A file that was
    cut, changed or has a quote too many is refused as a whole.
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
        # Without statistics of a CSV file the optimiser may hash the large side of a join: join as
        # written instead.
        self._session.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._scans: dict[Path, Future[Scan]] = {}
        self._single: set[Path] = set()
        self._cut: set[Path] = set()
        for macro in MACROS:
            self._session.execute(f"CREATE TEMP MACRO {macro}")

    def __enter__(self) -> Tables:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        self._session.close()
        self._spill.cleanup()

    def table(self, path: Path, needed: Sequence[str], optional: Sequence[str] = (), prose: bool = False) -> str:
        """A table expression over a file: the columns asked for, as text, and `ragged`, bool.

        path: .csv.gz, .csv or .parquet; prose: a field may go over several lines. A field is
        trimmed, and NULL where it is empty or holds a word for missing (`EMPTY`). An optional
        column that is absent is NULL throughout. `ragged`: the row has another number of fields
        than the first line, so that no field of it can be trusted. Columns are found by name, in
        any order and case. Raises DataError when a needed column is absent or stands twice, or
        holds times with a time zone.
        """
        if path.suffix == ".parquet":
            return self._parquet(path, needed, optional)
        header = read_header(path)
        places = _places(path, header, needed, optional)
        if path not in self._scans:
            self._scans[path] = self._pool.submit(_scan, path, self._stop)
        if not prose:
            self._single.add(path)
        columns = ", ".join(f"c{place}: 'VARCHAR'" for place in range(len(header)))
        chosen = [
            f"field(c{places[name]}) AS {name}" if name in places else _nothing(name) for name in (*needed, *optional)
        ]
        # A string that no file holds stands for NULL, so that an empty field differs from one that
        # is absent.
        return f"""(
            SELECT {", ".join([*chosen, f"beyond IS NOT NULL OR c{len(header) - 1} IS NULL AS ragged"])}
            FROM read_csv({path_literal(path)}, columns = {{{columns}, beyond: 'VARCHAR'}}, auto_detect = false, skip = 1,
                 header = false, delim = ',', quote = '"', escape = '"', nullstr = '\x01', null_padding = true,
                 strict_mode = false, parallel = false))"""

    def _parquet(self, path: Path, needed: Sequence[str], optional: Sequence[str]) -> str:
        if (kind := kind_of(path)) != "a Parquet file":
            raise DataError(f"{path} cannot be read: it is {kind or 'no Parquet file'}; download it again")
        types = {
            name: kind
            for name, kind, *_ in self.rows(f"DESCRIBE SELECT * FROM read_parquet({path_literal(path)})", path)
        }
        header = list(types)
        places = _places(path, header, needed, optional)
        chosen = []
        for name in (*needed, *optional):
            if name not in places:
                chosen.append(_nothing(name))
                continue
            column = header[places[name]]
            identifier = self.clock(path, column) if "TIME" in types[column] else _identifier(column)
            chosen.append(f"field({identifier}::VARCHAR) AS {name}")
        return f"(SELECT {', '.join([*chosen, 'false AS ragged'])} FROM read_parquet({path_literal(path)}))"

    def clock(self, path: Path, column: str) -> str:
        """SQL of a column of times of a Parquet file, as the clock of the hospital showed them.

        Raises DataError where the times are moments in a time zone other than UTC: what the clock
        showed there is unknown.
        """
        zone = _zone(path, column)
        if zone in UTC:
            return f"make_timestamp(epoch_us({_identifier(column)}))"
        if zone:
            raise DataError(
                f"{path}: the times of {column} are moments in the time zone {zone}; MIMIC-IV has the hour on the clock, without "
                "any zone: store them as timestamps without a time zone"
            )
        return _identifier(column)

    def rows_of(self, path: Path, met: int | None = None) -> int:
        """How many rows a file has that was read to its end, counted apart from reading it.

        met: how many DuckDB gave. Raises DataError when that is another number.
        """
        if path.suffix == ".parquet":
            rows = self.number(f"SELECT count(*) FROM read_parquet({path_literal(path)})", path)
        else:
            self._compare((path,))
            rows = self._scans[path].result().rows
        if met is not None and met != rows:
            raise DataError(f"{path} has {rows:,} rows, of which {met:,} could be read; download it again")
        return rows

    def legible(self, path: Path, table: str, column: str, parsed: str, expected: str, bad: int, filled: int) -> None:
        """Raises DataError when most of a column cannot be read, saying what its fields look like,
        letters and digits masked.

        table: of `self.table`; parsed: SQL of the column's value, NULL where it cannot be read;
        bad, filled: rows of which that is so, and rows with any text there. A few bad fields cost
        their rows alone, which the callers count.
        """
        if bad < MANY or 2 * bad <= filled:
            return
        form = self.rows(
            f"""SELECT left(regexp_replace(regexp_replace({column}, '[0-9]', '9', 'g'), '[A-Za-z]', 'a', 'g'), 40)
                FROM {table} WHERE {column} IS NOT NULL AND NOT ragged AND {parsed} IS NULL LIMIT 1"""
        )
        raise DataError(
            f"{path}: {bad:,} of {filled:,} fields of {column} cannot be read: they look like {form[0][0]!r}, expected is "
            f"{expected}; a spreadsheet may have changed the table: take the one that was published"
        )

    def square(self, path: Path, bad: int, rows: int) -> None:
        """Raises DataError when most rows have another number of fields than the first line."""
        if bad and 2 * bad > rows:
            raise DataError(
                f"{path}: {bad:,} of {rows:,} rows have another number of fields than its first line has names. It may "
                "hold row names without a column name, or decimal commas: take the one that was published"
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
            columns: dict[str, Any] = self._session.execute(query).fetchnumpy()
        return {
            name: column.filled(np.nan) if isinstance(column, np.ma.MaskedArray) else column
            for name, column in columns.items()
        }

    def batches(self, query: str, rows: int) -> Any:
        """A result as Arrow record batches of at most `rows` rows."""
        relation: Any = self._session.sql(query)
        if hasattr(relation, "to_arrow_reader"):
            return relation.to_arrow_reader(rows)
        older: Any = self._session.execute(query)
        return older.fetch_record_batch(rows)  # its name in older DuckDB

    @contextlib.contextmanager
    def _explained(self, paths: tuple[Path, ...]) -> Iterator[None]:
        """Turn what DuckDB says of `paths` into one clear DataError; when it says nothing,
        compare their checksums.
        """
        try:
            yield
        except self._error as error:
            self._compare(paths)
            if "not utf-8 encoded" in str(error).lower():
                line = re.search(r"Line: (\d+)", str(error))
                raise DataError(
                    f"{', '.join(map(str, paths))} is not UTF-8: there is another byte in {f'line {line[1]}' if line else 'it'}; "
                    "every table is published in UTF-8. Download it again, or convert it, for instance from Latin-1: "
                    "iconv -f LATIN1 -t UTF-8 OLD.csv > NEW.csv"
                ) from None  # DuckDB quotes the row
            message = str(error).splitlines()[0]
            raise DataError(
                f"{', '.join(map(str, paths)) or 'the tables'} cannot be read ({message}); download it again"
            ) from error
        self._compare(paths)

    def _compare(self, paths: tuple[Path, ...]) -> None:
        for path in paths:
            if not (future := self._scans.get(path)):
                continue
            try:
                scanned = future.result()
            except _DAMAGED as error:
                raise DataError(
                    f"{path} is cut short or damaged ({error}); download it again (wget -c goes on where it stopped)"
                ) from error
            damage = scanned.damage
            if not damage and scanned.several_lines and path in self._single:
                damage = f"the quote opened in line {scanned.several_lines:,} is closed in a later one, as in no table but notes"
            if damage:
                raise DataError(f"{path} is damaged: {damage}; rows would be lost without notice: download it again")
            if scanned.cut and path not in self._cut:
                self._cut.add(path)
                _log.warning("%s does not end with the end of a line; was it cut short?", path)

    def put(self, name: str, **columns: tuple[str, Sequence[Any]]) -> None:
        """A small temporary table. columns: name -> SQL type and the values, all equally many."""
        types = ", ".join(f"{column} {kind}" for column, (kind, _) in columns.items())
        self._session.execute(f"CREATE TEMP TABLE {name} ({types})")
        values = ", ".join(f"unnest(?::{kind}[])" for kind, _ in columns.values())
        self._session.execute(f"INSERT INTO {name} SELECT {values}", [list(entries) for _, entries in columns.values()])


def read_header(path: Path) -> list[str]:
    """The column names in the first line of a CSV file. DataError when it is empty, cannot be
    read or is no CSV with commas.
    """
    kind = kind_of(path)
    if kind not in ("", "empty") and not (path.suffix == ".gz" and "gzip" in kind):
        raise DataError(f"{path} cannot be read: it is {kind}")
    if not kind and path.suffix == ".gz":
        raise DataError(
            f"{path} cannot be read: it is not compressed with gzip; download it again, or take .gz from its name"
        )
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as raw:
            if (kind := kind_of_bytes(raw.read(64))) and kind != "empty":
                raise DataError(f"{path} cannot be read: once unpacked, it is {kind}")
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as stream:
            header = [name.strip() for name in next(csv.reader([stream.readline(2**16)]), [])]
    except (*_DAMAGED, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}); download it again") from error
    if not header:
        raise DataError(f"{path} is empty: not even a line with column names; download it again")
    if len(header) == 1:
        for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in header[0]:
                raise DataError(
                    f"{path}: {name} stand between its columns, as some spreadsheets write them. Needed: commas between columns, "
                    "points in numbers; save it so, or take the one that was published"
                )
    return header


def path_literal(path: Path) -> str:
    """A path as an SQL text that DuckDB takes as the name of one file."""
    return "'" + "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path)).replace("'", "''") + "'"


def _places(path: Path, header: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> dict[str, int]:
    """Name -> place in the header, of the columns asked for."""
    lower = [name.lower() for name in header]
    if missing := [name for name in needed if name.lower() not in lower]:
        raise DataError(
            f"{path} lacks the column {', '.join(missing)} (its columns: {', '.join(header)[:160]}); "
            "is it the table of MIMIC-IV 2.2 or 3.1? download it again"
        )
    if twice := [name for name in (*needed, *optional) if lower.count(name.lower()) > 1]:
        raise DataError(
            f"{path} has the column {', '.join(twice)} twice; which one is right is unknown: download it again"
        )
    return {name: lower.index(name.lower()) for name in (*needed, *optional) if name.lower() in lower}


def _nothing(name: str) -> str:
    return f"NULL::VARCHAR AS {name}"


def _zone(path: Path, column: str) -> str:
    """The time zone of a column of a Parquet file, "" where it has none."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise PluginError(f"reading {path.name} needs pyarrow; type: pip install 'gapbench[clinical]'") from error
    return getattr(pq.read_schema(path).field(column).type, "tz", None) or ""


def _identifier(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _scan(path: Path, stop: threading.Event) -> Scan:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as stream:
        return scan(stream, stop)
