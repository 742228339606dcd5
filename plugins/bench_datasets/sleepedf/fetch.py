"""Download of Sleep-EDF Expanded 1.0.0, the sleep-cassette recordings, for everybody (Open Data
Commons Attribution License 1.0).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from bench.errors import DataError
from bench_datasets.physionet_download import Report, fetch_file, published
from bench_datasets.sleepedf.files import FOLDER, chosen
from bench_datasets.sleepedf.params import SleepedfParams

BASE = "https://physionet.org/files/sleep-edfx/1.0.0/"
MIRROR = "BENCH_SLEEPEDF_URL"
"""PhysioNet's own folder, and the environment variable that names a mirror with the same files."""


def fetch(root: Path, params: SleepedfParams, report: Report) -> None:
    """Download the recordings of the part that is asked for, with their hypnograms, into
    `root/sleep-edfx-1.0.0/sleep-cassette`: about 2 GB of sc20, 7 GB of sc.

    A file that is there already is checked and kept. Raises DataError when nothing of the part is
    published, and as `fetch_file` does.
    """
    into = root / FOLDER
    base, sums = published(BASE, MIRROR, into, report)
    names = [name for name in sorted(sums) if _of_part(PurePosixPath(name), params)]
    if not names:
        raise DataError(f"{base}SHA256SUMS.txt lists no recording of part {params.part}; is the address right?")
    for number, name in enumerate(names, 1):
        report(f"file {number} of {len(names)}")
        fetch_file(base + name, into / name, sums[name], MIRROR, report)


def _of_part(path: PurePosixPath, params: SleepedfParams) -> bool:
    return path.parent.name == "sleep-cassette" and len(path.parts) == 2 and chosen(path.name, params) is not None
