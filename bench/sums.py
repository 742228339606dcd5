"""Sums and counts of training records: what a learner is built from in place of the records.

The sums of several clients, added in a fixed order, are those of all their records up to rounding
(counts exactly). Those of a single client are used as they are: central training adds nothing, so
that its numbers are those of one pass over all records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.cohort import Task
from bench.errors import UsageError

__all__ = ["Moments", "Sums", "moments"]


@dataclass(frozen=True)
class Moments:
    """Of columns, without NaN; float64, each of the shape of one row.

    - count: known values.
    - total: their sum.
    - squares: the sum of their squared distances to their own mean. Not of their squares, whose
      difference would lose digits; two are merged by the formula of Chan, Golub and LeVeque (1979).
    """

    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, columns: np.ndarray) -> Moments:
        """Of all rows of `columns`, [n, ...]."""
        known = ~np.isnan(columns)
        count = known.sum(axis=0, dtype=np.float64)
        total = np.where(known, columns, 0.0).sum(axis=0, dtype=np.float64)
        center = total / np.maximum(count, 1)
        squares = (np.where(known, columns - center, 0.0) ** 2).sum(axis=0)
        return cls(np.asarray(count), np.asarray(total), np.asarray(squares))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        apart = other.total / np.maximum(other.count, 1) - self.total / np.maximum(self.count, 1)
        between = apart**2 * (self.count * other.count / np.maximum(count, 1))
        return Moments(count, self.total + other.total, self.squares + other.squares + between)

    def scaler(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, float32; 0 and 1 where nothing is known or varies."""
        count = np.maximum(self.count, 1)
        center = self.total / count
        scale = np.sqrt(self.squares / count)
        varies = scale > 1e-6 * np.abs(center)
        return center.astype(np.float32), np.where(varies, scale, 1.0).astype(np.float32)


def moments(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation along the first axis, without NaN; 0 and 1 where nothing is
    known or varies.
    """
    return Moments.of(columns).scaler()


@dataclass(frozen=True)
class Sums:
    """All that a learner knows of training records when it builds. `a + b`: of the records of both.

    - form: what is the same for all clients: names, lengths and channels of modalities; no number
      of any record.
    - task: of a fuser; None for an imputer.
    - totals: name -> float64, sums and counts.
    - moments: name -> Moments.
    """

    form: Any
    task: Task | None = None
    totals: Mapping[str, np.ndarray] = field(default_factory=dict)
    moments: Mapping[str, Moments] = field(default_factory=dict)

    def __add__(self, other: Sums) -> Sums:
        """Raises UsageError where the two are of different form or task."""
        if (self.form, self.task) != (other.form, other.task):
            raise UsageError(
                f"training records of different form cannot be summed up: {self.form}, {self.task} and {other.form}, "
                f"{other.task}; the cohorts of all clients need the same modalities, channels, bins and statics"
            )
        return Sums(
            self.form,
            self.task,
            {name: total + other.totals[name] for name, total in self.totals.items()},
            {name: part + other.moments[name] for name, part in self.moments.items()},
        )
