"""Which mapping `meds` reads."""

from __future__ import annotations

from typing import Annotated

import msgspec

SPLIT = "meds"
"""The split that the cohort carries where the data have one."""

START = "start"
"""The column that says what stands behind the start code of each record."""


class MedsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the data is read, and how; see docs/reference/datasets/meds.md."""

    mapping: Annotated[
        str, msgspec.Meta(min_length=1, description="The TOML file in `data.root` that says what codes mean.")
    ] = "meds.toml"
