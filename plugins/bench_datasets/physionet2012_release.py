"""Which sets of PhysioNet 2012 are read, and whether each is whole. Light: counts names, reads no record."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from bench_datasets.bounded_tar import TooLarge, opened
from bench_datasets.physionet2012_files import RECORD_NAME, find, record_files
from bench_datasets.plugin import Physionet2012Params

WHOLE = 4000
"""Records of each set."""


def release(root: Path, params: Physionet2012Params) -> str:
    """For example "PhysioNet 2012 set a" or "PhysioNet 2012 sets a, b, c"; behind a set that is not whole, how many records it
    has. Empty where an archive is damaged, which the reader refuses.
    """
    sets = find(root, params)
    try:
        found = [(each.name, _records(each.source)) for each in sets]
    except (TooLarge, OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile):
        return ""
    names = [name if count == WHOLE else f"{name} ({count:,} of {WHOLE:,} records)" for name, count in found]
    return f"PhysioNet 2012 set{'s' * (len(names) > 1)} {', '.join(names)}"


def _records(source: Path) -> int:
    if source.is_dir():
        return len(record_files(source))
    if source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    else:
        with opened(source) as members:
            names = [member.name for member, _ in members]
    return sum(RECORD_NAME.fullmatch(PurePosixPath(name).name) is not None for name in names)
