"""The methods in a row of a table, each with a link to its page."""

from __future__ import annotations

from collections.abc import Iterator

from bench.grid.matching_rows import Label
from bench.leaderboard.blocks import Rich
from bench.leaderboard.rows import MethodRow
from bench.pages.places import link, method_place

Component = tuple[str, str]
"""Kind and name: ("fuser", ...)."""


def components(row: MethodRow) -> Iterator[Component]:
    """What a row is made of: its imputer, its fuser, and the federations that trained them, each
    once.
    """
    labels = {"imputer": Label.read(row.imputer), "fuser": Label.read(row.fuser)}
    yield from ((kind, label.name) for kind, label in labels.items())
    trained = dict.fromkeys(Label.read(label.federation).name for label in labels.values() if label.federation)
    yield from (("federation", name) for name in trained)


def named(here: str, row: MethodRow) -> Rich:
    """A row in one cell, its methods linked; † of a control, as in the tables."""
    imputer, fuser = (
        Rich(link(here, method_place(kind, Label.read(label).name), label), " †" * control)
        for kind, label, control in (
            ("imputer", row.imputer, row.control_imputer),
            ("fuser", row.fuser, row.control_fuser),
        )
    )
    return Rich(imputer, " + ", fuser)
