"""Run what is left of a plan and record every cell."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import StorageError
from bench.execute import executors
from bench.execute.api import Aborted, Limits, Options, Result, Watch
from bench.execute.job import Job
from bench.files import storage
from bench.run.export import planned_export
from bench.run.prepare import Prepared
from bench.run.record import errors_of
from bench.run.schedule import gpus_of, jobs_of, setup_of, workers_of
from bench.run.write import Writer

SMALLEST_FREE = 200 * 2**20
"""A run is refused when less than this is free where it writes: better at once than in the
middle.
"""


@dataclass
class Outcome:
    """How a run ended.

    - counts: cells of the run by status.
    - stopped: why it ended early, or empty.
    - unfinished: cells whose turn did not come or that were stopped, those tried again after a
      failure included.
    - warnings: damaged files of the ledger.
    - logs: what failed in this run -> the file that holds what it said.
    """

    prepared: Prepared
    counts: Counter[str]
    stopped: str = ""
    unfinished: int = 0
    cached: int = 0
    warnings: list[str] = field(default_factory=list)
    logs: dict[str, Path] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        return self.counts["failed"] + self.counts["timeout"] + self.counts["oom"]


def execute(
    prepared: Prepared, watch: Watch, started: Callable[[list[Job]], None] = lambda jobs: None, remember: bool = True
) -> Outcome:
    """Run what is left of a plan and record every cell. Raises StorageError, DataError; what was
    finished stays. UsageError, before anything is written, where its executor is out of reach.

    remember: as the last run of its suite, which reports are made of.
    """
    request, ledger = prepared.request, prepared.ledger
    settings = request.settings
    executors.check_here(settings)
    begun = time.monotonic()
    with ledger.locked():
        if remember:
            ledger.remember(planned_export(prepared))
        _restore_errors(prepared)
        todo = prepared.todo()
        if todo:
            _check_space(settings.out_folder(), settings.cache_folder())
        writer = Writer(prepared)
        for cell in todo:
            if cell.key in prepared.done and prepared.done[cell.key].status == "ok":  # what it predicted is lost
                del prepared.done[cell.key]
            if cell.skip:
                writer.skip(cell)
        jobs = jobs_of(prepared, todo)
        started(jobs)
        outside = watch.finished

        def finished(result: Result) -> None:
            writer.take(result)
            outside(result)

        watch.finished = finished
        budget = settings.budget_seconds()
        watch.deadline = None if budget is None else begun + budget
        options = Options(
            workers=workers_of(prepared),
            gpus=gpus_of(prepared),
            limits=Limits(time=request.time_limit(), memory=request.memory_limit()),
            logs=ledger.folder / "logs",
            request=request,
            out=settings.out_folder(),
        )
        try:
            executors.find(settings.executor)(options).run(jobs, setup_of(prepared), watch)
        except Aborted as aborted:
            raise aborted.error() from None
    counts: Counter[str] = Counter(
        prepared.done[c.key].status if c.key in prepared.done else "not-run" for c in prepared.cells
    )
    stopped = watch.stop or writer.why
    cached = len(prepared.cells) - len(todo)
    return Outcome(prepared, counts, stopped, writer.left, cached, ledger.damaged, writer.logs)


def _restore_errors(prepared: Prepared) -> None:
    """Put back the errors of imputations that the ledger lacks and the cache still has."""
    for cell in prepared.plan.cells:
        record = prepared.done.get(cell.key)
        if record and record.imputation_errors and prepared.ledger.lacks(record):
            prepared.ledger.keep_errors(record.imputation_errors, errors_of(prepared, cell))


def _check_space(*folders: Path) -> None:
    for folder in folders:
        with storage(folder):
            folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < SMALLEST_FREE:
            raise StorageError(
                f"only {free / 2**20:.0f} MiB are free at {folder}; a run needs at least {SMALLEST_FREE / 2**20:.0f} MiB: "
                "free some space, or give another out=DIR cache=DIR"
            )
