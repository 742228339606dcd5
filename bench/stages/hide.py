"""The stage `hide`: a scenario's mask of the whole cohort; made by the first job that needs it,
in whichever worker.
"""

from __future__ import annotations

from typing import Any

from bench.components import Context
from bench.data.store import Store
from bench.execute.job import Job, Setup
from bench.grid.cell import Cell
from bench.grid.federated import partition_identity
from bench.registry import Registry, Spec
from bench.stages import artifacts
from bench.stages.stage import Basis, Stage


class Hide(Stage):
    name = "hide"
    kind = "scenario"
    code = "bench.stages.hiding"
    noun = "mask"
    own_job = False

    def settings(self, basis: Basis, spec: Spec) -> dict[str, Any]:
        suite = basis.request.suite
        absent = {"visible": partition_identity(basis.request)} if suite.partition.visible is not None else {}
        return {"scaling": suite.scaling.identity(), **suite.hiding.identity(), **absent}

    def is_done(self, store: Store, key: str) -> bool:
        return store.has(artifacts.mask(key))

    def label(self, cell: Cell) -> str:
        return f"hide {cell.coordinates.scenario} seed {cell.coordinates.seed}"

    def run(self, job: Job, setup: Setup, registry: Registry, context: Context) -> None:
        from bench.stages.view import view

        view(job.cell, setup, registry)
