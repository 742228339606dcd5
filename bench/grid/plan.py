"""The plan: a request becomes cells with their keys. Pure: nothing is built, nothing heavy is imported."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import msgspec

from bench.config.asked import Request, Variant
from bench.errors import UsageError
from bench.grid.axes import AXES, NAMES, Axis
from bench.grid.cell import Cell
from bench.grid.identity import digest
from bench.registry import Registry, Spec
from bench.results.coordinates import Coordinates
from bench.stages.order import LAST, STAGES
from bench.stages.stage import Basis, Stage, Values

MOST_CELLS = 200_000
"""Of one run."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All cells of a request. manifest is the digest of the data, device "cpu" or "cuda"."""

    request: Request
    manifest: str
    device: str
    cells: tuple[Cell, ...]


def plan(request: Request, registry: Registry, manifest: str, device: str) -> Plan:
    """The cells of a request on data with that manifest digest and that device ("cpu" or "cuda"), in a stable order.

    Scored cells first, in the order of the axes (`bench.grid.axes`), then audit cells. Controls are crossed with
    everything; a combination that makes no sense is skipped with its reason where it was asked for, and left out where only
    the controls asked for it.
    """
    suite = request.suite
    dataset = registry.get("dataset", suite.dataset)
    data = Variant("dataset", dataset.name, dataset.name, msgspec.to_builtins(dataset.parameters(suite.data)))
    keys = _Keys(Basis(request, registry, manifest, device))
    choices = {axis.name: _choices(axis, request, registry) for axis in AXES}
    number = math.prod(map(len, choices.values()))
    if number > MOST_CELLS:
        raise UsageError(
            f"the grid has {number:,} cells; at most {MOST_CELLS:,} are accepted: run it in parts, "
            "with fewer values of an axis at a time, for example seed=0..9"
        )
    planned: list[tuple[Cell, tuple[Choice, ...]]] = []
    for combination in itertools.product(*choices.values()):
        chosen = dict(zip(NAMES, (choice.value for choice in combination), strict=True))
        imputer, fuser = chosen["imputer"], chosen["fuser"]
        skip = _skip(registry.get("imputer", imputer.name), registry.get("fuser", fuser.name))
        if skip and not (imputer.name in suite.grid.imputer and fuser.name in suite.grid.fuser):
            continue
        labels = dict(zip(NAMES, (choice.label for choice in combination), strict=True))
        at = Coordinates(suite=suite.name, **labels)
        planned.append((Cell(coordinates=at, dataset=data, chosen=chosen, skip=skip), combination))
    planned.extend(_audits(planned, suite.audits.cells))
    cells = tuple(keys.added(cell, combination) for cell, combination in planned)
    return Plan(request=request, manifest=manifest, device=device, cells=cells)


class Choice(NamedTuple):
    """A value of an axis. label: as in coordinates; value: as in `Cell.chosen`; identity: what is in keys, None: nothing."""

    label: Any
    value: Any
    identity: Any


def _choices(axis: Axis, request: Request, registry: Registry) -> list[Choice]:
    """The values of an axis in a grid, in order."""
    suite = request.suite
    if axis.component:
        return [Choice(variant.label, variant, None) for variant in request.variants[axis.name]]
    names = getattr(suite.grid, axis.name)
    if axis.name == "split":
        return [Choice(name, split, digest(split.identity())) for name, split in suite.splits().items()]
    dataset = registry.get("dataset", suite.dataset)
    if axis.name == "modalities":
        sets = {name: suite.modalities.get(name, dataset.modalities) for name in names}
        return [Choice(name, members, members) for name, members in sets.items()]
    if axis.name == "task":
        tasks = [dataset.tasks[name] for name in names]
        return [Choice(task.name, task.name, (task.name, task.kind, task.outputs, task.metrics)) for task in tasks]
    return [Choice(name, name, None if name == axis.default else name) for name in names]


def _skip(imputer: Spec, fuser: Spec) -> str:
    if "leaves_nan" in imputer.tags and "nan_aware" not in fuser.tags:
        return f"{imputer.name} leaves NaN and {fuser.name} is not nan_aware"
    return ""


def _audits(
    planned: list[tuple[Cell, tuple[Choice, ...]]], kinds: tuple[str, ...]
) -> list[tuple[Cell, tuple[Choice, ...]]]:
    """One cell per audit, task and fuser: on the first combination that is not skipped and not a control imputer."""
    seen = set()
    audits = []
    for wanted in (False, True):
        for cell, combination in planned:
            at = (cell.coordinates.task, cell.coordinates.fuser)
            if at in seen or cell.skip or cell.imputer.control != wanted:
                continue
            seen.add(at)
            for kind in kinds:
                where = msgspec.structs.replace(cell.coordinates, audit=kind)
                audits.append((msgspec.structs.replace(cell, coordinates=where), combination))
    return audits


class _Keys:
    """Keys of stages, each computed once however many cells share it."""

    def __init__(self, basis: Basis):
        self.basis = basis
        self._known: dict[tuple[str, str, Values, str], str] = {}
        self._reads: dict[tuple[str, str], list[int]] = {}

    def added(self, cell: Cell, combination: tuple[Choice, ...]) -> Cell:
        """The cell with the key of each stage. combination: its choice of each axis."""
        keys: dict[str, str] = {}
        before = ""
        for stage in STAGES:
            variant = stage.variant(cell)
            values = tuple(
                (NAMES[place], combination[place].identity)
                for place in self._places(stage, variant)
                if combination[place].identity is not None
            )
            if stage is LAST:
                values = (*values, ("audit", cell.coordinates.audit))
            at = stage.name, variant.label, values, before  # labels of one kind differ where anything else does
            if at not in self._known:
                self._known[at] = stage.key(variant, values, before, self.basis)
            before = keys[stage.name] = self._known[at]
        return msgspec.structs.replace(cell, keys=keys)

    def _places(self, stage: Stage, variant: Variant) -> list[int]:
        """The places of the axes whose values are in the key of a stage that runs a component."""
        at = stage.name, variant.name
        if at not in self._reads:
            spec = self.basis.spec(variant)
            self._reads[at] = [k for k, axis in enumerate(AXES) if not axis.component and stage.reads(axis, spec)]
        return self._reads[at]
