"""Parameters of the scenario `rectangle`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.scenarios.params import Share


class RectangleParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Share, msgspec.Meta(description="Share of the modality's grid that the rectangle covers.")] = 0.3
    modality: Annotated[str | None, msgspec.Meta(description="The modality it lies in; null: one in each.")] = None
