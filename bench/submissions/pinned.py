"""The distributions that bring the methods of some cells, pinned by version."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable

import bench
from bench.discovery.owned import is_ours, source
from bench.errors import UsageError
from bench.grid.axes import COMPONENTS
from bench.grid.cell import Cell
from bench.registry import Registry
from bench.results.provenance import revision, revision_of
from bench.submissions.folder import Pinned


def pinned(cells: Iterable[Cell], registry: Registry) -> list[Pinned]:
    """What these cells' datasets and components come from. Raises UsageError where others
    could not install it.

    The harness needs no clean revision: its code is in the keys.
    """
    specs = {
        registry.get(kind, cell.chosen[kind].name).plugin.partition(":")[0]
        for cell in cells
        for kind in ("dataset", *COMPONENTS)
    }
    return [_pinned(name) for name in sorted(specs)]


def _pinned(name: str) -> Pinned:
    if is_ours(name):
        return Pinned(name, bench.__version__, revision())
    distribution = _distribution(name)
    if distribution is None or not distribution.version:
        raise UsageError(
            f"the plugin {name} has no version, so others cannot install the same; give it one and run again"
        )
    folder = source(distribution)
    if folder is None:
        return Pinned(name, distribution.version)
    at = revision_of(folder)
    if not at or at.endswith("+changes"):
        why = "with changes that are not committed" if at else "that is under no version control"
        raise UsageError(
            f"the plugin {name} is installed as editable from a folder {why}, so others cannot install the same; commit, or "
            "install a release of it, and run again"
        )
    return Pinned(name, distribution.version, at)


def requirements(wanted: Iterable[Pinned]) -> list[str]:
    """What to install beside the harness, a line for each as pip reads them."""
    return [f"{each.name}=={each.version}" for each in wanted if not is_ours(each.name)]


def differing(wanted: Iterable[Pinned]) -> list[str]:
    """What of these is not installed here in that version, each in words with what to type."""
    differs = []
    for each in wanted:
        distribution = _distribution(each.name)
        version = bench.__version__ if is_ours(each.name) else distribution.version if distribution else ""
        if version != each.version:
            has = f"{each.name} {version} is installed" if version else f"{each.name} is not installed"
            differs.append(f"{has}, the rows were made with {each.in_words}")
    return differs


def _distribution(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
