"""What is the harness's own: the entry points and modules of the distribution that owns the package
`bench`.

It is known by its files, never by its name: another distribution may be called the same, or bring
packages that are. Ours come first, and nothing that others install can stand in their place.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

import bench
from bench.errors import PluginError

PACKAGE = Path(bench.__file__).resolve()


@dataclass
class Installed:
    """The entry points of one group, each list in the order of their names.

    ours: of the distribution that owns `bench`. others: of all others. refused: what cannot be
          used, each with the reason.
    """

    ours: list[EntryPoint] = field(default_factory=list)
    others: list[EntryPoint] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def installed(group: str) -> Installed:
    """The entry points of a group. Of equal ones, and of distributions with one name, the first
    on the path counts.
    """
    entry_points, declared = Installed(), []
    for distribution in importlib.metadata.distributions():
        try:
            entries = [entry for entry in distribution.entry_points if entry.group == group]
        except Exception as error:
            entry_points.refused.append(
                (_name(distribution), f"its entry points cannot be read: {type(error).__name__}")
            )
            continue
        if entries:
            declared.append((distribution, entries))
    owner = _owner(distribution for distribution, _ in declared)
    declared.sort(key=lambda each: each[0] is not owner)
    names: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for distribution, entries in declared:
        new = {(entry.name, entry.value): entry for entry in entries if (entry.name, entry.value) not in seen}
        name = _normalised(distribution)
        if not new or (name in names and name != (owner and _normalised(owner))):
            continue
        if name in names:
            reason = (
                f"its distribution, in {distribution.locate_file('')}, has the name of the harness's own; uninstall it"
            )
            entry_points.refused += [(f"{name}:{entry.name}", reason) for entry in new.values()]
            continue
        names.add(name)
        seen |= new.keys()
        (entry_points.ours if distribution is owner else entry_points.others).extend(new.values())
    for entries in (entry_points.ours, entry_points.others):
        entries.sort(key=lambda entry: (entry.name, entry.value))
    return entry_points


def load(entry: EntryPoint) -> object:
    """The module of one of our entry points. Raises PluginError when a package of the same name
    stands before it.
    """
    module = entry.load()
    file = Path(getattr(module, "__file__", None) or "").resolve()
    assert entry.dist is not None
    root = source(entry.dist)
    if not (_lists(entry.dist, file) or (root is not None and file.is_relative_to(root))):
        raise PluginError(
            f"the package {entry.module.partition('.')[0]} is found in {file.parent}, which is not the harness's own; "
            "remove it, or take its folder off PYTHONPATH"
        )
    return module


def label(entry: EntryPoint) -> str:
    """By what a plugin is called: its distribution and its entry point."""
    return f"{_name(entry.dist) if entry.dist else 'unknown'}:{entry.name}"


def is_ours(name: str) -> bool:
    """Whether a distribution of that name is the harness's own."""
    return any(entry.dist and _name(entry.dist) == name for entry in installed("bench").ours)


def _owner(candidates: Iterable[Distribution]) -> Distribution | None:
    """The distribution that lists the file of this very package; else the one installed as editable
    from the closest folder around it.
    """
    around: list[tuple[int, Distribution]] = []
    for distribution in candidates:
        if _lists(distribution, PACKAGE):
            return distribution
        root = source(distribution)
        if root is not None and PACKAGE.is_relative_to(root):
            around.append((len(root.parts), distribution))
    return max(around, key=lambda each: each[0])[1] if around else None


def _lists(distribution: Distribution, file: Path) -> bool:
    try:
        listed = distribution.files or []
    except Exception:  # a list that cannot be read
        return False
    return any(path.name == file.name and Path(str(path.locate())).resolve() == file for path in listed)


def source(distribution: Distribution) -> Path | None:
    """The folder that a distribution was installed from as editable; None where it was not."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        place = urllib.parse.urlsplit(origin["url"]) if origin["dir_info"]["editable"] else None
    except (ValueError, KeyError, TypeError, OSError):
        return None
    return Path(urllib.request.url2pathname(place.path)).resolve() if place and place.scheme == "file" else None


def _name(distribution: Distribution) -> str:
    try:
        return str(distribution.metadata["Name"] or "unknown")
    except Exception:  # metadata that are not there or cannot be read
        return "unknown"


def _normalised(distribution: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", _name(distribution)).lower()
