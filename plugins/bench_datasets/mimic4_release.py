"""Which release of MIMIC-IV the tables are, by their numbers of rows. Light: counts lines, builds nothing."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from bench_datasets.mimic4_files import TABLES, find
from bench_datasets.plugin import Mimic4Params

RELEASES: dict[str, dict[str, int]] = {
    "2.2": {
        "hosp/patients": 299_712,
        "hosp/admissions": 431_231,
        "hosp/diagnoses_icd": 4_756_326,
        "icu/icustays": 73_181,
        "icu/d_items": 4_014,
        "icu/chartevents": 313_645_063,
    },
    "3.1": {
        "hosp/patients": 364_627,
        "hosp/admissions": 546_028,
        "hosp/diagnoses_icd": 6_364_488,
        "icu/icustays": 94_458,
        "icu/d_items": 4_095,
        "icu/chartevents": 432_997_491,
    },
    "demo 2.2": {
        "hosp/patients": 100,
        "hosp/admissions": 275,
        "hosp/diagnoses_icd": 4_506,
        "icu/icustays": 140,
        "icu/d_items": 4_014,
        "icu/chartevents": 668_862,
    },
}
"""Rows of each table by release, as the validation scripts of MIT-LCP's mimic-code repository count them."""

LARGEST = {".gz": 64 * 2**20, ".csv": 512 * 2**20}
"""Bytes of a table that is counted in passing, by its suffix. The chart events of a whole release are larger: that they
are whole, `bench data verify` says.
"""


def release(root: Path, params: Mimic4Params) -> str:
    """ "MIMIC-IV 2.2", "MIMIC-IV 3.1" or "MIMIC-IV demo 2.2" where every table that is counted has the rows of that release;
    empty for any other tables, a part of a release included, and for damaged ones, which the reader refuses.
    """
    tables = find(root, params).tables
    counted = {name: path for name, path in tables.items() if path.stat().st_size <= LARGEST[path.suffix]}
    try:
        rows = {name: _rows(counted[name]) for name in TABLES if name in counted}
    except (OSError, EOFError, zlib.error):
        return ""
    for name, expected in RELEASES.items():
        if rows and all(count == expected[table] for table, count in rows.items()):
            return f"MIMIC-IV {name}"
    return ""


def _rows(path: Path) -> int:
    """Lines below the header; none of these tables has a line break inside a field."""
    lines, last = 0, b"\n"
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        while block := stream.read(2**20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines - 1 + (last != b"\n")
