"""The plan: a request becomes cells with their keys. Pure: nothing is built, nothing heavy is imported."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import msgspec

from bench.config.asked import Request, Variant
from bench.errors import UsageError
from bench.grid.cell import Cell
from bench.grid.variants import variants
from bench.registry import Registry, Spec
from bench.results.records import Coordinates
from bench.stages.order import STAGES
from bench.stages.stage import Basis, Values

MOST_CELLS = 200_000
"""Of one run."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All cells of a request. manifest is the digest of the data, device "cpu" or "cuda"."""

    request: Request
    manifest: str
    device: str
    cells: tuple[Cell, ...]


def plan(
    request: Request, registry: Registry, manifest: str, device: str, weights: Mapping[str, str] | None = None
) -> Plan:
    """The cells of a request on data with that manifest digest and that device ("cpu" or "cuda"), in a stable order.

    Scored cells first (task, modalities, scenario, imputer, fuser, seed), then audit cells. Controls are crossed with
    everything; a combination that makes no sense is skipped with its reason where it was asked for, and left out where only
    the controls asked for it. weights: imputer -> digest of the weights it loads instead of being fitted.
    """
    suite = request.suite
    dataset = registry.get("dataset", suite.dataset)
    data = Variant("dataset", dataset.name, dataset.name, msgspec.to_builtins(dataset.parameters(suite.data)))
    keys = _Keys(Basis(request, registry, manifest, device))
    axes = {
        kind: variants(kind, *_names(kind, request), request, registry) for kind in ("scenario", "imputer", "fuser")
    }
    loads = weights or {}
    axes["imputer"] = [v.loading(loads[v.name]) if v.name in loads else v for v in axes["imputer"]]
    sets = {name: _members(name, request, dataset) for name in suite.grid.modalities}
    asked_for = math.prod(map(len, (suite.grid.task, sets, *axes.values(), suite.grid.seed)))
    if asked_for > MOST_CELLS:
        raise UsageError(
            f"the grid has {asked_for:,} cells; at most {MOST_CELLS:,} are accepted: run it in parts, "
            "with fewer values of an axis at a time, for example seed=0..9"
        )
    cells = []
    grid = itertools.product(suite.grid.task, sets, axes["scenario"], axes["imputer"], axes["fuser"])
    for task, modalities, scenario, imputer, fuser in grid:
        skip = _skip(registry.get("imputer", imputer.name), registry.get("fuser", fuser.name))
        asked = imputer.name in suite.grid.imputer and fuser.name in suite.grid.fuser
        if skip and not asked:
            continue
        for seed in suite.grid.seed:
            at = Coordinates(suite.name, task, modalities, scenario.label, imputer.label, fuser.label, seed)
            cells.append(
                keys.added(
                    Cell(
                        coordinates=at, dataset=data, split=suite.split, modalities=sets[modalities],
                        scenario=scenario, imputer=imputer, fuser=fuser, skip=skip,
                    )
                )
            )  # fmt: skip
    cells.extend(_audits(cells, suite.audits.cells, keys))
    return Plan(request=request, manifest=manifest, device=device, cells=tuple(cells))


def _names(kind: str, request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return getattr(request.suite.grid, kind), getattr(request.suite.controls, kind, ())


def _members(name: str, request: Request, dataset: Spec) -> tuple[str, ...]:
    return request.suite.modalities.get(name, dataset.modalities)


def _skip(imputer: Spec, fuser: Spec) -> str:
    if "leaves_nan" in imputer.tags and "nan_aware" not in fuser.tags:
        return f"{imputer.name} leaves NaN and {fuser.name} is not nan_aware"
    return ""


def _audits(cells: list[Cell], kinds: tuple[str, ...], keys: _Keys) -> Iterator[Cell]:
    """One cell per audit, task and fuser: on the first combination that is not skipped and not a control imputer."""
    seen = set()
    for wanted in (False, True):
        for cell in cells:
            at = (cell.coordinates.task, cell.fuser.label)
            if at in seen or cell.skip or cell.imputer.control != wanted:
                continue
            seen.add(at)
            for kind in kinds:
                where = msgspec.structs.replace(cell.coordinates, audit=kind)
                yield keys.added(msgspec.structs.replace(cell, coordinates=where))


class _Keys:
    """Keys of stages, each computed once however many cells share it."""

    def __init__(self, basis: Basis):
        self.basis = basis
        self._known: dict[tuple[str, str, Values, str], str] = {}

    def added(self, cell: Cell) -> Cell:
        """The cell with the key of each stage."""
        keys: dict[str, str] = {}
        before = ""
        for stage in STAGES:
            variant = stage.variant(cell)
            values = stage.values(cell, self.basis.spec(variant), self.basis)
            at = stage.name, variant.label, values, before  # labels of one kind differ where anything else does
            if at not in self._known:
                self._known[at] = stage.key(variant, values, before, self.basis)
            before = keys[stage.name] = self._known[at]
        return msgspec.structs.replace(cell, keys=keys)
