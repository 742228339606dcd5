"""Tables as other programs save them: same content, other bytes."""

from __future__ import annotations

import csv
import gzip
import io
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from support.mimic4_tables import read_text


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(read_text(path), newline="")))


def saved(rows: list[list[str]], **how: object) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, **({"lineterminator": "\n"} | how)).writerows(rows)  # type: ignore[arg-type]
    return stream.getvalue().encode()


def by_pandas(path: Path, to: Path, index: bool = True, **how: object) -> None:
    pd.read_csv(path, dtype={"icd_code": str}, **how).to_csv(to, index=index)  # type: ignore[call-overload]


def as_floats(path: Path, to: Path) -> None:
    frame = pd.read_csv(path, dtype={"icd_code": str})
    frame = frame.assign(**{c: frame[c].astype(float) for c in frame.select_dtypes("int").columns})
    frame.to_csv(to, index=False)


def as_r(path: Path, to: Path) -> None:
    """As write.csv of R: row names, all text in quotes, NA where nothing is, T and Z in times."""
    rows = [[field if field else "NA" for field in row] for row in rows_of(path)]
    when = [place for place, name in enumerate(rows[0]) if name.endswith("time")]
    for row in rows[1:]:
        for place in when:
            if row[place] != "NA":
                row[place] = f"{row[place].replace(' ', 'T')}Z"
    numbered = [["", *rows[0]], *([str(number), *row] for number, row in enumerate(rows[1:], 1))]
    to.write_bytes(saved(numbered, quoting=csv.QUOTE_ALL))


def by_duckdb(path: Path, to: Path) -> None:
    import duckdb

    form = "PARQUET" if to.suffix == ".parquet" else "CSV, HEADER"
    with duckdb.connect() as session:
        session.execute(
            f"COPY (FROM read_csv('{path}', types = {{'icd_code': 'VARCHAR'}})) TO '{to}' (FORMAT {form})"
            if "diagnoses" in path.name
            else f"COPY (FROM read_csv('{path}')) TO '{to}' (FORMAT {form})"
        )


def as_parquet(path: Path, to: Path, **change: object) -> None:
    frame = pd.read_csv(path, dtype={"icd_code": str})
    for column in frame.columns:
        if column.endswith("time"):
            frame[column] = pd.to_datetime(frame[column])
            if change.get("zone"):
                frame[column] = frame[column].dt.tz_localize(change["zone"])
        if change.get("floats") and frame[column].dtype.kind == "i":
            frame[column] = frame[column].astype(float)
    frame.to_parquet(to)


def reordered(path: Path, to: Path) -> None:
    header, *rows = rows_of(path)
    order = list(range(len(header)))
    random.Random(1).shuffle(order)
    random.Random(2).shuffle(rows)
    to.write_bytes(saved([[row[place] for place in order] for row in [header, *rows]]))


def plainly(**how: object) -> Callable[[Path, Path], None]:
    return lambda path, to: to.write_bytes(saved(rows_of(path), **how)) and None  # type: ignore[func-returns-value]


SAVED: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "plain text": (".csv", plainly()),
    "compressed otherwise": (
        ".csv.gz",
        lambda path, to: to.write_bytes(gzip.compress(saved(rows_of(path)), 1)) and None,
    ),
    "all in quotes": (".csv", plainly(quoting=csv.QUOTE_ALL)),
    "lines of Windows": (".csv", plainly(lineterminator="\r\n")),
    "lines of an old Macintosh": (".csv", plainly(lineterminator="\r")),
    "a byte-order mark": (".csv", lambda path, to: to.write_bytes(b"\xef\xbb\xbf" + saved(rows_of(path))) and None),
    "a mark, quotes, Windows": (
        ".csv",
        lambda path, to: (
            to.write_bytes(b"\xef\xbb\xbf" + saved(rows_of(path), quoting=csv.QUOTE_ALL, lineterminator="\r\n"))
            and None
        ),
    ),
    "blank lines": (".csv", lambda path, to: to.write_bytes(saved(rows_of(path)).replace(b"\n", b"\n\n")) and None),
    "rows and columns in another order": (".csv", reordered),
    "names in capitals": (
        ".csv",
        lambda path, to: (
            to.write_bytes(saved([[name.upper() for name in rows_of(path)[0]], *rows_of(path)[1:]])) and None
        ),
    ),
    "pandas with its index": (".csv", by_pandas),
    "pandas without it": (".csv", lambda path, to: by_pandas(path, to, index=False)),
    "pandas, compressed": (".csv.gz", by_pandas),
    "whole numbers as floats": (".csv", as_floats),
    "R": (".csv", as_r),
    "DuckDB": (".csv", by_duckdb),
    "DuckDB as Parquet": (".parquet", by_duckdb),
    "pandas as Parquet": (".parquet", as_parquet),
    "Parquet with floats": (".parquet", lambda path, to: as_parquet(path, to, floats=True)),
    "Parquet, times of UTC": (".parquet", lambda path, to: as_parquet(path, to, zone="UTC")),
}
"""Way of saving a table anew -> the ending of its name, and how (path, to)."""


def save_anew(source: Path, to: Path, way: str, names: list[str]) -> Path:
    """A copy of a folder with these tables saved that way."""
    shutil.copytree(source, to)
    suffix, save = SAVED[way]
    for name in names:
        old = source / f"{name}.csv.gz"
        (to / f"{name}.csv.gz").unlink()
        save(old, to / f"{name}{suffix}")
    return to
