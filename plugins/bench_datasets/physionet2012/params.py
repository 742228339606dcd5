"""What of the PhysioNet/CinC Challenge 2012 is read, and how."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

SetName = Literal["a", "b", "c"]


ICU_TYPE = "icu_type"
"""The column that names the unit of each stay."""


class Physionet2012Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the PhysioNet/CinC Challenge 2012 is read, and how."""

    sets: Annotated[
        tuple[SetName, ...], msgspec.Meta(description="Which of the sets a, b and c; empty: all that are present.")
    ] = ()
    clean: Annotated[
        bool,
        msgspec.Meta(
            description="Mend unit slips and remove implausible values by the table of variables; false keeps values as "
            "typed."
        ),
    ] = True
