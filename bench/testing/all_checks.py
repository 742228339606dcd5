"""All checks, by kind of component: the modules that declare them are imported here."""

from __future__ import annotations

from bench.discovery.spec import Kind
from bench.testing import common, datasets, fusers, imputers, scenarios  # noqa: F401  they declare themselves
from bench.testing.checks import CHECKS, Check


def checks_of(kind: Kind) -> dict[str, Check]:
    """The checks of a kind of component, by name, in the order they run."""
    return CHECKS[kind]
