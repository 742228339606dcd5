"""Where the harness keeps what it can make again: prepared cohorts, imputations, downloads."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from bench.files import storage


def cache_folder(named: str = "") -> Path:
    """The folder that is named (`cache=`), else BENCH_CACHE, else the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named or os.environ.get("BENCH_CACHE") or home / "gapbench").expanduser().absolute()


LAYOUT = 2
"""Raised by hand when keys are made otherwise: what lies under earlier keys is never read again, and can be told and freed."""

_EARLIER = re.compile(r"keys-\d+|cohorts|masks|imputations")


def keyed(cache: Path, kind: str) -> Path:
    """Where stages that cells share lie by their keys. kind: "cohorts", "masks" or "imputations"."""
    return cache / f"keys-{LAYOUT}" / kind


def earlier(cache: Path) -> list[Path]:
    """The folders of stages made under keys of before, which nothing reads."""
    if not cache.is_dir():
        return []
    now = keyed(cache, "").name
    return sorted(
        each for each in cache.iterdir() if each.is_dir() and each.name != now and _EARLIER.fullmatch(each.name)
    )


def size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def remove(folder: Path) -> None:
    """Remove a folder with all in it; links are removed, not followed."""
    with storage(folder):
        shutil.rmtree(folder)
