"""Prepared embeddings of chest X-rays and ECGs: a Parquet file of timed vectors becomes a modality.

Columns:

- `stay_id`; or `subject_id`: then a vector belongs to each stay with intime <= charttime <=
  outtime.
- `charttime`: a timestamp.
- `embedding`: a list of numbers, equally many in each row.

`bench data embed` makes such files, and says in their metadata how.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.cohort import Counts, Series
from bench.errors import DataError, PluginError
from bench_datasets.mimic4.read import MANY, Tables, path_literal
from bench_datasets.mimic4.series import absent, rows_to_events, to_series
from bench_datasets.mimic4.warnings import ABSENT, EMPTY, NO_VECTOR, NONE_FINITE, NOT_FINITE

PROVENANCE = b"gapbench.embedding"
"""The key of a Parquet file's metadata under which it says how it was made."""

FORM = "stay_id or subject_id, charttime, embedding (a list of numbers)"


def read_embeddings(tables: Tables, path: Path | None, name: str, n: int, hours: int, counts: Counts) -> Series:
    """The modality `name` of the stays in the temporary table `kept`. `n`: how many; `path` None:
    it is absent.

    Vectors outside the window or with a number that is not finite are left out and counted. The
    files that could not be read when the file was made are counted too, where its metadata say so.
    Where no vector is left the modality is unavailable. Raises DataError for a file of another
    form, or of another modality.
    """
    if path is None:
        counts.left_out(f"{name}: {ABSENT}")
        return absent(n, hours)
    try:
        import pyarrow as pa
    except ImportError as error:
        raise PluginError(f"reading {path.name} needs pyarrow; type: pip install 'gapbench[clinical]'") from error
    scan = f"read_parquet({path_literal(path)}, file_row_number = true)"
    by, width = _form(tables, path, scan)
    provenance = made_by(path)
    if provenance.get("modality", name) != name:
        raise DataError(
            f"{path} holds embeddings of {provenance['modality']}, by its metadata, not of {name}; "
            f"name it data.{provenance['modality']}"
        )
    unreadable = sum(provenance.get("unreadable", {}).values())
    counts.left_out(f"{name}: files that could not be read when embedded, left out", unreadable)
    rows = tables.number(f"SELECT count(*) FROM {scan}")
    counts.found(f"{name}: vectors in the file", rows)
    if not rows:
        counts.left_out(f"{name}: {EMPTY}")
        return absent(n, hours)
    inside = "e.charttime >= k.intime AND (k.outtime IS NULL OR e.charttime <= k.outtime)"
    who, when = f"whole({by}::VARCHAR)", f"moment({tables.clock(path, 'charttime')}::VARCHAR)"
    tables.run(
        f"""
        CREATE TEMP TABLE vector AS
        SELECT k.record, date_diff('second', k.intime, e.charttime)::INTEGER AS seconds, e.place, e.embedding
        FROM (SELECT {who} AS id, {when} AS charttime, embedding::FLOAT[] AS embedding, file_row_number AS place FROM {scan}) e
        JOIN kept k ON e.id = k.{by}
        WHERE {inside} AND date_diff('second', k.intime, e.charttime) < {hours * 3600}
        """,
        path,
    )
    unread = tables.number(f"SELECT count(*) FROM {scan} WHERE {who} IS NULL OR {when} IS NULL")
    if unread >= MANY and 2 * unread > rows:
        raise DataError(f"{path}: {by} or charttime cannot be read in {unread:,} of {rows:,} rows; needed: {FORM}")
    counts.unusable(f"{name}: vectors without a readable {by} or charttime, skipped", unread)
    inside_window, distinct = tables.rows("SELECT count(*), count(DISTINCT place) FROM vector")[0]
    counts.left_out(f"{name}: vectors of no stay or outside the window, left out", rows - unread - distinct)
    counts.found(f"{name}: vectors of a further stay, counted for each", inside_window - distinct)
    record, seconds = np.zeros(inside_window, np.int64), np.zeros(inside_window, np.int64)
    values = np.zeros((inside_window, width), np.float32)
    end = 0
    # By the first numbers where times are equal, so that the order of the rows decides nothing.
    ordered = (
        "SELECT record, seconds, embedding FROM vector ORDER BY record, seconds, embedding[1], embedding[2], place"
    )
    for batch in tables.batches(ordered, 8192):
        start, end = end, end + batch.num_rows
        record[start:end], seconds[start:end] = (batch.column(i).cast(pa.int64()).to_numpy() for i in (0, 1))
        values[start:end] = batch.column(2).flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    tables.run("DROP TABLE vector")
    whole = np.isfinite(values).all(axis=1)
    counts.unusable(f"{name}: {NOT_FINITE}", (~whole).sum())
    counts.found(f"{name}: vectors kept", whole.sum())
    if not whole.any():
        counts.left_out(f"{name}: {NONE_FINITE if end else NO_VECTOR}")
        return absent(n, hours)
    if not whole.all():
        record, seconds, values = record[whole], seconds[whole], values[whole]
    channels = tuple(f"{name}_{i}" for i in range(width))
    return to_series(rows_to_events(n, record, seconds, values), channels, ("",) * width, hours)


def made_by(path: Path) -> dict[str, Any]:
    """How `bench data embed` made a file, from its metadata; empty where it does not say, or is
    no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        provenance = json.loads((pq.read_schema(path).metadata or {})[PROVENANCE])
    except (KeyError, ValueError, OSError, RecursionError, pa.ArrowException):
        return {}
    return provenance if isinstance(provenance, dict) else {}


def _form(tables: Tables, path: Path, scan: str) -> tuple[str, int]:
    """The column that names the stay or patient, and the width of the vectors; DataError when
    the form is another.
    """
    described = tables.rows(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {scan}", path)
    columns = {name: kind for name, kind, *_ in described}
    by = "stay_id" if "stay_id" in columns else "subject_id"
    if missing := [name for name in (by, "charttime", "embedding") if name not in columns]:
        raise DataError(f"{path} lacks the column {', '.join(missing)} (found: {', '.join(columns)}); needed: {FORM}")
    if not columns["embedding"].endswith("]"):
        raise DataError(f"{path}: embedding is {columns['embedding']}, not a list of numbers; needed: {FORM}")
    least, most, empty = tables.rows(
        f"SELECT min(len(embedding)), max(len(embedding)), count(*) FILTER (WHERE embedding IS NULL) FROM {scan}"
    )[0]
    if least != most or empty or least == 0:
        raise DataError(
            f"{path}: vectors have {least or 0} to {most or 0} numbers{' or are missing' if empty else ''}; all must "
            "have equally many, at least one"
        )
    return by, int(most or 0)
