"""The stage `fuse`: a fuser is fitted, predicts the test part once, is scored and audited. It
makes the cell's record.
"""

from __future__ import annotations

from typing import Any

from bench.components import Context
from bench.execute.job import Job, Setup
from bench.grid.cell import Cell
from bench.registry import Registry, Spec
from bench.results.coordinates import Coordinates, cell_in_words
from bench.stages.stage import Basis, Output, Stage


class Fuse(Stage):
    name = "fuse"
    kind = "fuser"
    code = "bench.stages.fusing"
    noun = "fusion"
    costs = ("fit_seconds", "predict_seconds", "complete_seconds")

    def settings(self, basis: Basis, spec: Spec) -> dict[str, Any]:
        absent = "filled" if basis.request.suite.fill_absent else "absent"
        draws = {"draws": basis.request.suite.draws} if {"own_imputer", "draws"} <= spec.tags else {}
        return {"absent": absent, **draws, **basis.arithmetic(spec)}

    def trains(self, spec: Spec) -> bool:
        return True

    def label(self, cell: Cell) -> str:
        return cell_in_words(cell.coordinates)

    def where(self, coordinates: Coordinates) -> str:
        return f"{coordinates.task} {coordinates.modalities}"

    def run(self, job: Job, setup: Setup, registry: Registry, context: Context) -> Output:
        from bench.stages.fusing import fuse

        return fuse(job, setup, registry, context)
