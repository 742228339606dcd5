"""The plan: a request becomes cells with their keys. Pure: nothing is built, nothing heavy is imported."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from bench.config.asked import Request, Variant
from bench.errors import UsageError
from bench.grid.identity import digest, stage
from bench.grid.variants import variants
from bench.registry import Registry, Spec
from bench.results.records import Coordinates

MOST_CELLS = 200_000
"""Of one run."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the grid: where it stands, what it needs, and the key of each of its stages.

    key is the key of its last stage; skip is the reason why it cannot be run, or empty.
    """

    coordinates: Coordinates
    modalities: tuple[str, ...]
    scenario: Variant
    imputer: Variant
    fuser: Variant
    hide_key: str
    impute_key: str
    key: str
    skip: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All cells of a request. cohort_key is what they all start from; manifest is the digest of the data."""

    request: Request
    manifest: str
    device: str
    cohort_key: str
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
    parted = {"split": suite.split.identity()} if "uses_split" in dataset.tags else {}
    cohort_key = stage("cohort", dataset, msgspec.to_builtins(dataset.parameters(suite.data)), manifest, **parted)
    axes = {
        kind: variants(kind, *_names(kind, request), request, registry) for kind in ("scenario", "imputer", "fuser")
    }
    loads = weights or {}
    axes["imputer"] = [v.loading(loads[v.name]) if v.name in loads else v for v in axes["imputer"]]
    keys = _Keys(request, registry, cohort_key, device)
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
            cells.append(keys.cell(at, sets[modalities], scenario, imputer, fuser, skip))
    cells.extend(_audits(cells, suite.audits.cells, keys))
    return Plan(request=request, manifest=manifest, device=device, cohort_key=cohort_key, cells=tuple(cells))


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
                yield keys.cell(where, cell.modalities, cell.scenario, cell.imputer, cell.fuser, "")


class _Keys:
    """Stage keys, each computed once however many cells share it."""

    def __init__(self, request: Request, registry: Registry, cohort_key: str, device: str):
        self.request, self.registry, self.cohort_key, self.device = request, registry, cohort_key, device
        self.hide = lru_cache(maxsize=None)(self._hide)
        self.impute = lru_cache(maxsize=None)(self._impute)
        self.fuse_stage = lru_cache(maxsize=None)(self._fuse_stage)
        self.task = lru_cache(maxsize=None)(self._task)
        self.known: dict[int, Variant] = {}

    def cell(
        self, at: Coordinates, members: tuple[str, ...], scenario: Variant, imputer: Variant, fuser: Variant, skip: str
    ) -> Cell:
        for variant in (scenario, imputer, fuser):
            self.known[id(variant)] = variant
        hide = self.hide(id(scenario), at.seed)
        impute = self.impute(hide, id(imputer), members, at.seed)
        key = digest([self.fuse_stage(id(fuser)), impute, self.task(at.task), at.seed, at.audit])
        return Cell(
            coordinates=at, modalities=members, scenario=scenario, imputer=imputer, fuser=fuser,
            hide_key=hide, impute_key=impute, key=key, skip=skip,
        )  # fmt: skip

    def _task(self, name: str) -> dict[str, Any]:
        task = self.registry.get("dataset", self.request.suite.dataset).tasks[name]
        return {"name": name, "kind": task.kind, "outputs": task.outputs, "metrics": task.metrics}

    def _hide(self, variant: int, seed: int) -> str:
        scenario, spec = self._get(variant)
        suite = self.request.suite
        seed = 0 if spec.randomness == "deterministic" else seed
        return stage(
            "hide", spec, scenario.params, self.cohort_key, seed=seed,
            split=suite.split.identity(), scaling=suite.scaling.identity(),
            **suite.hiding.identity(),
        )  # fmt: skip

    def _impute(self, hide: str, variant: int, members: tuple[str, ...], seed: int) -> str:
        imputer, spec = self._get(variant)
        seed = 0 if spec.randomness == "deterministic" else seed
        return stage(
            "impute", spec, imputer.params, hide, seed=seed, modalities=members,
            draws=self.request.suite.draws if "draws" in spec.tags else 1, **self._arithmetic(spec),
            **({"weights": imputer.weights} if imputer.weights else {}),
        )  # fmt: skip

    def _fuse_stage(self, variant: int) -> str:
        fuser, spec = self._get(variant)
        absent = "filled" if self.request.suite.fill_absent else "absent"
        return stage("fuse", spec, fuser.params, "", absent=absent, **self._arithmetic(spec))

    def _arithmetic(self, spec: Spec) -> dict[str, Any]:
        settings = self.request.settings
        torch = "torch" in spec.tags
        return {
            "threads": settings.threads,
            "device": self.device if torch else "cpu",
            "precision": settings.precision if torch else "fp32",
        }

    def _get(self, variant: int) -> tuple[Variant, Spec]:
        known = self.known[variant]
        return known, self.registry.get(known.kind, known.name)
