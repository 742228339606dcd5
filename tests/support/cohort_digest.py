"""One number for all that a cohort holds, to ask whether two readings came to the same."""

from __future__ import annotations

import hashlib

import numpy as np

from bench.cohort import Cohort


def cohort_digest(cohort: Cohort) -> str:
    """SHA-256 of ids, groups, statics, targets, splits, columns, and both forms of every series, to
    the last bit.
    """
    digest = hashlib.sha256()

    def take(name: str, array: np.ndarray) -> None:
        plain = np.ascontiguousarray(array)
        # A NaN has many bit patterns and one meaning.
        plain = np.where(np.isnan(plain), np.float32(np.nan), plain) if plain.dtype.kind == "f" else plain
        digest.update(f"{name} {plain.dtype.kind} {plain.shape}".encode())
        digest.update("\n".join(plain).encode() if plain.dtype.kind == "U" else plain.tobytes())

    take("ids", cohort.ids)
    take("groups", cohort.groups)
    take("statics", cohort.statics)
    for kind, arrays in (("target", cohort.targets), ("split", cohort.splits), ("column", cohort.columns)):
        for name in sorted(arrays):
            take(f"{kind} {name}", arrays[name])
    for name in sorted(cohort.modalities):
        series = cohort.modalities[name]
        digest.update(repr((name, series.channels, series.units)).encode())
        for part in ("grid", "observed", "times", "available", "filled"):
            take(f"{name} {part}", getattr(series, part))
        for part in ("offsets", "times", "values"):
            take(f"{name} events {part}", getattr(series.events, part))
    return digest.hexdigest()
