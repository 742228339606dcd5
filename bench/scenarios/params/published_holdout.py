"""Parameters of the scenario `published_holdout`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.scenarios.params import Share


class PublishedHoldoutParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[
        Share, msgspec.Meta(description="Share of each record's observed entries to hide, rounded down.")
    ] = 0.1
    seed: Annotated[
        int, msgspec.Meta(ge=0, lt=2**32, description="Seed of the published generator, in place of the cell's seed.")
    ] = 1
