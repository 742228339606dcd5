"""Cells and jobs that nobody plans: for tests of what hands jobs around and never looks inside."""

from __future__ import annotations

from bench.config.command import Variant
from bench.config.suite import Split
from bench.execute.job import Job
from bench.grid.axes import COMPONENTS
from bench.grid.cell import Cell
from bench.results.coordinates import Coordinates


def fake_cell(key: str = "key", seed: int = 1) -> Cell:
    made = {kind: Variant(kind, kind, kind, {}) for kind in COMPONENTS}
    made["dataset"] = Variant("dataset", "toy", "toy", {})
    chosen = {**made, "split": Split(), "modalities": ("vitals",), "task": "toy", "seed": seed}
    at = Coordinates("toy", "toy", "all", "scenario", "imputer", "fuser", seed)
    return Cell(coordinates=at, chosen=chosen, keys={"fuse": key})


def fake_job(key: str, *needs: str, stage: str = "fuse", device: str = "cpu", estimate: float = 1.0) -> Job:
    return Job(id=key, stage=stage, label=key, cell=fake_cell(key), needs=needs, device=device, estimate=estimate)
