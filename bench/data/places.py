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


LAYOUT = 3
"""Raised by hand when keys are made otherwise: what lies under earlier keys is never read again,
and can be told and freed.
"""

_FIRST = ("cohorts", "masks", "imputations")
"""What lay in the cache itself before there were layouts."""

_OURS = re.compile(r"[0-9a-f]{64}(\.safetensors)?|\.tmp-.*")


def keyed(cache: Path, kind: str) -> Path:
    """Where what stages leave lies by their keys. kind: as in `bench.stages.artifacts`."""
    return cache / f"keys-{LAYOUT}" / kind


def earlier(cache: Path) -> list[Path]:
    """The folders of stages made under keys that are no longer used, which nothing reads: those
    that hold what stages make and nothing else.
    """
    if not cache.is_dir():
        return []
    layouts = [path for path in sorted(cache.glob("keys-*")) if path.is_dir() and _before(path.name)]
    inside = {path: list(path.iterdir()) for path in layouts} | {cache / kind: [cache / kind] for kind in _FIRST}
    return [path for path, folders in inside.items() if path.is_dir() and all(map(_is_ours, folders))]


def _before(name: str) -> bool:
    number = name.removeprefix("keys-")
    return number.isdecimal() and int(number) < LAYOUT


def _is_ours(folder: Path) -> bool:
    """Whether a folder, where there is one, holds only files and folders that are called by
    keys.
    """
    if not folder.exists():
        return True
    return folder.is_dir() and not folder.is_symlink() and all(_OURS.fullmatch(each.name) for each in folder.iterdir())


def size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def remove(folder: Path) -> None:
    """Remove a folder with all in it; links are removed, not followed."""
    with storage(folder):
        shutil.rmtree(folder)
