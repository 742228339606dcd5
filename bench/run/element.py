"""`bench work`: an element of a batch plans the command again, does its part of the jobs, and
writes a ledger of its own.

So it notices that code, libraries, data or the suite are others on this machine, or were edited
since. Its keys are then others, and nothing is done.
"""

from __future__ import annotations

import platform
import signal
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from bench.errors import BenchError
from bench.execute import device, executors, sbatch
from bench.execute.api import Aborted, Limits, Options, Result, Watch
from bench.execute.batch import MOST_STARTS, Batch, Ended, Over
from bench.execute.device import cores
from bench.execute.job import Job
from bench.grid.cell import Cell
from bench.registry import Registry
from bench.run.prepare import Prepared
from bench.run.replan import replan
from bench.run.schedule import jobs_of, setup_of
from bench.run.write import Writer

NEARLY_OVER, ENDED = "the time of the job is nearly over", "SIGTERM"


@dataclass
class Place:
    """Where an element runs. queue_id: of its job in the queue; restarts: how often the queue began
    it again; cores: that it may use.
    """

    queue_id: str
    restarts: int = 0
    cores: int = 1

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Place:
        """As SLURM's variables say it, which are removed: libraries would take a cell for a part of
        a distributed training.
        """
        array, number = environment.get("SLURM_ARRAY_JOB_ID", ""), environment.get("SLURM_ARRAY_TASK_ID", "")
        restarts = environment.get("SLURM_RESTART_COUNT", "0")
        allotted = environment.get("SLURM_CPUS_PER_TASK", "")
        sbatch.scrub(environment)
        return cls(
            queue_id=f"{array}_{number}" if array else f"here_{number or 0}",
            restarts=int(restarts) if restarts.isdecimal() else 0,
            cores=int(allotted) if allotted.isdecimal() else cores(),
        )

    def __str__(self) -> str:
        again = f", begun again {self.restarts} time{'s' * (self.restarts > 1)}" * bool(self.restarts)
        return f"{self.queue_id}{again}"


