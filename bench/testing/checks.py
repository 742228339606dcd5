"""What a conformance check is, and how one is declared: `promise`.

A check is a function of one `Subject`; its docstring is the promise in one sentence. It returns when the promise is
kept, raises `Violation` when it is broken and `Skip` when it does not apply (`bench.testing.words`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.discovery.spec import Kind
from bench.testing.subject import Subject


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
