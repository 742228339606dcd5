"""Which images and recordings there are: the lists that MIMIC-CXR-JPG and MIMIC-IV-ECG bring,
and who was in intensive care.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cohort import Counts
from bench.errors import DataError
from bench_datasets.mimic4.files import find
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.mimic4.read import Tables
from bench_datasets.mimic4.stays import read_stays


@dataclass(frozen=True)
class Listing:
    """The list of one collection. time, path: SQL over its columns; NULL where they cannot be
    made out.
    """

    collection: str
    names: tuple[str, ...]
    places: tuple[str, ...]
    columns: tuple[str, ...]
    time: str
    path: str


def _part(column: str, part: int) -> str:
    return f"split_part(trim({column}), '.', {part})"


IMAGES = Listing(
    "MIMIC-CXR-JPG",
    ("mimic-cxr-2.0.0-metadata", "mimic-cxr-2.1.0-metadata"),
    ("", "mimic-cxr-jpg*", "mimic-cxr-jpg*/*", "physionet.org/files/mimic-cxr-jpg/*"),
    ("dicom_id", "subject_id", "study_id", "StudyDate", "StudyTime"),
    # StudyDate is YYYYMMDD; StudyTime is HHMMSS.fff without its leading zeros.
    f"""CASE WHEN regexp_full_match({_part("StudyTime", 1)}, '\\d{{1,6}}') THEN
            try_strptime({_part("StudyDate", 1)} || lpad({_part("StudyTime", 1)}, 6, '0'), '%Y%m%d%H%M%S')
            + to_microseconds(coalesce(round(1e6 * try_cast('0.' || {_part("StudyTime", 2)} AS DOUBLE))::BIGINT, 0)) END""",
    """'files/p' || left(trim(subject_id), 2) || '/p' || trim(subject_id) || '/s' || trim(study_id) || '/'
            || nullif(trim(dicom_id), '') || '.jpg'""",
)
RECORDINGS = Listing(
    "MIMIC-IV-ECG",
    ("record_list",),
    ("", "mimic-iv-ecg*", "mimic-iv-ecg*/*", "physionet.org/files/mimic-iv-ecg/*"),
    ("subject_id", "study_id", "ecg_time", "path"),
    "moment(ecg_time)",
    "nullif(trim(path), '')",
)


@dataclass(frozen=True)
class Index:
    """What is to be embedded. folder: what paths are relative to; rows: an Arrow table subject_id,
    charttime, path, in order of these.
    """

    folder: Path
    rows: Any

    def digest(self) -> str:
        """The SHA-256 of the rows."""
        digest = hashlib.sha256()
        for batch in self.rows.to_batches(10_000):
            digest.update(
                "\n".join(f"{s} {t} {p}" for s, t, p in zip(*batch.to_pydict().values(), strict=True)).encode()
            )
        return digest.hexdigest()


def read_index(listing: Listing, source: Path, data: Mimic4Params, root: Path | None, counts: Counter[str]) -> Index:
    """The files a list names, each once; with a root, those alone that were made in the window of a
    stay of it.

    In the window: intime <= charttime <= outtime, and less than `window_hours` after intime, as the
    reader of embeddings has it. Rows without a readable id or time are skipped and counted. Raises
    DataError where the list is not there, lacks a column or is damaged, and where nothing is left.
    """
    path = _find(listing, source)
    with Tables() as tables:
        tables.run(
            f"""
            CREATE TEMP TABLE listed AS
            SELECT whole(subject_id) AS subject_id, {listing.time} AS charttime,
                   CASE WHEN NOT ragged THEN {listing.path} END AS path
            FROM {tables.table(path, listing.columns)}
            """,
            path,
        )
        usable = "subject_id IS NOT NULL AND charttime IS NOT NULL AND path IS NOT NULL"
        counts["listed"] = tables.rows_of(path, tables.number("SELECT count(*) FROM listed"))
        counts["without a readable id or time, skipped"] = tables.number(
            f"SELECT count(*) FROM listed WHERE NOT coalesce({usable}, false)"
        )
        query = f"SELECT DISTINCT subject_id, charttime, path FROM listed WHERE {usable}"
        if root is not None:
            read_stays(tables, find(root, data), Counts())
            query = f"""
                {query} AND EXISTS (
                    SELECT 1 FROM stay k WHERE k.subject_id = listed.subject_id AND listed.charttime >= k.intime
                    AND (k.outtime IS NULL OR listed.charttime <= k.outtime)
                    AND date_diff('second', k.intime, listed.charttime) < {data.window_hours * 3600})"""
        rows = tables.batches(f"{query} ORDER BY subject_id, charttime, path", 65_536).read_all()
    counts["to embed"] = rows.num_rows
    if not rows.num_rows:
        why = (
            "has no usable row"
            if root is None
            else f"names nothing that was made in the window of an ICU stay of {root}"
        )
        raise DataError(f"{path} {why} ({counts['listed']:,} rows); are the list and the stays of one release?")
    return Index(path.parent, rows)


def _find(listing: Listing, source: Path) -> Path:
    for place in listing.places:
        for folder in [source] if not place else sorted(source.glob(place), reverse=True):
            for name in listing.names:
                for suffix in (".csv.gz", ".csv"):
                    if (folder / f"{name}{suffix}").is_file():
                        return folder / f"{name}{suffix}"
    raise DataError(
        f"no {listing.names[0]}.csv.gz in {source}; name the folder of {listing.collection} that holds it and files/: from=DIR "
        f"(for credentialed users of PhysioNet: https://physionet.org/content/{listing.collection.lower()}/)"
    )
