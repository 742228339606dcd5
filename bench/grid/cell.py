"""A cell: one row of what is run, with everything that decides it, and the key of each of its stages."""

from __future__ import annotations

import msgspec

from bench.config.asked import Variant
from bench.config.suite import Split
from bench.results.records import Coordinates


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Where a cell stands in the grid, what it needs, and the key of each of its stages.

    keys: name of a stage -> its key, in the order of the stages. skip: the reason why it cannot be run, or empty.
    """

    coordinates: Coordinates
    dataset: Variant
    split: Split
    modalities: tuple[str, ...]
    scenario: Variant
    imputer: Variant
    fuser: Variant
    keys: dict[str, str] = {}
    skip: str = ""

    @property
    def key(self) -> str:
        """The key of its last stage, which is that of its record."""
        return next(reversed(self.keys.values()))
