"""Download of PTB-XL 1.0.3: both tables and the 100 Hz records, for everybody (CC BY 4.0)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.errors import DataError
from bench_datasets.physionet_download import Report, fetch_file, published
from bench_datasets.ptbxl.files import FOLDER, INDEX, STATEMENTS
from bench_datasets.ptbxl.index import read_index
from bench_datasets.ptbxl.params import PtbxlParams

BASE = "https://physionet.org/files/ptb-xl/1.0.3/"
MIRROR = "BENCH_PTBXL_URL"
"""PhysioNet's own folder, and the environment variable that names a mirror with the same files."""

AT_ONCE = 8
"""Connections. The records are 43,598 files of 24 KB and less, so time goes into waiting."""


def fetch(root: Path, params: PtbxlParams, report: Report) -> None:
    """Download the tables, their licence and the records that the index lists into
    `root/ptb-xl-1.0.3`; about 0.5 GB.

    A file that is there already is checked and kept. Raises DataError when a file is not published,
    and as `fetch_file` does.
    """
    into = root / FOLDER
    base, sums = published(BASE, MIRROR, into, report)

    def get(name: str, tell: Report) -> None:
        if name not in sums:
            raise DataError(f"{base}SHA256SUMS.txt does not list {name}; is the address right?")
        fetch_file(base + name, into / name, sums[name], MIRROR, tell)

    for name in ("LICENSE.txt", STATEMENTS, INDEX):
        get(name, report)
    names = [f"{name}.{end}" for name in read_index(into / INDEX).names.tolist() for end in ("hea", "dat")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(get, name, _silent) for name in names]
        try:
            for number, each in enumerate(waiting, 1):
                each.result()
                if number % 1000 == 0 or number == len(names):
                    report(f"{number:,} of {len(names):,} files of records complete, checksums right")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _silent(message: str) -> None:
    """A line for each of so many files would say nothing."""
