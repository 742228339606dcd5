"""How many records were counted in files with that digest: for estimates before a cohort is
prepared. What parameters leave out of them is not counted apart.
"""

from __future__ import annotations

from pathlib import Path

from bench.files import read_bytes, write_text
from bench.grid.identity import digest


def remember(dataset: str, manifest: str, records: int, cache: Path) -> None:
    """Keep the number under `cache`; the last one counts. manifest: the digest of the files."""
    if recall(dataset, manifest, cache) != records:
        write_text(_file(dataset, manifest, cache), f"{records}\n")


def recall(dataset: str, manifest: str, cache: Path) -> int | None:
    """The number that was kept; None where there is none or it cannot be read."""
    try:
        return int(read_bytes(_file(dataset, manifest, cache), 32))
    except (OSError, ValueError):
        return None


def _file(dataset: str, manifest: str, cache: Path) -> Path:
    return cache / "counted" / f"{digest([dataset, manifest])}.txt"
