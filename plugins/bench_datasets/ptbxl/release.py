"""Which release of PTB-XL is read. Light: builds no cohort."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.errors import DataError
from bench.registry import BY_COUNTS
from bench_datasets.ptbxl.files import find
from bench_datasets.ptbxl.index import content, read_index
from bench_datasets.ptbxl.params import PtbxlParams

SHA256 = {"cd9bf4e6445c5e022605857c4d6f90c90ff0e62df847da52efaebe94de786156": "1.0.1"}
"""Digest of `ptbxl_database.csv` as PhysioNet publishes it -> release. That of 1.0.3 is not known
here.
"""

RECORDS = {"1.0.1": 21_837, "1.0.2": 21_801, "1.0.3": 21_799}
"""Records of each release."""


def release(root: Path, params: PtbxlParams) -> str:
    """For example "PTB-XL 1.0.1", by the digest of the index; by its number of records where no
    digest is known. Empty where it has another number, or cannot be read.
    """
    try:
        path = find(root).index
        known = SHA256.get(hashlib.sha256(content(path)).hexdigest())
        if known:
            return f"PTB-XL {known}"
        number = len(read_index(path))
    except DataError:
        return ""
    name = next((name for name, records in RECORDS.items() if records == number), "")
    if not name:
        return ""
    if name in SHA256.values():
        return f"PTB-XL {name} by its counts, but its index is not as published"
    return f"PTB-XL {name}{BY_COUNTS}"
