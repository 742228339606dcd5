"""From a request to a ledger: plan, look up what is done, do the rest, write every cell's record."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench import arrays, device, provenance
from bench.data_root import locate
from bench.errors import BenchError, StorageError
from bench.estimate import Estimates
from bench.execute.pool import Aborted, Limits, Pool, Result, Watch, cores
from bench.files import storage, write_text
from bench.ledger import Ledger
from bench.manifest import manifest
from bench.plan import Cell, Plan, plan
from bench.records import Audit, Export, Record, Statistics, TaskSummary
from bench.registry import Registry
from bench.request import Request
from bench.stages.cohort import path_of, size_of
from bench.stages.job import Job, Setup, completed_file
from bench.suite import Split

RECORDS = 10_000
"""Size of a cohort assumed for estimates before it was ever prepared."""

SMALLEST_FREE = 200 * 2**20
"""A run is refused when less than this is free where it writes: better at once than in the middle."""


@dataclass
class Prepared:
    """A request with everything looked up: its plan, its ledger, and which cells are done."""

    request: Request
    registry: Registry
    plan: Plan
    root: Path
    synthetic: bool
    ledger: Ledger
    done: dict[str, Record]
    estimates: Estimates

    def todo(self) -> list[Cell]:
        """Cells that still need a result, in the order of the plan."""
        again = ("failed", "timeout", "oom") if self.request.settings.retry else ()
        missing = {"not-run", *again}
        done = {
            key
            for key, record in self.done.items()
            if record.status not in missing and self.ledger.has_predictions(record)
        }
        return [cell for cell in self.plan.cells if cell.key not in done]


@dataclass
class Outcome:
    """How a run ended. counts: cells of the plan by status; stopped: why it ended early, or empty; unfinished:
    cells whose turn did not come or that were stopped, those tried again after a failure included.
    """

    prepared: Prepared
    counts: Counter[str]
    stopped: str = ""
    unfinished: int = 0
    cached: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        return self.counts["failed"] + self.counts["timeout"] + self.counts["oom"]


def prepare(request: Request, registry: Registry, fetch: Callable[[str], None] | None = None) -> Prepared:
    """Look everything up, changing nothing but the cache. fetch: report function; where given, absent data are downloaded."""
    cache = request.settings.cache_folder()
    dataset = registry.get("dataset", request.suite.dataset)
    params = dataset.parameters(request.suite.data, f"suite {request.suite.name}")
    kind = device.resolve(request.settings.device)
    root, files, synthetic = locate(dataset, params, request.root, cache, fetch)
    planned = plan(request, registry, manifest(files, cache) if files else dataset.version, kind)
    ledger = Ledger(request.settings.out_folder())
    everything = ledger.load()
    keys = {cell.key for cell in planned.cells}
    estimates = Estimates(registry, size_of(cache, planned.cohort_key) or RECORDS)
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
    )


def setup_of(prepared: Prepared) -> Setup:
    """What the workers must know."""
    request = prepared.request
    return Setup(
        dataset=request.suite.dataset,
        data=request.suite.data,
        root=str(prepared.root),
        cache=str(request.settings.cache_folder()),
        cohort_key=prepared.plan.cohort_key,
        split=request.suite.split,
        scaling=request.suite.scaling,
        draws=request.suite.draws,
        precision=request.settings.precision,
        threads=request.settings.threads,
    )


def jobs_of(prepared: Prepared, todo: list[Cell]) -> list[Job]:
    """The jobs that give those cells their records: one cohort, each imputation once, one fusion per cell."""
    cache = prepared.request.settings.cache_folder()
    plan, estimates = prepared.plan, prepared.estimates
    jobs: dict[str, Job] = {}

    def device_of(kind: str, name: str) -> str:
        return plan.device if "torch" in prepared.registry.get(kind, name).tags else "cpu"

    runnable = [cell for cell in todo if not cell.skip]
    first: tuple[str, ...] = ()
    if runnable and not arrays.is_complete(path_of(cache, plan.cohort_key)):
        dataset = prepared.registry.get("dataset", prepared.request.suite.dataset)
        jobs[plan.cohort_key] = Job(
            id=plan.cohort_key,
            kind="cohort",
            label=f"prepare {dataset.name}",
            estimate=dataset.seconds * estimates.records / 1000,
        )
        first = (plan.cohort_key,)
    imputations = {}
    for cell in runnable:
        at = cell.coordinates
        if cell.impute_key not in imputations and not arrays.is_complete(completed_file(cache, cell.impute_key)):
            imputations[cell.impute_key] = Job(
                id=cell.impute_key,
                kind="impute",
                label=f"impute {at.scenario} {at.imputer} seed {at.seed}",
                cell=cell,
                needs=first,
                device=device_of("imputer", cell.imputer.name),
                estimate=estimates.impute(cell),
            )
    fusions = []
    bases = {cell.coordinates: cell.key for cell in plan.cells if not cell.coordinates.audit}
    fresh = {cell.key for cell in runnable}
    for cell in runnable:
        needs = (*first, *((cell.impute_key,) if cell.impute_key in imputations else ()))
        base = bases.get(msgspec.structs.replace(cell.coordinates, audit=""))
        if cell.coordinates.audit == "repeat" and base in fresh and base != cell.key:
            needs = (*needs, base)
        fusions.append(
            Job(
                id=cell.key,
                kind="fuse",
                label=label(cell),
                cell=cell,
                needs=needs,
                device=device_of("fuser", cell.fuser.name),
                estimate=estimates.fuse(cell),
            )
        )
    work = [*imputations.values(), *fusions]
    shuffle = prepared.request.settings.shuffle
    if shuffle is not None:
        random.Random(shuffle).shuffle(work)
    else:
        work = _interleave(list(imputations.values()), fusions)
    return [*jobs.values(), *work]


def _interleave(imputations: list[Job], fusions: list[Job]) -> list[Job]:
    """Each imputation just before the first fusion that needs it, so that a budget ends with whole cells."""
    by_id = {job.id: job for job in imputations}
    ordered: list[Job] = []
    for job in fusions:
        ordered += [by_id.pop(need) for need in job.needs if need in by_id]
        ordered.append(job)
    return ordered


def label(cell: Cell) -> str:
    """A cell in a few words, for a person who watches."""
    c = cell.coordinates
    extra = f" [{c.audit}]" if c.audit else ""
    return f"{c.task} {c.modalities} {c.scenario} {c.imputer} x {c.fuser} seed {c.seed}{extra}"


def execute(prepared: Prepared, watch: Watch, started: Callable[[list[Job]], None] = lambda jobs: None) -> Outcome:
    """Run what is left of a plan and record every cell. Raises StorageError, DataError; what was finished stays."""
    request, ledger = prepared.request, prepared.ledger
    settings = request.settings
    begun = time.monotonic()
    with ledger.locked():
        ledger.remember(planned_export(prepared))
        todo = prepared.todo()
        if todo:
            _check_space(settings.out_folder(), settings.cache_folder())
        writer = _Writer(prepared)
        for cell in todo:
            if cell.skip:
                writer.write(Record(key=cell.key, coordinates=cell.coordinates, status="skipped", reason=cell.skip))
        jobs = jobs_of(prepared, todo)
        started(jobs)
        outside = watch.finished

        def finished(result: Result) -> None:
            writer.take(result)
            outside(result)

        watch.finished = finished
        budget = settings.budget_seconds()
        deadline = None if budget is None else begun + budget
        pool = Pool(
            setup=setup_of(prepared),
            workers=settings.workers or max(cores(), 1),
            gpus=tuple(device.gpus()) if prepared.plan.device == "cuda" else (),
            limits=Limits(time=request.time_limit(), memory=request.memory_limit(), deadline=deadline),
            logs=ledger.folder / "logs",
            watch=watch,
        )
        try:
            pool.run(jobs)
        except Aborted as aborted:
            error = BenchError(aborted.answer.reason)
            for kind in BenchError.__subclasses__():
                if kind.exit_code == aborted.answer.exit_code:
                    error = kind(aborted.answer.reason)
            raise error from None
    counts: Counter[str] = Counter(
        prepared.done[c.key].status if c.key in prepared.done else "not-run" for c in prepared.plan.cells
    )
    stopped = watch.stop or ("the budget ended" if writer.left else "")
    cached = len(prepared.plan.cells) - len(todo)
    return Outcome(prepared, counts, stopped, unfinished=writer.left, cached=cached, warnings=ledger.damaged)


def _check_space(*folders: Path) -> None:
    for folder in folders:
        with storage(folder):
            folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < SMALLEST_FREE:
            raise StorageError(
                f"only {free / 2**20:.0f} MiB are free at {folder}; a run needs at least {SMALLEST_FREE / 2**20:.0f} MiB: "
                "free some space, or say another out=DIR cache=DIR"
            )


def _said(split: Split) -> str:
    return f"seed {split.seed}, fractions {'/'.join(f'{share:g}' for share in split.fractions)}"


def _json(params: dict[str, object]) -> str:
    return msgspec.json.encode(params, order="deterministic").decode()


class _Writer:
    """Turns results of jobs into records of cells, one by one, as they come."""

    def __init__(self, prepared: Prepared):
        self.prepared = prepared
        plan, request = prepared.plan, prepared.request
        self.left = 0
        self.cells = {c.key: c for c in plan.cells}
        self.bases = {c.coordinates: c.key for c in plan.cells if not c.coordinates.audit}
        self.common = {
            **provenance.surroundings(plan.device),
            "manifest": plan.manifest,
            "split": _said(request.suite.split),
            "profile": request.settings.profile,
            "command": request.command(),
            "threads": str(request.settings.threads),
        }

    def take(self, result: Result) -> None:
        if result.job.kind != "fuse":
            if result.status == "ok" and result.job.kind == "impute" and result.job.cell:
                at = result.job.cell.coordinates
                self.prepared.estimates.see("impute", at.scenario, at.imputer, result.seconds)
            elif result.log:
                self._log(result)
            return
        cell = result.job.cell
        assert cell is not None
        if result.status == "not-run":
            self.left += 1
            return
        if result.status == "ok":
            assert result.answer is not None
            record, predictions = result.answer.result
            at = cell.coordinates
            self.prepared.estimates.see("fuse", at.task, at.fuser, result.seconds)
            self.write(record, predictions, result.job.device)
            return
        if result.log:
            self._log(result)
        record = Record(
            key=cell.key, coordinates=cell.coordinates, status=result.status, reason=result.reason,
            costs={"seconds": result.seconds},
        )  # fmt: skip
        self.write(record, device=result.job.device)

    def write(self, record: Record, predictions: object = None, device: str = "cpu") -> None:
        """Complete a record with where it comes from and store it."""
        fuser = self.cells[record.key].fuser.name
        torch = "torch" in self.prepared.registry.get("fuser", fuser).tags
        precision = self.prepared.request.settings.precision if torch else "fp32"
        scenario = self.cells[record.key].scenario
        hidden = {"scenario parameters": f"{scenario.label} {_json(scenario.params)}"} if scenario.params else {}
        record.provenance = {**self.common, **hidden, "device type": device, "precision": precision}
        self.prepared.ledger.write(record, predictions)  # type: ignore[arg-type]
        if record.coordinates.audit == "repeat" and record.status == "ok":
            self._compare(record, device)
        self.prepared.done[record.key] = record

    def _compare(self, record: Record, device: str) -> None:
        """The audit `repeat-identical`: the same cell, done again by another job, gave the same bits."""
        base = self.prepared.done.get(self.bases.get(msgspec.structs.replace(record.coordinates, audit=""), ""))
        if base is None or base.status != "ok":
            audit = Audit(None, "the cell to compare with has no result")
        elif base.predictions == record.predictions:
            audit = Audit(True, "test predictions are bit-identical")
        elif device == "cuda":
            audit = Audit(None, "differs by rounding, as CUDA kernels may; identity is promised on the CPU only")
        else:
            audit = Audit(False, "test predictions differ from the first run of the same cell")
        record.audits = {"repeat-identical": audit}
        self.prepared.ledger.write(record)

    def _log(self, result: Result) -> None:
        write_text(self.prepared.ledger.folder / "logs" / f"{result.job.id}.log", result.log)


def planned_export(prepared: Prepared) -> Export:
    """What a report must know of the plan: everything but records and statistics."""
    request, plan = prepared.request, prepared.plan
    dataset = prepared.registry.get("dataset", request.suite.dataset)
    return Export(
        suite=request.suite.name,
        title=request.suite.title,
        dataset=dataset.name,
        synthetic=prepared.synthetic,
        command=request.command(exact=False),
        tasks=[
            TaskSummary(t.name, t.kind, t.metrics, t.summary)
            for t in (dataset.tasks[name] for name in request.suite.grid.task)
        ],
        profile=request.settings.profile,
        planned=[(cell.coordinates, cell.key) for cell in plan.cells],
        records=[],
        statistics=Statistics(**msgspec.structs.asdict(request.suite.stats)),
        control_imputers=[v for v in request.suite.controls.imputer],
        control_fusers=[v for v in request.suite.controls.fuser],
        published=list(request.suite.published),
    )
