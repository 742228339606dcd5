"""The stage `cohort`: a dataset's files become a prepared cohort, once for all cells that can
share it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.components import Context
from bench.data.store import Store
from bench.execute.job import Job, Setup
from bench.grid.axes import Axis
from bench.grid.cell import Cell
from bench.registry import Registry, Spec
from bench.stages import artifacts
from bench.stages.stage import Basis, Stage


class Cohort(Stage):
    name = "cohort"
    kind = "dataset"
    code = "bench.stages.preparing"
    noun = "cohort"
    ends_run = True

    def settings(self, basis: Basis, spec: Spec) -> dict[str, Any]:
        return {"manifest": basis.manifest}

    def reads(self, axis: Axis, spec: Spec) -> bool:
        return axis.name == "split" and "uses_split" in spec.tags

    def is_done(self, store: Store, key: str) -> bool:
        return store.has(artifacts.cohort(key))

    def label(self, cell: Cell) -> str:
        return f"prepare {cell.dataset.name}"

    def context(self, job: Job, setup: Setup, **guest: Any) -> Context:
        return Context(**guest)

    def run(self, job: Job, setup: Setup, registry: Registry, context: Context) -> None:
        from bench.data.splits import part
        from bench.stages.preparing import prepare

        spec, cell = self.spec(job.cell, registry), job.cell
        if "uses_split" in spec.tags:
            context = replace(context, parts=lambda ids, groups: part(cell.split, ids, groups))
        prepare(spec, cell.dataset.params, setup, job.id, context)
