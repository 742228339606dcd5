"""The queue of a SLURM cluster: arrays of jobs, each of which plans the command again and does its
part of it.

The submitting process hands out nothing and may end at any time. Elements write their results into
the folder of the batch (`bench.execute.batch`). This process, or `bench collect`, brings them into
the ledger. One array follows another by a dependency, stage after stage.
"""

from __future__ import annotations

import itertools
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.config.command import Settings
from bench.config.words import ORIGIN
from bench.errors import StorageError, UsageError
from bench.execute import sbatch
from bench.execute.api import Aborted, Options, Result, Watch
from bench.execute.batch import Batch, Order, close, divided, remember, remembered
from bench.execute.job import Job, Setup
from bench.files import storage, write_text
from bench.results.ledger import Ledger
from bench.stages.order import BY_NAME, LAST, STAGES

MOST = 64
"""Elements of an array, where `slurm.array` says nothing."""

WORTH = 300.0
"""Seconds of work for an element, where `slurm.array` says nothing: its start takes a while."""

WARNED = 120
"""Seconds before the end of its time at which an element is told, to store checkpoints."""

LAG = 10.0
"""Seconds until a file that another machine wrote is surely seen here."""

LOST = "its machine, or that of what it needs, was lost twice"
CANCELLED = "SLURM or scancel removed it from the queue"

SCRIPT = """#!/bin/sh
# An element of a batch; its number is SLURM_ARRAY_TASK_ID.
cd {cwd} || exit 1
exec {python} -m bench work {folder} "$SLURM_ARRAY_TASK_ID"
"""


class Planned(NamedTuple):
    """An array to be submitted: of a stage, with options of sbatch. parts: the jobs of its
    elements.
    """

    stage: str
    options: tuple[str, ...]
    parts: list[list[Job]]


