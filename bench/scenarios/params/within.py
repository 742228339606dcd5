"""Parameters of the scenario `within`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.scenarios.params import Share


class WithinParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ps: Annotated[Share, msgspec.Meta(description="Probability that a record is affected (p_s).")] = 0.2
    pw: Annotated[Share, msgspec.Meta(description="Share of the bins hidden in an affected modality (p_w).")] = 0.2
    affected: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(description="How many modalities of an affected record; null: 1 to all, equally likely."),
    ] = None
    pattern: Annotated[
        Literal["point", "block"],
        msgspec.Meta(description="Scattered bins (point), or blocks of mean length L/10 (block)."),
    ] = "point"
    redraw: Annotated[
        Literal["never", "epoch"],
        msgspec.Meta(
            description="A record keeps its mask (never), or training records get a new mask at each epoch, so that in time all "
            "their values are seen (epoch). That is what CondI's code does; validation and test records keep theirs."
        ),
    ] = "never"
