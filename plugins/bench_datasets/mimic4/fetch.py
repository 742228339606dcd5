"""Download of the open demo of MIMIC-IV: 100 patients of the release 2.2, for everybody (Open
Database License 1.0).
"""

from __future__ import annotations

from pathlib import Path

from bench.errors import DataError
from bench_datasets.mimic4.files import DEMO, TABLES
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.physionet_download import Report, fetch_file, published

BASE = "https://physionet.org/files/mimic-iv-demo/2.2/"
MIRROR = "BENCH_MIMIC4_DEMO_URL"
"""PhysioNet's own folder, and the environment variable that names a mirror with the same files."""

FILES = ("LICENSE.txt", "README.txt", *(f"{name}.csv.gz" for name in TABLES))


def fetch(root: Path, params: Mimic4Params, report: Report) -> None:
    """Download the tables that are read, with their licence, into `root/mimic-iv-demo-2.2`; about 6
    MB.

    A file that is there already is checked and kept. Raises DataError when a file is not published,
    and as `fetch_file` does.
    """
    into = root / DEMO
    base, sums = published(BASE, MIRROR, into, report)
    if lacking := [file for file in FILES if file not in sums]:
        raise DataError(f"{base}SHA256SUMS.txt does not list {', '.join(lacking)}; is the address right?")
    for file in FILES:
        fetch_file(base + file, into / file, sums[file], MIRROR, report)
