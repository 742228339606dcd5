"""The plan: a request becomes cells with their keys. Pure: nothing is built, nothing heavy is imported."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from bench.identity import digest, stage
from bench.records import Coordinates
from bench.registry import Registry, Spec
from bench.request import Request, is_many
from bench.typed import convert


class Variant(msgspec.Struct, frozen=True):
    """One method with one set of parameters. label: its name, and in brackets what the command line or a sweep set."""

    kind: str
    name: str
    label: str
    params: dict[str, Any]
    control: bool = False


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


def variants(
    kind: str, names: tuple[str, ...], controls: tuple[str, ...], request: Request, registry: Registry
) -> list[Variant]:
    """The variants of one axis: chosen names first, then the controls not chosen; parameter lists are sweeps."""
    made = []
    for name in [*names, *(c for c in controls if c not in names)]:
        spec = registry.get(kind, name)
        written: Mapping[str, Any] = getattr(request.suite, kind).get(name, {})
        types_of = {f.name: f.type for f in msgspec.structs.fields(spec.params)}
        axes = {
            key: value if isinstance(value, list) and not is_many(types_of.get(key)) else [value]
            for key, value in written.items()
        }
        shown = [key for key in axes if len(axes[key]) > 1 or key in request.said.get(f"{kind}.{name}", {})]
        for values in itertools.product(*axes.values()):
            params = dict(zip(axes, values, strict=True))
            origin = f"suite {request.suite.name} or the command line"
            typed = convert(params, spec.params, f"{kind}.{name}", origin)
            inside = ", ".join(f"{key}={_short(params[key])}" for key in sorted(shown))
            label = f"{name}({inside})" if inside else name
            made.append(Variant(kind, name, label, msgspec.to_builtins(typed), control=name in controls))
    return made


def _short(value: Any) -> str:
    return (
        f"{value:g}"
        if isinstance(value, float)
        else "+".join(map(str, value))
        if isinstance(value, list)
        else str(value)
    )


def plan(request: Request, registry: Registry, manifest: str, device: str) -> Plan:
    """The cells of a request on data with that manifest digest and that device ("cpu" or "cuda"), in a stable order.

    Scored cells first (task, modalities, scenario, imputer, fuser, seed), then audit cells. Controls are crossed with
    everything; a combination that makes no sense is skipped with its reason where it was asked for, and left out where only
    the controls asked for it.
    """
    suite = request.suite
    dataset = registry.get("dataset", suite.dataset)
    cohort_key = stage("cohort", dataset, msgspec.to_builtins(dataset.parameters(suite.data)), manifest)
    axes = {
        kind: variants(kind, *_names(kind, request), request, registry) for kind in ("scenario", "imputer", "fuser")
    }
    keys = _Keys(request, registry, cohort_key, device)
    sets = {name: _members(name, request, dataset) for name in suite.grid.modalities}
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
        self.known: dict[int, Variant] = {}

    def cell(
        self, at: Coordinates, members: tuple[str, ...], scenario: Variant, imputer: Variant, fuser: Variant, skip: str
    ) -> Cell:
        for variant in (scenario, imputer, fuser):
            self.known[id(variant)] = variant
        hide = self.hide(id(scenario), at.seed)
        impute = self.impute(hide, id(imputer), members, at.seed)
        key = digest([self.fuse_stage(id(fuser)), impute, at.task, at.seed, at.audit])
        return Cell(
            coordinates=at, modalities=members, scenario=scenario, imputer=imputer, fuser=fuser,
            hide_key=hide, impute_key=impute, key=key, skip=skip,
        )  # fmt: skip

    def _hide(self, variant: int, seed: int) -> str:
        scenario, spec = self._get(variant)
        suite = self.request.suite
        seed = 0 if spec.randomness == "deterministic" else seed
        return stage(
            "hide", spec, scenario.params, self.cohort_key, seed=seed,
            split=msgspec.to_builtins(suite.split), scaling=msgspec.to_builtins(suite.scaling),
        )  # fmt: skip

    def _impute(self, hide: str, variant: int, members: tuple[str, ...], seed: int) -> str:
        imputer, spec = self._get(variant)
        seed = 0 if spec.randomness == "deterministic" else seed
        return stage(
            "impute", spec, imputer.params, hide, seed=seed, modalities=members,
            draws=self.request.suite.draws if "draws" in spec.tags else 1, **self._arithmetic(spec),
        )  # fmt: skip

    def _fuse_stage(self, variant: int) -> str:
        fuser, spec = self._get(variant)
        return stage("fuse", spec, fuser.params, "", **self._arithmetic(spec))

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