class Element:
    """One element of a batch."""

    def __init__(self, batch: Batch, number: int, place: Place, registry: Registry, say: Callable[[str], None]):
        self.batch, self.number, self.place, self.registry, self.say = batch, number, place, registry, say
        self.left = {job: None for job in batch.order.elements[number] if batch.ended(job) is None}
        self.watch = Watch(finished=self._finished, started=self._started, warned=say)
        self.running: set[str] = set()
        self.interrupted: list[Job] = []
        self.progress = False

    def run(self) -> None:
        """Do what is left of its jobs, and note how it ended. Raises BenchError where nothing can
        be done here.
        """
        batch, place = self.batch, self.place
        batch.begin(self.number, place.queue_id)
        if place.restarts:
            self.say("the queue began this element again; what is done stays done")
        signal.signal(signal.SIGUSR1, lambda *_: self._stop(NEARLY_OVER))
        signal.signal(signal.SIGTERM, lambda *_: self._stop(ENDED))
        prepared = self._prepared()
        self.writer, self.setup = Writer(prepared), setup_of(prepared)
        jobs = self._jobs(prepared)
        before = self._checkpoints()
        gpus = tuple(device.gpus()) if any(job.device == "cuda" for job in jobs) else ()
        if not gpus and any(job.device == "cuda" for job in jobs):
            self.say(f"{platform.node()} has no GPU that torch can use; {len(jobs)} jobs are left")
            jobs = []
        settings = prepared.request.settings
        options = Options(
            workers=settings.workers or max(1, place.cores // settings.threads), gpus=gpus,
            logs=batch.folder / "logs" / place.queue_id,
            limits=Limits(time=prepared.request.time_limit(), memory=prepared.request.memory_limit()),
        )  # fmt: skip
        try:
            executors.find("local")(options).run(jobs, self.setup, self.watch)
        except Aborted as aborted:
            self._abort(aborted.reason, aborted.exit_code)
            raise aborted.error() from None
        self.progress |= self._checkpoints() != before
        batch.conclude(self.number, self._over())

    def _stop(self, reason: str) -> None:
        self.watch.stop = self.watch.stop or reason

    def _abort(self, reason: str, code: int) -> None:
        """Note that the run cannot go on, where the submitting process reads it."""
        reason = f"{platform.node()}: {reason}"
        for job in list(self.left)[:1]:
            self.batch.end(job, Ended(status="abort", label="", reason=reason, exit_code=code))
        self.batch.conclude(self.number, Over(self.place.queue_id, reason, tuple(self.left)))

    def _prepared(self) -> Prepared:
        """The plan, made again. Raises StorageError where it is another than that which was
        submitted.
        """
        order = self.batch.order
        places = [f"out={self.batch.part(self.number)}", f"cache={order.cache}"]
        try:
            prepared = replan(order.words, places, order.device, order.ingredients, self.left, self.registry)
        except BenchError as error:
            self._abort(str(error), error.exit_code)
            raise
        settings = msgspec.structs.replace(prepared.request.settings, workers=order.workers)
        request = msgspec.structs.replace(prepared.request, settings=settings)
        done = {**prepared.done, **{record.key: record for record in order.bases}}
        return replace(prepared, request=request, done=done)

    def _jobs(self, prepared: Prepared) -> list[Job]:
        """The jobs to run here: those left whose needs are there. One whose need failed ends as
        that did.
        """
        cells: dict[str, Cell] = {}
        for cell in prepared.plan.cells:
            for key in cell.keys.values():
                if key in self.left:
                    cells.setdefault(key, cell)
        planned = {job.id: job for job in jobs_of(prepared, [*{cell.key: cell for cell in cells.values()}.values()])}
        for key in [key for key in self.left if key not in planned]:  # another element made it
            self.batch.end(key, Ended(status="ok", label=""))
            del self.left[key]
        return [job for job in planned.values() if job.id in self.left and self._can_run(job)]

    def _can_run(self, job: Job) -> bool:
        starts = self.batch.starts(job.id)
        if len(starts) >= MOST_STARTS:
            reason = f"its machine was lost twice while it ran (jobs {', '.join(starts)})"
            self._finished(Result(job=job, status="failed", reason=reason))
            return False
        for need in job.needs:
            ended = self.batch.ended(need)
            if need in self.left or (ended and ended.status == "ok"):
                continue
            if ended is None or ended.status == "abort":
                self.say(f"{job.label} is left: what it needs was not made")
                return False
            self._finished(Result(job=job, status=ended.status, reason=f"{ended.label}: {ended.reason}"))
            return False
        return True

    def _started(self, job: Job) -> None:
        self.running.add(job.id)
        self.batch.start(job.id, self._this)

    @property
    def _this(self) -> str:
        return f"{self.place.queue_id}-{self.place.restarts}"

    def _finished(self, result: Result) -> None:
        job = result.job
        self.running.discard(job.id)
        if result.status == "not-run":
            if job.id in self.left:
                self.batch.stopped(job.id, self._this)
                self.interrupted.append(job)
            return
        where = {**result.surroundings, "slurm job": str(self.place)} if result.surroundings else {}
        self.writer.take(msgspec.structs.replace(result, surroundings=where) if where else result)
        self.say(f"{result.status}  {job.label}  {result.seconds:.1f}s  {result.reason}".rstrip())
        self.batch.end(
            job.id, Ended(status=result.status, label=job.label, reason=result.reason, seconds=result.seconds)
        )  # fmt: skip
        self.left.pop(job.id, None)
        self.progress = True

    def _checkpoints(self) -> dict[str, int]:
        """The files that jobs left to go on from, with the times of their last change."""
        scratch = Path(self.setup.cache) / "scratch"
        paths = (path for job in self.left for path in (scratch / job).rglob("*") if path.is_file())
        return {str(path): path.stat().st_mtime_ns for path in paths}

    def _over(self) -> Over:
        """How it ended. Where its time was over, a further job of the queue goes on."""
        if self.watch.stop == NEARLY_OVER and not self.progress:
            for job in list(self.interrupted):
                reason = (
                    "it takes longer than one job of the queue may, and stores no checkpoint; give slurm.time=... more"
                )
                self._finished(Result(job=job, status="timeout", reason=reason))
        left = tuple(self.left)
        if self.watch.stop != NEARLY_OVER or not left:
            return Over(self.place.queue_id, self.watch.stop, left)
        array = self.batch.again(self.number)
        self.say(f"{len(left)} jobs are left; job {array}_{self.number} of the queue goes on with them")
        return Over(self.place.queue_id, "", left, f"{array}_{self.number}")
