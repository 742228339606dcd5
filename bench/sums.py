"""Sums and counts of training records: what a learner is built from in place of the records.

The sums of several clients, added in a fixed order, are those of all their records up to rounding
(counts exactly). Those of a single client are used as they are: central training adds nothing, so
that its numbers are those of one pass over all records. `exact` sums have no rounding at all: they
are the same however records are divided.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.errors import UsageError

__all__ = [
    "Moments",
    "Summed",
    "Sums",
    "condensed",
    "deviations",
    "exact",
    "means",
    "moments",
    "product_matrix",
    "products",
]

LEAST, MOST = -148, 128
"""Exponents of finite float32 numbers, as `numpy.frexp` gives them."""

DIGITS = 24
"""Binary digits of a float32 number."""

STEP = 16
"""Binary digits after the point of a number whose products are summed."""

LARGEST = 16.0
"""Its largest size."""

HALF = 32
"""Binary digits of the lower part of a sum of products."""


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


class Summed(ABC):
    """What learns from sums: a method that never needs the training records of all clients in one
    place.
    """

    @abstractmethod
    def summary(self, cohort: Cohort, task: Task | None = None) -> Sums:
        """What must be known of training records before anything is built. task: for fusers."""

    @abstractmethod
    def begin(self, sums: Sums, context: Context) -> None:
        """Learn, or build what is to be trained, from the sums of all training records; no record
        is at hand.
        """


def exact(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Exact sums of columns, int64 [columns, 4, exponents]: `exact(a) + exact(b)` is that of both,
    bit by bit, in any order and however values are divided.

    columns: float32 [k] each, finite. There are four sums for each exponent of two that a value can
    have. They are of ones, of mantissas, and of the squares of mantissas in two halves, the upper
    one first. Exact up to 2^29 values.
    """
    size = MOST - LEAST + 1
    sums = np.zeros((len(columns), 4, size), np.int64)
    for place, column in enumerate(columns):
        fractions, exponents = np.frexp(np.asarray(column, np.float32))
        mantissas = (fractions.astype(np.float64) * 2**DIGITS).astype(np.int64)
        bins = exponents - LEAST
        squares = mantissas**2
        for row, values in enumerate((None, mantissas, squares >> DIGITS, squares & (2**DIGITS - 1))):
            # Sums of whole numbers below 2^53 are exact in float64.
            sums[place, row] = np.bincount(bins, values, size)[:size]
    return sums


def condensed(sums: np.ndarray) -> np.ndarray:
    """Exact sums with the same totals, bit by bit, and nothing else in them.

    `exact` sorts values by their exponents, which may show a single value of a small client. Other
    arrays come back as they are.
    """
    size = MOST - LEAST + 1
    if sums.dtype != np.int64 or sums.shape[1:] != (4, size):
        return sums
    condensate = np.zeros_like(sums)
    for each, into in zip(sums, condensate, strict=True):
        into[0, 0] = _count(each)
        whole = sum(int(count) << place for place, count in enumerate(each[1].tolist()))
        squares = sum(
            (int(upper) << DIGITS) + int(lower) << 2 * place
            for place, (upper, lower) in enumerate(zip(each[2].tolist(), each[3].tolist(), strict=True))
        )
        for place in range(size - 1):
            into[1, place], whole = whole & 1, whole >> 1
            into[3, place], squares = squares & 3, squares >> 2
        into[1, -1] = whole
        into[2, -1], into[3, -1] = squares >> DIGITS, squares & (2**DIGITS - 1)
    return condensate


def means(sums: np.ndarray) -> np.ndarray:
    """The mean of each column from its `exact` sums, float64 [columns], rounded once; 0 of none."""
    return np.array([float(_total(each[1], 1) / count) if (count := _count(each)) else 0.0 for each in sums])


def deviations(sums: np.ndarray) -> np.ndarray:
    """The standard deviation (no n - 1) of each column from its `exact` sums, float64 [columns],
    rounded once before the root; 0 of none.
    """

    def variance(each: np.ndarray) -> float:
        count = _count(each)
        if not count:
            return 0.0
        squares = _total(each[2], 2) * 2**DIGITS + _total(each[3], 2)
        return float(squares / count - (_total(each[1], 1) / count) ** 2)

    return np.sqrt([variance(each) for each in sums])


def products(rows: np.ndarray) -> np.ndarray:
    """Sums of the products of every two columns over rows. `products(a) + products(b)` are those of
    the rows of both: `product_matrix` of them has the same bits however rows are divided.

    rows: float [n, columns], finite and of size 16 at most, as standardised values are. Each is
    rounded to a multiple of 2^-16 first; of these the sums are exact, up to 2^30 rows. Returns
    int64 [2, columns, columns], the upper parts of each sum first; a lower part may be above 2^32.
    """
    if not (np.abs(rows) <= LARGEST).all():
        raise ValueError(f"products are summed of finite numbers from -{LARGEST:g} to {LARGEST:g}")
    sums = np.zeros((2, rows.shape[1], rows.shape[1]), np.int64)
    for start in range(0, len(rows), 4096):
        # Whole numbers up to 2^52: no order of additions rounds any of them.
        whole = np.rint(rows[start : start + 4096].astype(np.float64) * 2**STEP)
        block = (whole.T @ whole).astype(np.int64)
        sums += [block >> HALF, block & (2**HALF - 1)]
    return sums


def product_matrix(sums: np.ndarray) -> np.ndarray:
    """The sums that `products` holds, float64 [columns, columns], each rounded once."""
    whole = (sums[0].astype(object) << HALF) + sums[1]
    matrix: np.ndarray = (whole / 2 ** (2 * STEP)).astype(np.float64)
    return matrix


def _count(each: np.ndarray) -> int:
    return int(each[0].sum())


def _total(row: np.ndarray, power: int) -> Fraction:
    """The sum that a row of `exact` holds, of mantissas to a power."""
    exponents = np.flatnonzero(row)
    lowest = (LEAST - DIGITS) * power
    whole = sum(int(row[place]) << (int(place) * power) for place in exponents)
    return Fraction(whole) * Fraction(2) ** lowest


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

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers in it."""
        parts = [part for each in self.moments.values() for part in (each.count, each.total, each.squares)]
        return sum(array.nbytes for array in (*self.totals.values(), *parts))

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
