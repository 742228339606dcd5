"""Which release of MIMIC-IV the tables are: by numbers of rows, and by checksums where they are
known. Light.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path

from bench.files import content_digest
from bench.registry import BY_COUNTS
from bench_datasets.mimic4.files import TABLES, find
from bench_datasets.mimic4.params import Mimic4Params

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
"""Rows of each table by release, as the validation scripts of MIT-LCP's mimic-code repository
count them.
"""

SHA256: dict[str, dict[str, str]] = {
    "demo 2.2": {
        "hosp/patients": "59dcc6cd8450ddf03ad32cc7d76e41caa4c9633541715987f590c74835cf6fae",
        "hosp/admissions": "910b9f160ffdf1e08ea673585393f347c773ccc87d66875c627584a903ae8493",
        "hosp/diagnoses_icd": "958565670c0b3903c0c12825366dc2bae8561d2d55f16feac0c949dd630ed3e4",
        "icu/icustays": "e05e81aa52a3022e522b6832a898101a69b84e64c17bb344d819e458d5bc21b3",
        "icu/d_items": "1690467a822345226a041c1149237c418aa60098c6b699fb4cef64d73588a01f",
        "icu/chartevents": "90f096ad3db847ed1aaec073f8d86053c51fea7b616d3b046410e030f083d560",
    }
}
"""Checksum of each table (.csv.gz) by release, as PhysioNet publishes them (SHA256SUMS.txt). Those
of the whole releases are not known here.
"""

LARGEST = {".gz": 64 * 2**20, ".csv": 512 * 2**20}
"""Bytes of a table that is counted in passing, by its suffix. The chart events of a whole release
are larger: that they are whole, `bench data verify` says.
"""


def release(root: Path, params: Mimic4Params) -> str:
    """ "MIMIC-IV demo 2.2" where its tables are the published files. "MIMIC-IV 2.2" or "MIMIC-IV
    3.1", followed by `BY_COUNTS`, where every table that is counted has the rows of that release:
    more cannot be known of them here. Tables with the rows of the demo that are not its files are
    called by that name with which tables are not as published. Empty for any other tables, a part
    of a release included, and for damaged ones, which the reader refuses.
    """
    tables = find(root, params).tables
    counted = {name: path for name, path in tables.items() if path.stat().st_size <= LARGEST.get(path.suffix, 0)}
    try:
        rows = {name: _rows(counted[name]) for name in TABLES if name in counted}
        for name, expected in RELEASES.items():
            if rows and all(count == expected[table] for table, count in rows.items()):
                return _in_words(name, tables)
    except (OSError, EOFError, zlib.error):
        pass
    return ""


def _in_words(name: str, tables: Mapping[str, Path]) -> str:
    """The release of that name, as far as the contents of the tables are known to be its own."""
    if name not in SHA256:
        return f"MIMIC-IV {name}{BY_COUNTS}"
    other = [table for table in TABLES if content_digest(tables[table]) != SHA256[name][table]]
    not_published = f" by its counts, but not as published: {', '.join(other)}"
    return f"MIMIC-IV {name}{not_published if other else ''}"


def _rows(path: Path) -> int:
    """Lines below the header; none of these tables has a line break inside a field."""
    lines, last = 0, b"\n"
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        while block := stream.read(2**20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines - 1 + (last != b"\n")
