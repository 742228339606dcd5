"""What a conformance check is, and how one is declared: `promise`.

A check is a function of one `Subject`, or of a `MetricSubject`; its docstring is the promise in one
sentence. It returns when the promise is kept, raises `Violation` when it is broken and `Skip` when
it does not apply (`bench.testing.words`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from bench.discovery.spec import KINDS, Kind

Checked = Kind | Literal["metric"]


@dataclass(frozen=True)
class Check:
    """One promise and the function that tests it.

    first: later checks build on it (constructing, fitting); it runs even when only others were
           asked for.
    """

    name: str
    promise: str
    run: Callable[[Any], None]
    first: bool = False


CHECKS: dict[Checked, dict[str, Check]] = {**{kind: {} for kind in KINDS}, "metric": {}}

F = TypeVar("F", bound=Callable[[Any], None])


def promise(*kinds: Checked, first: bool = False) -> Callable[[F], F]:
    """Declare a function as a check of these kinds of components, under its own name."""

    def declare(function: F) -> F:
        sentence = " ".join((function.__doc__ or "").split())
        for kind in kinds:
            CHECKS[kind][function.__name__] = Check(function.__name__, sentence, function, first)
        return function

    return declare
