"""Runs made of known ingredients, for tests of histories: exports with a name, a date and a
revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.results.export_file import save_export
from bench.results.records import Export
from bench.results.run_info import RunInfo
from support.fake_exports import SEEDS, make_export

Value = Callable[[int, str, str, int], float]
"""(run, imputer, fuser, seed) -> the primary score."""


def info(number: int, **more: Any) -> RunInfo:
    fields = {"name": f"run{number}", "date": f"2026-11-{number + 1:02d}T10:00:00Z", "revision": f"{number:012x}"}
    return RunInfo(**({**fields, "version": "0.1.0", "status": {"ok": 1}} | more))


def made_run(number: int, value: Value, costs: Mapping[str, float] = {}, **changes: Any) -> Export:
    """A run of the imputers `mean` and `locf` and the fusers `gbm` and `gru`, entries hidden."""
    fields: dict[str, Any] = {
        "imputers": ["mean", "locf"],
        "fusers": ["gbm", "gru"],
        "scenarios": ["mcar(rate=0.1)"],
        "audit_cells": False,
        "run": info(number),
        "quality": lambda imputer, fuser, seed: value(number, imputer, fuser, seed),
    }
    export = make_export(**(fields | changes))
    records = [msgspec.structs.replace(r, costs={**r.costs, **costs}) for r in export.records]
    return msgspec.structs.replace(export, records=records)


def noisy(steps: Mapping[tuple[str, str], tuple[int, float]] = {}, noise: float = 0.001, seed: int = 0) -> Value:
    """Scores with noise of their own in each run. steps: (imputer, fuser) -> the run from which on
    its score is another, and by how much.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[tuple[int, str, str, int], float] = {}

    def value(run: int, imputer: str, fuser: str, seed: int) -> float:
        at = run, imputer, fuser, seed
        if at not in drawn:
            drawn[at] = 0.8 + 0.01 * SEEDS.index(seed) + noise * rng.normal()
        begins, by = steps.get((imputer, fuser), (0, 0.0))
        return drawn[at] + by * (run >= begins)

    return value


def save_runs(out: Path, exports: Iterable[Export]) -> list[Path]:
    """The exports as snapshots of a folder of results."""
    paths = []
    for export in exports:
        assert export.run is not None
        paths.append(out / "runs" / export.suite / f"{export.run.name}.json")
        save_export(paths[-1], export)
    return paths
