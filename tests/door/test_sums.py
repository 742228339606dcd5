"""Sums of training records: of parts in order they are those of the whole, and of a single
client they are taken as they are.
"""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cohort import Task
from bench.errors import UsageError
from bench.sums import Moments, Sums, moments

SEEDS = st.integers(0, 2**32 - 1)
CUTS = st.lists(st.integers(0, 40), max_size=4).map(sorted)


def rows(seed: int) -> np.ndarray:
    """Columns far from 0, around 0, constant, of which half is known, and of which nothing is."""
    rng = np.random.default_rng(seed)
    made = rng.normal([1e4, 0, 7, -3, 0], [1, 5, 0, 2, 1], (40, 5)).astype(np.float32)
    made[rng.random(40) < 0.5, 3] = np.nan
    made[:, 4] = np.nan
    return made


def test_moments_leave_nan_out_and_never_divide_by_nothing() -> None:
    center, scale = moments(np.array([[1, 7, np.nan], [3, 7, np.nan], [np.nan, 7, np.nan]]))
    assert list(center) == [2, 7, 0]
    assert list(scale) == [1, 1, 1]


@given(SEEDS, CUTS)
def test_moments_of_parts_in_order_are_those_of_the_whole_up_to_rounding(seed: int, cuts: list[int]) -> None:
    whole = rows(seed)
    merged = functools.reduce(operator.add, map(Moments.of, np.split(whole, cuts)))
    assert np.array_equal(merged.count, Moments.of(whole).count)
    for made, wanted in zip(merged.scaler(), moments(whole), strict=True):
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, wanted, rtol=3e-7, atol=3e-7)


@given(SEEDS)
def test_an_empty_part_changes_no_bit(seed: int) -> None:
    whole = Moments.of(rows(seed))
    nothing = Moments.of(rows(seed)[:0])
    for sum_ in (whole + nothing, nothing + whole):
        assert all(np.array_equal(a, b) for a, b in zip(sum_.scaler(), whole.scaler(), strict=True))


def test_sums_of_squares_do_not_cancel_where_the_mean_is_large() -> None:
    column = (1e7 + np.arange(64) % 2)[:, None]
    merged = Moments.of(column[:30]) + Moments.of(column[30:])
    assert merged.squares / merged.count == pytest.approx(0.25, rel=1e-12)


def test_sums_of_different_form_or_task_are_refused() -> None:
    task = Task("a", "binary", ("auroc",))
    for other in (Sums(("vitals",), task), Sums(("labs",), None)):
        with pytest.raises(UsageError, match="need the same modalities"):
            Sums(("labs",), task) + other
