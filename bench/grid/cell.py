"""A cell: one row of what is run, with everything that decides it, and the key of each of its stages."""

from __future__ import annotations

from typing import Any

import msgspec

from bench.config.asked import Variant
from bench.config.suite import Split
from bench.results.coordinates import Coordinates


class Cell(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a cell stands in the grid, what it needs, and the key of each of its stages.

    chosen: axis (`bench.grid.axes`) -> its value for this cell: a `Variant` of a component, a `Split`, the members of a modality
    set, else the plain value; and the variant of the dataset. keys: name of a stage -> its key, in the order of the stages.
    skip: the reason why it cannot be run, or empty.
    """

    coordinates: Coordinates
    chosen: dict[str, Any]
    keys: dict[str, str] = {}
    skip: str = ""

    @property
    def dataset(self) -> Variant:
        return self.chosen["dataset"]

    @property
    def split(self) -> Split:
        return self.chosen["split"]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The members of the modality set."""
        return self.chosen["modalities"]

    @property
    def scenario(self) -> Variant:
        return self.chosen["scenario"]

    @property
    def imputer(self) -> Variant:
        return self.chosen["imputer"]

    @property
    def fuser(self) -> Variant:
        return self.chosen["fuser"]

    @property
    def key(self) -> str:
        """The key of its last stage, which is that of its record."""
        return next(reversed(self.keys.values()))
