"""Which mapping `longcsv` reads."""

from __future__ import annotations

from typing import Annotated

import msgspec


class LongCsvParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the tables is read, and how; see docs/reference/datasets/longcsv.md."""

    mapping: Annotated[
        str, msgspec.Meta(min_length=1, description="The TOML file in `data.root` that says what the tables hold.")
    ] = "longcsv.toml"
