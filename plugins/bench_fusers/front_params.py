"""How a modality enters a fuser of the clinical comparison: the words, and what does not go
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from bench.train_params import Positive

Front = Literal["grid", "utde"]
"""grid: the completed grid, bin by bin. utde: events and completed grid at common points of time
(`encoders.utde`).
"""

MixupLevel = Literal["batch", "batch_seq", "batch_seq_feature"]
"""The gate of utde. The published names."""

Mixup = Annotated[
    MixupLevel,
    msgspec.Meta(
        description="The gate between events and grid: one for a record (batch), a point (batch_seq) or a feature of a "
        "point (batch_seq_feature)."
    ),
]

Points = Annotated[Positive, msgspec.Meta(description="Most points of time; a grid of fewer bins has as many as bins.")]


def require_front(fuser: str, front: Front, contradictions: Mapping[str, bool]) -> None:
    """Raise ValueError where front=utde stands beside a parameter about bins, which no point of
    time is.

    contradictions: what was asked for, as it is typed (`causal=true`), and whether it was.
    """
    for parameter, stands in contradictions.items():
        if front == "utde" and stands:
            raise ValueError(
                f"front=utde reads points of time, each of all events and bins, so that {parameter} has no meaning; "
                f"give fuser.{fuser}.front=grid or leave {parameter} out"
            )
