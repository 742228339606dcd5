"""The sizes and the seed of the synthetic TRACE study."""

from __future__ import annotations

from typing import Annotated

import msgspec

TRACE_SPLIT = "sizes"
"""The split of the synthetic TRACE study, by construction."""


class TraceMotivationalParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The synthetic study of TRACE; see docs/reference/suites/trace_motivational.md."""

    train: Annotated[int, msgspec.Meta(ge=2, le=1_000_000, description="Training records; published: 20,000.")] = 2000
    valid: Annotated[int, msgspec.Meta(ge=2, le=1_000_000, description="Validation records; published: 2,000.")] = 500
    test: Annotated[int, msgspec.Meta(ge=2, le=1_000_000, description="Test records; published: 2,000.")] = 500
    seed: Annotated[int, msgspec.Meta(ge=0, description="Seed of everything that is drawn.")] = 0
    shuffled_conditions: Annotated[
        bool, msgspec.Meta(description="Control: each record gets the conditions of another one of its part.")
    ] = False
