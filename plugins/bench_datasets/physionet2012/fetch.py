"""Download of PhysioNet 2012, see `physionet_download`."""

from __future__ import annotations

from pathlib import Path

from bench.errors import DataError
from bench_datasets.physionet2012.files import SETS, folder
from bench_datasets.physionet2012.params import Physionet2012Params
from bench_datasets.physionet_download import Report, fetch_file, published

BASE = "https://physionet.org/files/challenge-2012/1.0.0/"
MIRROR = "BENCH_PHYSIONET_URL"
"""PhysioNet's own folder, and the environment variable that names a mirror with the same files."""


def fetch(root: Path, params: Physionet2012Params, report: Report) -> None:
    """Download the sets of `params.sets` (where it is empty, all that are published) into the
    folder under `root`.

    A file that is there already is checked and kept. Raises DataError when a file is not published,
    and as `fetch_file` does.
    """
    into = folder(root)
    base, sums = published(BASE, MIRROR, into, report)
    for name in params.sets or SETS:
        wanted = (f"set-{name}.tar.gz", f"Outcomes-{name}.txt")
        lacking = [file for file in wanted if file not in sums]
        if lacking and not params.sets:
            report(f"set {name} is not published at {base} and was left out")
            continue
        if lacking:
            raise DataError(f"{base}SHA256SUMS.txt does not list {', '.join(lacking)}; take it out of data.sets")
        for file in wanted:
            fetch_file(base + file, into / file, sums[file], MIRROR, report)
