"""Parameters of the scenario `mcar`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.scenarios.params import Share


class McarParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Share, msgspec.Meta(description="Share of the observed entries of each modality to hide.")] = 0.1
