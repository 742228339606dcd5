"""A cell: one row of what is run, with everything that decides it, and the key of each of its
stages.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bench.config.command import Variant
from bench.config.suite import Split
from bench.results.coordinates import Coordinates


class Cell(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a cell stands in the grid, what it needs, and the key of each of its stages.

    - chosen: axis (`bench.grid.axes`) -> its value for this cell, and the variant of the dataset. A
      value is a `Variant` of a component, a `Split`, the members of a modality set, else plain.
    - keys: name of a stage -> its key, in the order of the stages.
    - skip: the reason why it cannot be run, or empty.
    """

    coordinates: Coordinates
    chosen: dict[str, Any]
    keys: dict[str, str] = {}
    skip: str = ""

    @property
    def dataset(self) -> Variant:
        return self._variant("dataset")

    @property
    def split(self) -> Split:
        split: Split = self.chosen["split"]
        return split

    @property
    def modalities(self) -> tuple[str, ...]:
        """The members of the modality set."""
        members: tuple[str, ...] = self.chosen["modalities"]
        return members

    @property
    def scenario(self) -> Variant:
        return self._variant("scenario")

    @property
    def imputer(self) -> Variant:
        return self._variant("imputer")

    @property
    def fuser(self) -> Variant:
        return self._variant("fuser")

    @property
    def federation(self) -> Variant:
        return self._variant("federation")

    def _variant(self, axis: str) -> Variant:
        variant: Variant = self.chosen[axis]
        return variant

    @property
    def key(self) -> str:
        """The key of its last stage, which is that of its record."""
        return next(reversed(self.keys.values()))
