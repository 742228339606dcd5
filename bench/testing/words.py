"""The words checks are written in: a broken promise (`Violation`), one that does not apply
(`Skip`), and what requires them.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from bench.stages.contract import TOLERANCE


class Violation(AssertionError):
    """A promise is broken; the message says by what."""


class Skip(Exception):
    """The check does not apply; the message says why."""


class NotReached(Skip):
    """The check could not start, because what it needs failed in an earlier check, of this name
    or in these words.
    """

    def __init__(self, needed: str):
        super().__init__(f"not reached: {needed} failed")
        self.needed = needed


def require(kept: bool | np.bool_, broken: str) -> None:
    """Raise Violation with the message `broken` unless `kept`."""
    if not kept:
        raise Violation(broken)


def skip(reason: str) -> NoReturn:
    """Leave the check, with the reason why it does not apply."""
    raise Skip(reason)


def require_same(a: np.ndarray, b: np.ndarray, what: str, exact: bool = True) -> None:
    """Require two results to be equal (bit for bit, or up to `bench.stages.contract.TOLERANCE`),
    NaN in the same places.
    """
    require(a.shape == b.shape, f"{what}: shape {a.shape} became {b.shape}")
    same = np.array_equal(a, b, equal_nan=True)
    if not exact and not same:
        same = np.allclose(a, b, rtol=TOLERANCE["fp32"], atol=TOLERANCE["fp32"], equal_nan=True)
    if not same:
        difference = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
        worst = float(np.nanmax(difference)) if np.isfinite(difference).any() else float("nan")
        places = int((~((a == b) | ((a != a) & (b != b)))).sum())
        raise Violation(f"{what}: {places} of {a.size} values differ, by up to {worst:.3g}")
