"""What of code, data and settings differs between two runs of a method."""

from __future__ import annotations

import re

from bench.grid.axes import COMPONENTS
from bench.grid.ingredients import differing
from bench.results.coordinates import Method
from bench.results.records import Export

CELLS = "cells"
"""The ingredient that says which cells were planned. It decides no score of one."""

_OF_COMPONENT = re.compile(rf"(source|parameters|weights) of ({'|'.join(COMPONENTS)}) (.+)")
_OF_TABLE = re.compile(r"(task|modality set|metric) (.+)")


def changed(before: Export, after: Export, method: Method | None = None) -> list[str] | None:
    """The ingredients that differ, in words; None where one of the two is of a version that did not
    note them. method: without what concerns others alone.
    """
    if not before.ingredients or not after.ingredients:
        return None
    kept = [
        {name: value for name, value in export.ingredients.items() if name != CELLS and concerns(name, method)}
        for export in (before, after)
    ]
    return differing(*kept)


def concerns(ingredient: str, method: Method | None) -> bool:
    """Whether an ingredient may change what is known of a method; None: of any."""
    if method is None:
        return True
    if named := _OF_COMPONENT.fullmatch(ingredient):
        what, kind, label = named.groups()
        if kind == "scenario":
            return _name(label) == _name(method.scenario)
        rows = [row for row in method.pair if row]
        if kind == "federation":
            return any(_name(part) == _name(label) for row in rows for part in row.split(" · ")[1:])
        if what == "parameters":
            return label in [row.partition(" · ")[0] for row in rows]
        return _name(label) in map(_name, rows)
    if named := _OF_TABLE.fullmatch(ingredient):
        kind, name = named.groups()
        if kind == "modality set":
            return name == method.modalities
        return bool(method.task) and (kind == "metric" or name == method.task)
    return True


def _name(label: str) -> str:
    """A method without its parameters and whatever stands behind it."""
    return label.partition(" · ")[0].partition("(")[0].strip()
