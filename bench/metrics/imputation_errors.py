"""What an imputation scores on each test record, as sums: for paired comparisons and pictures. Never in an export."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from bench.arrays import npz
from bench.metrics.imputation import TERMS


@dataclass(frozen=True)
class Errors:
    """Sums over the hidden entries of each test record; how many they are does not depend on the imputer.

    ids, groups: str [n]. modalities: str [modalities], those in which anything was hidden. sums: float64 [n, modalities,
    terms], terms as in `bench.metrics.imputation.TERMS`; NaN where a term does not apply to the imputer.
    """

    ids: np.ndarray
    groups: np.ndarray
    modalities: np.ndarray
    sums: np.ndarray

    @property
    def all(self) -> np.ndarray:
        """The sums over all modalities, float64 [n, terms]."""
        return self.sums.sum(axis=1)

    def by_id(self) -> Errors:
        """The same, ordered by id."""
        order = np.argsort(self.ids, kind="stable")
        return Errors(self.ids[order], self.groups[order], self.modalities, self.sums[order])


def pack(errors: Errors) -> bytes:
    """As .npz bytes, the same for the same content."""
    buffer = io.BytesIO()
    np.savez(buffer, ids=errors.ids, groups=errors.groups, modalities=errors.modalities, sums=errors.sums)
    return buffer.getvalue()


def unpack(content: bytes) -> Errors:
    """The reverse of `pack`. Never unpickles; ValueError for content of another form."""
    with npz(io.BytesIO(content), len(content)) as arrays:
        errors = Errors(**{name: arrays[name] for name in ("ids", "groups", "modalities", "sums")})
    if errors.sums.shape != (len(errors.ids), len(errors.modalities), len(TERMS)):
        raise ValueError(f"sums of imputation errors have shape {errors.sums.shape}")
    return errors
