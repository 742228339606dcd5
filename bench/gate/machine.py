"""Whether runs of a method must give the same bits, and whether their costs were measured alike."""

from __future__ import annotations

from collections.abc import Iterable

from bench.gate.quantities import Cells, Run
from bench.gate.same_test import listed
from bench.results.coordinates import Method

CPU = ("", "cpu")
"""Device types on which the same seed gives the same bits; records of old say none."""


def on_cpu(cells: Iterable[Cells]) -> bool:
    """Whether all cells were run on a CPU."""
    return all(r.provenance.get("device type", "") in CPU for each in cells for r in each.values() if r)


def deterministic(method: Method, runs: Iterable[Run]) -> bool | None:
    """Whether all components of a method are declared deterministic in all runs; None where a run
    does not tell.
    """
    declared = [run.export.deterministic for run in runs]
    if None in declared:
        return None
    labels = [f"imputer {method.imputer}", *([f"fuser {method.fuser}"] if method.fuser else [])]
    return all(label in (each or ()) for each in declared for label in labels)


def other_machine(before: Cells, after: Cells) -> str:
    """In what the machines differ on which the costs of two runs were measured; empty where in
    nothing that is known.
    """
    differs = []
    for name in ("device", "threads"):
        values = [{r.provenance.get(name, "") for r in cells.values() if r} for cells in (before, after)]
        if values[0] != values[1]:
            differs.append(f"{name} ({listed(values[0])}, now {listed(values[1])})")
    return " and ".join(differs)
