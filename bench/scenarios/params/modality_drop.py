"""Parameters of the scenario `modality_drop`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.scenarios.params import Share


class ModalityDropParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Share, msgspec.Meta(description="Probability that a modality of a record is dropped.")] = 0.3
