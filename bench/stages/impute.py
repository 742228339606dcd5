"""The stage `impute`: an imputer is fitted and completes the grid, once for all cells that share
it.
"""

from __future__ import annotations

from typing import Any

from bench.components import Context
from bench.data.store import Store
from bench.execute.job import Job, Setup
from bench.grid.cell import Cell
from bench.grid.federated import FREE
from bench.registry import Registry, Spec
from bench.results.coordinates import Coordinates, beside
from bench.stages import artifacts
from bench.stages.stage import Basis, Stage


class Impute(Stage):
    name = "impute"
    kind = "imputer"
    code = "bench.stages.imputing"
    noun = "imputation"
    costs = ("impute_fit_seconds", "impute_seconds")

    def settings(self, basis: Basis, spec: Spec) -> dict[str, Any]:
        draws = basis.request.suite.draws if "draws" in spec.tags else 1
        return {"draws": draws, **basis.arithmetic(spec)}

    def trains(self, spec: Spec) -> bool:
        return not set(FREE) & spec.tags

    def is_done(self, store: Store, key: str) -> bool:
        return artifacts.is_imputed(store, key)

    def label(self, cell: Cell) -> str:
        at = cell.coordinates
        return f"impute {at.scenario} {at.imputer} seed {at.seed}{beside(at)}"

    def where(self, coordinates: Coordinates) -> str:
        return f"{coordinates.scenario} {coordinates.modalities}"

    def run(self, job: Job, setup: Setup, registry: Registry, context: Context) -> None:
        from bench.stages.imputing import impute

        impute(job, setup, registry, context)
