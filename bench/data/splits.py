"""The split of a cohort, shared by all tasks, independent of the cell's seed: by patient, or by
record as published code does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bench.config.suite import Split

PARTS = ("train", "valid", "test")

CROSSING = "patients_on_both_sides"
"""What `Record.counts` calls the groups with records in several parts; there under a legacy
split alone.
"""


def split(groups: Iterable[str], seed: int, fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)) -> np.ndarray:
    """Which part each record belongs to: int8 [n], an index into `PARTS`.

    A group's part is decided by SHA-256 of (seed, group id) alone. So all records of a patient
    stand on one side, and adding or removing patients does not move any other. `fractions` (train,
    valid, test) are positive and sum to 1.
    """
    _check(fractions)
    edges = np.cumsum(fractions)[:2]
    groups = list(groups)
    parts = {group: _part(seed, group, edges) for group in set(groups)}
    return np.array([parts[group] for group in groups], dtype=np.int8)


def split_records(
    ids: Iterable[str], seed: int, fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)
) -> np.ndarray:
    """The published rule, for comparison with published tables alone: int8 [n], as `split`, but by
    record.

    The unique record ids in ascending order (as numbers where all are whole numbers) are shuffled
    by NumPy's legacy generator, RandomState(seed). The first int(0.7 n) are train, those up to
    int(0.85 n) valid, the rest test (mimic48 protocol, section 9). Records of one patient stand on
    both sides, and adding a record moves others.

    It differs from the publication in one thing. The publication draws per task over the stays of
    that task. Here one draw over all records of the cohort serves all tasks, as one scaler and one
    imputer do. `seed` is from 0 to 2**32 - 1.
    """
    _check(fractions)
    ids = list(ids)
    unique = sorted(set(ids))
    if all(record.isascii() and record.isdigit() for record in unique):
        unique.sort(key=int)
    order = np.arange(len(unique))
    np.random.RandomState(seed).shuffle(order)
    first, second = (int(share * len(unique)) for share in (fractions[0], fractions[0] + fractions[1]))
    parts = {unique[place]: int(rank >= first) + int(rank >= second) for rank, place in enumerate(order)}
    return np.array([parts[record] for record in ids], dtype=np.int8)


def part(
    rule: Split, ids: Sequence[str], groups: Sequence[str], splits: Mapping[str, np.ndarray] | None = None
) -> np.ndarray:
    """The parts of a cohort's records as a suite says: int8 [n]. ids, groups: str [n], of all
    records of the cohort.

    splits: those that the cohort carries. Raises KeyError when the rule names none of them.
    """
    if rule.carried:
        return (splits or {})[rule.by]
    if rule.legacy:
        return split_records(ids, rule.seed, rule.fractions)
    return split(groups, rule.seed, rule.fractions)


def crossing(groups: np.ndarray, parts: np.ndarray) -> int:
    """How many groups have records in more than one part. groups: str [n], parts: int8 [n]."""
    pairs = np.unique(np.stack([np.unique(groups, return_inverse=True)[1], parts]), axis=1)
    return int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())


def _check(fractions: tuple[float, float, float]) -> None:
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"split fractions must be positive and sum to 1, got {fractions}")


def _part(seed: int, group: str, edges: np.ndarray) -> int:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int(np.searchsorted(edges, int.from_bytes(digest[:8], "big") / 2**64, side="right"))
