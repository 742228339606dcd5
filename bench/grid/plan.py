"""The plan: a request becomes cells with their keys. Pure: nothing is built, nothing heavy is
imported.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from bench.config.command import Request, Variant
from bench.errors import UsageError
from bench.grid.axes import AXES, COMPONENTS, NAMES, Axis
from bench.grid.cell import Cell
from bench.grid.federated import Skips, federated_identity
from bench.grid.identity import digest, of_metric
from bench.grid.matching_rows import Label
from bench.registry import Registry
from bench.results.coordinates import Coordinates
from bench.stages.order import LAST, STAGES
from bench.stages.stage import Basis, Stage

MOST_CELLS = 200_000
"""Of one run."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All cells of a request. manifest is the digest of the data, device "cpu" or "cuda"."""

    request: Request
    manifest: str
    device: str
    cells: tuple[Cell, ...]


def plan(request: Request, registry: Registry, manifest: str, device: str) -> Plan:
    """The cells of a request on data with that manifest digest and that device ("cpu" or "cuda"),
    in a stable order.

    Scored cells first, in the order of the axes (`bench.grid.axes`), then audit cells. Controls are
    crossed with everything. A combination that makes no sense is skipped with its reason where it
    was asked for, and left out where only the controls asked for it.
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
    skips = Skips(request, registry)
    trainers = request.trainers()
    cells: list[Cell] = []
    places: list[Combination] = []
    for combination in itertools.product(*choices.values()):
        chosen = dict(zip(NAMES, [choice.value for choice in combination], strict=True))
        if trainers and not _asked(chosen, trainers):
            continue
        chosen["dataset"] = data
        skip = skips.of(chosen)
        if skip is None:
            continue
        labels = dict(zip(NAMES, [choice.label for choice in combination], strict=True))
        at = Coordinates(suite=suite.name, **(labels | keys.trained_by(chosen, labels)))
        cells.append(Cell(coordinates=at, chosen=chosen, keys=keys.of(chosen, combination), skip=skip))
        places.append(combination)
    for kind, place in _audits(cells, suite.audits.cells):
        cell = cells[place]
        at = msgspec.structs.replace(cell.coordinates, audit=kind)
        cells.append(
            msgspec.structs.replace(cell, coordinates=at, keys=keys.of(cell.chosen, places[place], audit=kind))
        )
    return Plan(request=request, manifest=manifest, device=device, cells=tuple(cells))


def _asked(chosen: Mapping[str, Any], trainers: Mapping[tuple[str, str], Sequence[Label]]) -> bool:
    """Whether words ask for these rows with that federation. trainers: of the request."""
    federation = chosen["federation"].label
    rows = [(kind, chosen[kind].label) for kind in COMPONENTS]
    return all(any(label.is_trained_by(federation) for label in trainers[row]) for row in rows if row in trainers)


class Choice(NamedTuple):
    """A value of an axis. label: as in coordinates; value: as in `Cell.chosen`; identity: what
    is in keys, None: nothing.
    """

    label: Any
    value: Any
    identity: Any


Combination = tuple[Choice, ...]
"""A value of each axis, in their order."""


def _choices(axis: Axis, request: Request, registry: Registry) -> list[Choice]:
    """The values of an axis in a grid, in order."""
    suite = request.suite
    if axis.component:
        own = axis.name == "federation"  # no stage runs it, so its identity is in the keys of those that it changes
        return [
            Choice(v.label, v, federated_identity(v, request, registry) if own else None)
            for v in request.variants[axis.name]
        ]
    names = getattr(suite.grid, axis.name)
    if axis.name == "split":
        return [Choice(name, split, digest(split.identity())) for name, split in suite.splits().items()]
    dataset = registry.get("dataset", suite.dataset)
    if axis.name == "modalities":
        sets = {name: suite.modalities.get(name, dataset.modalities) for name in names}
        return [Choice(name, members, members) for name, members in sets.items()]
    if axis.name == "task":
        tasks = [dataset.tasks[name] for name in names]
        metrics = {task.primary: of_metric(registry.get("metric", task.primary)) for task in tasks}
        return [
            Choice(task.name, task.name, (task.name, task.kind, task.outputs, metrics[task.primary])) for task in tasks
        ]
    return [Choice(name, name, None if name == axis.default else name) for name in names]


def _audits(cells: Sequence[Cell], kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Each audit, and the place of the cell that it is about. That is the first one of its task and
    fuser that is not skipped, of a control imputer only where there is no other.
    """
    seen = set()
    audits = []
    for wanted in (False, True):
        for place, cell in enumerate(cells):
            at = (cell.coordinates.task, cell.coordinates.fuser)
            if at in seen or cell.skip or cell.imputer.control != wanted:
                continue
            seen.add(at)
            audits += [(kind, place) for kind in kinds]
    return audits


class _Keys:
    """Keys of stages, each computed once however many cells share it."""

    def __init__(self, basis: Basis):
        self.basis = basis
        self._stages: list[tuple[Stage, dict[Any, str], dict[tuple[str, bool], Reads]]] = [
            (stage, {}, {}) for stage in STAGES
        ]

    def of(self, chosen: Mapping[str, Any], combination: Combination, audit: str = "") -> dict[str, str]:
        """Stage -> key, of a cell with these values (`Cell.chosen`), chosen so from each axis."""
        keys: dict[str, str] = {}
        before = ""
        identities = [choice.identity for choice in combination]
        for stage, known, reads in self._stages:
            variant: Variant = chosen[stage.kind]
            which = variant.name, bool(variant.weights)
            entry = reads.get(which)
            if entry is None:
                entry = reads[which] = self._reads(stage, variant)
            places, read = entry
            at = variant.label, before, audit, read(identities)  # labels of one kind differ where anything else does
            key = known.get(at)
            if key is None:
                values = [(NAMES[place], identities[place]) for place in places if identities[place] is not None]
                values += [("audit", audit)] * (stage is LAST)
                key = known[at] = stage.key(variant, tuple(values), before, self.basis)
            before = keys[stage.name] = key
        return keys

    def trained_by(self, chosen: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, str]:
        """The labels of methods that a federation of the cell trains, with its own behind them."""
        axis = next(axis for axis in AXES if axis.name == "federation")
        label = labels[axis.name]
        if label == axis.default:
            return {}
        kinds = [stage.kind for stage in STAGES if self._is_read(stage, axis, chosen[stage.kind])]
        return {kind: f"{labels[kind]} · {label}" for kind in kinds}

    def _is_read(self, stage: Stage, axis: Axis, variant: Variant) -> bool:
        """Whether an axis is in the key of a stage. No federation trains a method that loads its
        weights.
        """
        loads = axis.name == "federation" and bool(variant.weights)
        return not loads and stage.reads(axis, self.basis.spec(variant))

    def _reads(self, stage: Stage, variant: Variant) -> Reads:
        places = [place for place, axis in enumerate(AXES) if self._is_read(stage, axis, variant)]
        return places, itemgetter(*places) if places else lambda identities: ()


Reads = tuple[list[int], Callable[[list[Any]], Any]]
"""The places of the axes that are in the key of a stage, and what takes their values out of
those of all axes.
"""
