"""Parameters of the scenario `block`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.scenarios.params import Share


class BlockParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Share, msgspec.Meta(description="Length of the hidden block as a share of the grid's length.")] = (
        0.2
    )