class Executor:
    """Arrays of SLURM jobs; see `bench.execute.api.Executor`."""

    def __init__(self, options: Options):
        assert options.request is not None
        self.options, self.request = options, options.request
        self.ledger = Ledger(options.out)
        self.seen: dict[Batch, set[str]] = {}
        self.gone: dict[tuple[Batch, int], float] = {}

    @staticmethod
    def check(settings: Settings) -> None:
        """Raises UsageError for settings with which nothing can be submitted."""
        sbatch.check(settings.slurm)
        if not settings.shared:
            raise UsageError('"shared" is missing: executor=slurm needs a folder that all machines see, shared=DIR')
        if settings.budget:
            raise UsageError(
                f'"budget" (from {ORIGIN}) ends nothing that SLURM runs; give slurm.time=2h, the time of one of its jobs'
            )

    @staticmethod
    def check_here() -> None:
        """Raises UsageError on a machine from which nothing can be submitted."""
        if not sbatch.is_here():
            raise UsageError(
                f'"executor" = slurm (from {ORIGIN}): sbatch is not on PATH, so this is no machine of a SLURM cluster; '
                "executor=local works here"
            )

    @staticmethod
    def device(settings: Settings) -> str:
        """The device that keys are made for: that of the nodes, not of this machine."""
        if settings.device != "auto":
            return settings.device.partition(":")[0]
        wants_gpu = any(sbatch.asks_gpu(key.rpartition(".")[2], value) for key, value in settings.slurm.items())
        return "cuda" if wants_gpu else "cpu"

    def run(self, jobs: Sequence[Job], setup: Setup, watch: Watch) -> None:
        self.left = {job.id: job for job in jobs}
        self.watch = watch
        if not jobs:
            return
        flying = self._flying(setup)
        batches = list(flying)
        in_flight = {
            job for batch, elements in flying.items() for number in elements for job in batch.order.elements[number]
        }
        if in_flight := in_flight & self.left.keys():
            watch.news(f"{len(in_flight):,} jobs are in the queue already: {_ids(batches)}")
        if fresh := [job for job in self.left.values() if job.id not in in_flight]:
            batches.append(self._submit(fresh, setup, [array for batch in flying for array in batch.arrays]))
        repeated: set[str] = set()
        pause = 1.0
        while self.left:
            lost = self._look(batches)
            again = [job for job in lost if job.id not in repeated]
            for job in lost:
                if job.id in repeated:
                    self._end(Result(job=job, status="failed", reason=LOST))
            if again:
                repeated |= {job.id for job in again}
                watch.news(f"{len(again):,} jobs were lost with their machines; once again elsewhere")
                batches.append(self._submit(again, setup, []))
            if watch.stop and self.left:
                return self._leave(batches)
            if self.left:
                self._wait(pause)
                pause = min(pause * 1.2, 10.0)
        for batch in batches:
            close(self.ledger, batch)

    def _flying(self, setup: Setup) -> dict[Batch, set[int]]:
        """Batches of earlier commands of this ledger, with their elements that are in the queue.
        What they have made is no longer left; those of which nothing is queued are closed.
        """
        batches = remembered(self.ledger)
        queued = sbatch.queued() if batches else set()
        flying = {}
        for batch in batches:
            for result in self._ended(batch):
                if result.record and result.status == "ok":
                    self._end(result)
            if elements := batch.in_queue(queued):
                flying[batch] = elements
            else:
                close(self.ledger, batch)
        for job in list(self.left.values()) if batches else ():
            if BY_NAME[job.stage].is_done(setup.store, job.id):
                self._end(Result(job=job, status="ok"))
        return flying

    def _submit(self, jobs: Sequence[Job], setup: Setup, after: Sequence[str]) -> Batch:
        """Submit jobs as a new batch: an array for each stage, device and set of options."""
        arrays = [array for stage in STAGES for array in self._arrays([job for job in jobs if job.stage == stage.name])]
        elements = [tuple(job.id for job in part) for array in arrays for part in array.parts]
        batch = Batch.create(self._folder(), self._order(jobs, setup, elements))
        remember(self.ledger, batch)
        places = {"cwd": Path.cwd(), "python": sys.executable, "folder": batch.folder}
        write_text(
            batch.folder / "script.sh",
            SCRIPT.format(**{name: shlex.quote(str(place)) for name, place in places.items()}),
        )
        first, before = 0, list(after)
        try:
            for _, of_stage in itertools.groupby(arrays, key=lambda array: array.stage):
                ids = []
                for array in of_stage:
                    last = first + len(array.parts) - 1
                    ids.append(batch.submit(first, last, [*self._own(batch), *array.options], before))
                    first = last + 1
                before = ids
        except StorageError:
            if not batch.arrays:
                close(self.ledger, batch)
            raise
        self.watch.news(
            f"submitted {len(jobs):,} job{'s' * (len(jobs) != 1)} as {len(elements):,} element{'s' * (len(elements) != 1)} of "
            f"SLURM array{'s' * (len(batch.arrays) != 1)} {', '.join(batch.arrays)}; this "
            "command may end, and the queue goes on"
        )
        return batch

    def _arrays(self, jobs: Sequence[Job]) -> Iterator[Planned]:
        """The arrays of one stage."""
        table = self.request.settings.slurm
        options = {
            job.id: tuple(sbatch.options(table, job.device, BY_NAME[job.stage].variant(job.cell).name)) for job in jobs
        }
        for words in dict.fromkeys(options.values()):
            alike = [job for job in jobs if options[job.id] == words]
            most = int(table.get("array", 0)) or self._most(alike)
            parts = divided(alike, most, [self._together(job) for job in alike])
            yield Planned(jobs[0].stage, (*self._size(words), *words), parts)

    def _own(self, batch: Batch) -> list[str]:
        """The options of sbatch that every array of a batch has."""
        return [
            f"--job-name=bench-{self.request.suite.name}", f"--output={batch.folder}/logs/%A_%a.out", "--open-mode=append",
            "--requeue", f"--signal=B:USR1@{WARNED}",
        ]  # fmt: skip

    def _most(self, jobs: Sequence[Job]) -> int:
        return max(1, min(MOST, round(sum(map(self.watch.estimate, jobs)) / WORTH)))

    def _together(self, job: Job) -> str:
        """What its cell reads: the key of the stage before the last one."""
        return [*job.cell.keys.values()][-2] if job.stage == LAST.name else ""

    def _size(self, words: Sequence[str]) -> list[str]:
        """The cores and the memory to ask for, where no option says it: for all cells of an element
        that it does at once.
        """
        settings = self.request.settings
        chosen = dict(word.partition("=")[::2] for word in words)
        cores = int(chosen.get("--cpus-per-task", 0)) or max(1, settings.workers) * settings.threads
        workers = settings.workers or max(1, cores // settings.threads)
        requested = [] if "--cpus-per-task" in chosen else [f"--cpus-per-task={cores}"]
        if not any(name.startswith("--mem") for name in chosen):
            requested.append(f"--mem={workers * self.options.limits.memory // 2**20 + 1024}M")
        return requested

    def _folder(self) -> Path:
        runs = Path(self.request.settings.shared).expanduser().absolute() / "runs"
        with storage(runs):
            runs.mkdir(parents=True, exist_ok=True)
            prefix = f"{self.request.suite.name}-{time.strftime('%Y%m%d-%H%M%S')}-"
            return Path(tempfile.mkdtemp(prefix=prefix, dir=runs))

    def _order(self, jobs: Sequence[Job], setup: Setup, elements: Sequence[tuple[str, ...]]) -> Order:
        planned = self.ledger.last(self.request.suite.name)
        assert planned is not None
        keys = dict(planned.planned)
        repeats = [job.cell.coordinates for job in jobs if job.cell.coordinates.audit == "repeat"]
        bases = {keys.get(msgspec.structs.replace(at, audit="")) for at in repeats} - {job.id for job in jobs}
        return Order(
            words=self.request.words, name=self.request.suite.name, out=str(self.options.out), cache=setup.cache,
            device=self.device(self.request.settings), ingredients=planned.ingredients,
            workers=self.request.settings.workers, elements=tuple(elements),
            bases=tuple(self.ledger.load(key for key in bases if key).values()),
        )  # fmt: skip

    def _look(self, batches: Sequence[Batch]) -> list[Job]:
        """Pass on what has ended. Returns the jobs that were lost."""
        try:
            queued = sbatch.queued()  # first: what has left the queue by then has written all its files
        except StorageError as error:
            self.watch.warned(str(error))
            queued = None
        lost: list[Job] = []
        for batch in batches:
            for result in self._ended(batch):
                self._end(result)
            present = range(len(batch.order.elements)) if queued is None else batch.in_queue(queued)
            for number, ids in enumerate(batch.order.elements):
                jobs = [self.left[job] for job in ids if job in self.left]
                if number in present or not jobs:
                    continue
                over = batch.over(number)
                if over is None and time.monotonic() - self.gone.setdefault((batch, number), time.monotonic()) < LAG:
                    continue
                if (over and over.stopped) or not (over or batch.begun(number)):
                    for job in jobs:
                        self._end(Result(job=job, status="not-run", reason=CANCELLED))
                else:
                    lost += jobs
        unique = {job.id: job for job in lost if not any(self._waits(job, batch, queued) for batch in batches)}
        return list(unique.values())

    def _waits(self, job: Job, batch: Batch, queued: set[str] | None) -> bool:
        """Whether a batch will still do a job that another one lost."""
        present = batch.in_queue(queued) if queued is not None else set()
        return any(job.id in batch.order.elements[number] for number in present)

    def _ended(self, batch: Batch) -> Iterator[Result]:
        """What has ended since the last look; results are in the ledger then."""
        seen = self.seen.setdefault(batch, set())
        for name in sorted(batch.names("ended") - seen):
            seen.add(name)
            ended = batch.ended(name)
            if (
                ended is None
                or name not in self.left
                or (ended.status != "abort" and self.left[name].stage == LAST.name)
            ):
                continue  # what the last stage made comes as a record
            if ended.status == "abort":
                sbatch.cancel(batch.arrays)
                raise Aborted(ended.reason, ended.exit_code)
            yield Result(job=self.left[name], status=ended.status, reason=ended.reason, seconds=ended.seconds)
        for merged in batch.collect(self.ledger):
            for name in merged.damaged:
                self.watch.warned(f"{name} from the queue is damaged, and its cell is done again")
            for record in merged.taken:
                if (job := self.left.get(record.key)) and record.status != "skipped":
                    seconds = sum(record.costs.get(name, 0.0) for name in LAST.costs)
                    yield Result(job=job, status=record.status, reason=record.reason, seconds=seconds, record=record)

    def _end(self, result: Result) -> None:
        if self.left.pop(result.job.id, None):
            self.watch.finished(result)

    def _leave(self, batches: Sequence[Batch]) -> None:
        for job in list(self.left.values()):
            self._end(Result(job=job, status="not-run", reason=self.watch.stop))
        ids = " ".join(array for batch in batches for array in batch.arrays)
        out = "" if self.request.settings.out == "results" else f" out={shlex.quote(self.request.settings.out)}"
        self.watch.news(f"the queue goes on; bring in what it finishes: bench collect{out}; end it: scancel {ids}")

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.watch.stop:
            self.watch.turned()
            time.sleep(0.2)


def _ids(batches: Sequence[Batch]) -> str:
    return ", ".join(array for batch in batches for array in batch.arrays)
