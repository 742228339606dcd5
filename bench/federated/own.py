"""The two federations that come with the harness, declared: the controls, which merge nothing."""

from __future__ import annotations

from typing import Any

from bench.discovery.declared import declared
from bench.discovery.spec import Spec
from bench.grid.axes import CENTRAL

PLUGIN = "gapbench:federations"
"""Who declares them."""


def _own(name: str, kind: str, **more: Any) -> Spec:
    return declared("federation", name, f"bench.federated.controls:{kind}", PLUGIN, more)


OWN: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        _own(
            CENTRAL, "Pooled", tags=("pooled",), seconds=0.0,
            summary="all records in one place: what a federation is measured against; not federated",
        ),
        _own(
            "local", "Alone", tags=("alone",), seconds=0.0,
            summary="every client trains by itself on its own records, predicts its own, and sends nothing",
        ),
    )
}  # fmt: skip
