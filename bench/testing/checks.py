"""What a conformance check is, and the words checks are written in: `promise`, `require`, `skip`.

A check is a function of one `Subject`; its docstring is the promise in one sentence. It returns when the promise is
kept, raises `Violation` when it is broken and `Skip` when it does not apply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from bench.contract import TOLERANCE
from bench.registry import Kind

if TYPE_CHECKING:
    from bench.testing.subject import Subject


class Violation(AssertionError):
    """A promise is broken; the message says by what."""


class Skip(Exception):
    """The check does not apply; the message says why."""


class NotReached(Skip):
    """The check could not start, because what it needs failed in an earlier check."""

    prefix = "not reached: "

    def __init__(self, what: str):
        super().__init__(f"{self.prefix}{what} failed")


def require(kept: bool | np.bool_, broken: str) -> None:
    """Raise Violation with the message `broken` unless `kept`."""
    if not kept:
        raise Violation(broken)


def skip(reason: str) -> NoReturn:
    """Leave the check, with the reason why it does not apply."""
    raise Skip(reason)


@dataclass(frozen=True)
class Check:
    """One promise and the function that tests it.

    first: later checks build on it (constructing, fitting); it runs even when only others were asked for.
    """

    name: str
    promise: str
    run: Callable[[Subject], None]
    first: bool = False


CHECKS: dict[Kind, dict[str, Check]] = {"dataset": {}, "scenario": {}, "imputer": {}, "fuser": {}}


def promise(*kinds: Kind, first: bool = False) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Declare a function as a check of these kinds of components, under its own name."""

    def declare(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        sentence = " ".join((function.__doc__ or "").split())
        for kind in kinds:
            CHECKS[kind][function.__name__] = Check(function.__name__, sentence, function, first)
        return function

    return declare


def checks_of(kind: Kind) -> dict[str, Check]:
    """The checks of a kind of component, by name, in the order they run."""
    from bench.testing import common, datasets, fusers, imputers, scenarios  # noqa: F401  they declare themselves

    return CHECKS[kind]


def require_same(a: np.ndarray, b: np.ndarray, what: str, exact: bool = True) -> None:
    """Require two results to be equal (bit for bit, or up to rounding, `bench.contract.TOLERANCE`), NaN in the same places."""
    require(a.shape == b.shape, f"{what}: shape {a.shape} became {b.shape}")
    same = np.array_equal(a, b, equal_nan=True)
    if not exact and not same:
        same = np.allclose(a, b, rtol=TOLERANCE["fp32"], atol=TOLERANCE["fp32"], equal_nan=True)
    if not same:
        difference = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
        worst = float(np.nanmax(difference)) if np.isfinite(difference).any() else float("nan")
        places = int((~((a == b) | ((a != a) & (b != b)))).sum())
        raise Violation(f"{what}: {places} of {a.size} values differ, by up to {worst:.3g}")
