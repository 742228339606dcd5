"""What of the PhysioNet/CinC Challenge 2012 is read, and how."""

from __future__ import annotations

from typing import Literal

import msgspec

SetName = Literal["a", "b", "c"]


class Physionet2012Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the PhysioNet/CinC Challenge 2012 is read, and how.

    sets:  which of the sets a, b and c; empty for all that are present.
    clean: mend unit slips and remove implausible values by the table of `physionet2012_table`; False keeps values as
    typed.
    """

    sets: tuple[SetName, ...] = ()
    clean: bool = True
