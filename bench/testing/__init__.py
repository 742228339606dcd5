"""The conformance kit: does a component keep the contract of `bench.components`?

    bench check NAME                      on the command line
    bench.testing.check("mymean")         as a function, returns a Report
    @bench.testing.parametrize("mymean")  as a pytest parametrisation, one test per check

Importing this package is cheap; pytest is needed for `parametrize` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.testing.checks import Check
    from bench.testing.kit import check, checks_of, parametrize
    from bench.testing.report import Outcome, Report
    from bench.testing.toy import TOY_TASK, toy_cohort

__all__ = ["TOY_TASK", "Check", "Outcome", "Report", "check", "checks_of", "parametrize", "toy_cohort"]

_HOMES = {
    "Check": "checks",
    "checks_of": "kit",
    "check": "kit",
    "parametrize": "kit",
    "Outcome": "report",
    "Report": "report",
    "TOY_TASK": "toy",
    "toy_cohort": "toy",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
