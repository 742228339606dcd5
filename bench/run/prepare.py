"""A request with everything looked up: its data, its plan, its ledger, and which cells are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path

import msgspec

from bench.config.command import Request
from bench.data import counted
from bench.data.location import check_kept, locate
from bench.data.manifest import manifest
from bench.data.release import release_of
from bench.data.store import Store
from bench.errors import UsageError
from bench.execute import device, executors
from bench.federated.partition import check_subjects, classes_of
from bench.federated.settings import DIRICHLET
from bench.grid.cell import Cell
from bench.grid.estimate import LENGTH, Estimates
from bench.grid.federated import has_clients, has_rounds, task_of
from bench.grid.plan import Plan, plan
from bench.grid.shard import shard
from bench.registry import Registry
from bench.results.coordinates import Coordinates
from bench.results.ledger import Ledger
from bench.results.records import Record
from bench.stages.artifacts import size_of, subjects_of, target_of
from bench.stages.weights import Weights, check_plan, wanted
from bench.tuning.file import check_manifest

RECORDS = 10_000
"""Size of a cohort assumed for estimates before its records were ever counted."""


@dataclass
class Prepared:
    """A request with everything looked up: its plan, its ledger, and which cells are done.

    - pending: the data will be generated or downloaded by the first run, so the keys of the plan
      are not those its cells will have.
    - weights: digest -> in words, of what imputers load.
    - release: which release the data are; empty where that is not known.
    """

    request: Request
    registry: Registry
    plan: Plan
    root: Path
    synthetic: bool
    ledger: Ledger
    done: dict[str, Record]
    estimates: Estimates
    pending: bool = False
    weights: dict[str, str] = field(default_factory=dict)
    release: str = ""

    @cached_property
    def bases(self) -> dict[Coordinates, str]:
        """Coordinates -> key of every cell that is no audit."""
        return {cell.coordinates: cell.key for cell in self.plan.cells if not cell.coordinates.audit}

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of the plan that this run is of: all, or those of its shard."""
        return shard(self.plan.cells, *self.request.settings.part())

    @cached_property
    def store(self) -> Store:
        return Store(self.request.settings.cache_folder())

    def todo(self) -> list[Cell]:
        """Cells that still need a result, in the order of the plan."""
        again = ("failed", "timeout", "oom") if self.request.settings.retry else ()
        missing = {"not-run", *again}
        done = {
            key for key, record in self.done.items() if record.status not in missing and not self.ledger.lacks(record)
        }
        return [cell for cell in self.cells if cell.key not in done]


def prepare(
    request: Request,
    registry: Registry,
    fetch: Callable[[str], None] | None = None,
    pending: bool = False,
    on: str = "",
) -> Prepared:
    """Look everything up, changing nothing but the cache.

    - fetch: report function; where given, absent data are downloaded or generated.
    - pending: plan also on data that a run would generate or download first; which cells are done
      is then not known.
    - on: the device that keys are made for, where it is not this machine's.
    """
    cache = request.settings.cache_folder()
    dataset = registry.get("dataset", request.suite.dataset)
    params = dataset.parameters(request.suite.data, f"suite {request.suite.name}")
    kind = on or executors.device_of(request.settings)
    if fetch and not on and (doubt := device.doubt(request.settings.device)):
        fetch(doubt)
    located = locate(dataset, params, request.root, cache, fetch, pending)
    root, files, synthetic = located
    dataset = registry.look_into(dataset, root, params)
    absent = bool(dataset.files) and not files
    digest = manifest(files, cache) if files else "" if absent else dataset.version
    if files:
        check_kept(located, digest, cache)
    weights = wanted(request.suite.weights.files, cache)
    if not absent:
        check_weights(weights, request, registry, digest)
        check_manifest(request, digest)
    request = request.loading({name: file.digest for name, file in weights.items()})
    planned = plan(request, registry, digest, kind)
    ledger = Ledger(request.settings.out_folder())
    everything = ledger.load()
    keys = {cell.key for cell in planned.cells}
    generated = synthetic or not dataset.files
    before = counted.recall(dataset.name, digest, cache) if files else None
    expected = before or (generated and dataset.expected_records(params)) or RECORDS
    made_up = expected, dataset.expected_channels(params), LENGTH
    cohorts = {cell.keys["cohort"] for cell in planned.cells}
    for key in cohorts:
        check_clients(request, registry, Store(cache), key)
    sizes = (size_of(Store(cache), key) for key in cohorts)
    records, channels, length = max(filter(None, sizes), key=itemgetter(0), default=made_up)
    if files and records != made_up[0]:
        counted.remember(dataset.name, digest, records, cache)
    suite = request.suite
    estimates = Estimates(
        registry, records, channels, suite.draws, length=length, rounds=suite.rounds, partition=suite.partition
    )
    estimates.learn(request.suite.name, everything.values())
    return Prepared(
        request=request,
        registry=registry,
        plan=planned,
        root=root,
        synthetic=synthetic,
        ledger=ledger,
        done={key: record for key, record in everything.items() if key in keys},
        estimates=estimates,
        pending=absent,
        release="" if absent and not synthetic else release_of(dataset, params, root, synthetic, digest, cache),
        weights={file.digest: f"{file.record.in_words()}, {file.name}" for file in weights.values()},
    )


def check_clients(request: Request, registry: Registry, store: Store, cohort: str) -> None:
    """Whether the subjects of a cohort can be divided as the suite asks, where it is prepared and
    anything needs it. cohort: its key. Raises UsageError.
    """
    if not has_clients(request, registry) or not (known := subjects_of(store, cohort)):
        return
    suite, classes = request.suite, None
    if suite.partition.by == DIRICHLET and (target := target_of(store, cohort, task_of(request))) is not None:
        classes = classes_of(target)
    clients = check_subjects(suite.partition, *known, classes)
    if has_rounds(request, registry):
        suite.rounds.check(suite.privacy, clients)


def check_weights(weights: Mapping[str, Weights], request: Request, registry: Registry, manifest: str) -> None:
    """Whether weights are of imputers in the run and fit its plan. Raises UsageError."""
    suite = request.suite
    grid = {*suite.grid.imputer, *suite.controls.imputer}
    dataset = registry.get("dataset", suite.dataset)
    for name, file in weights.items():
        if name not in grid:
            raise UsageError(f"{file.path} holds weights of {name}, which is not in this run; give imputer={name}")
        spec = registry.get("imputer", name)
        check_plan(
            file,
            (spec.version, [variant.params for variant in request.of("imputer", name)]),
            {label: suite.modalities.get(label, dataset.modalities) for label in suite.grid.modalities},
            (dataset.name, msgspec.to_builtins(dataset.parameters(suite.data)), manifest, suite.split_identity()),
            suite.weights.differ,
        )
