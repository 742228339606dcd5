"""The split of a cohort: by hash of the group id, shared by all tasks, independent of the cell's seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

PARTS = ("train", "valid", "test")


def split(groups: Iterable[str], seed: int, fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)) -> np.ndarray:
    """Which part each record belongs to: int8 [n], an index into `PARTS`.

    A group's part is decided by SHA-256 of (seed, group id) alone, so all records of a patient stand on one side and
    adding or removing other patients moves nobody. `fractions` (train, valid, test) are positive and sum to 1.
    """
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"split fractions must be positive and sum to 1, got {fractions}")
    edges = np.cumsum(fractions)[:2]
    groups = list(groups)
    parts = {group: _part(seed, group, edges) for group in set(groups)}
    return np.array([parts[group] for group in groups], dtype=np.int8)


def _part(seed: int, group: str, edges: np.ndarray) -> int:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int(np.searchsorted(edges, int.from_bytes(digest[:8], "big") / 2**64, side="right"))
