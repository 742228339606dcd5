"""Local worker processes: spawned, warm, limited in time and memory, one GPU each where there are
any.

The parent never computes: it hands out jobs whose needs are met, watches the clock and the memory,
and passes on what comes back. A worker that is killed (limit, crash, the system's out-of-memory
killer) costs its job and is replaced.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bench.execute import tree
from bench.execute.api import BUDGET, Aborted, Options, Result, Status, Watch
from bench.execute.job import Job, Setup
from bench.execute.queue import Waiting
from bench.execute.signals import held
from bench.execute.tree import keep_orphans
from bench.execute.worker import main

LOG = 16 * 2**20
"""Bytes that the log of a worker may have; of a longer one the newest sixteenth is kept."""

NEWEST = 2**16
"""Bytes of it that are kept for a job that broke its worker."""

GRACE = 15.0
"""Seconds a worker has for its checkpoint once it was asked to stop."""

STARTS = 3
"""How often a worker may die before it is ready: once may be chance (want of memory), three
times in a row is no chance.
"""


@dataclass
class Worker:
    """One process and the job it has. leaving: it said that it ends, and takes no more jobs."""

    number: int
    gpu: str | None
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    surroundings: dict[str, str] = field(default_factory=dict)
    job: Job | None = None
    started: float = 0.0
    asked_to_stop: float | None = None
    leaving: bool = False


class Executor:
    """Worker processes of this machine; see `bench.execute.api.Executor`."""

    def __init__(self, options: Options):
        self.options = options
        self.running: list[Worker] = []
        self.waiting = Waiting()
        self.failed_starts = 0
        self.others: set[int] = set()

    def run(self, jobs: Sequence[Job], setup: Setup, watch: Watch) -> None:
        try:
            self.serve(jobs, setup, watch)
        finally:
            self.close()

    def serve(self, jobs: Sequence[Job], setup: Setup, watch: Watch) -> None:
        """The same, and workers stay warm for more jobs of the same setup, until `close`."""
        self.setup, self.watch = setup, watch
        self.waiting = Waiting(jobs)
        if not jobs:
            return
        keep_orphans()
        if not self.running:
            self.others = {child.pid for child in tree.children()}
        taken = {worker.number for worker in self.running}
        for number in range(min(self.options.workers, len(jobs))):
            if number not in taken:
                self.running.append(self._spawn(number))
        while self.waiting or any(worker.job for worker in self.running):
            self._hand_out()
            startable = self.waiting.any_ready and not self.watch.stop
            if self.waiting and not any(worker.job for worker in self.running) and not startable:
                for job in self.waiting.give_up():  # the budget or a stop ended the run
                    self._end(Result(job=job, status="not-run", reason=self._why_stopped()))
                break
            self._listen()
            self._enforce()
            self.watch.turned()

    def _spawn(self, number: int) -> Worker:
        context = get_context("spawn")
        here, there = context.Pipe()
        gpu = dict(enumerate(self.options.gpus)).get(number)
        log = str(self._log(number))
        # Not daemon=True: such a process may have no children, and components may.
        process = context.Process(target=main, args=(there, self.setup, log, gpu))
        with held():
            process.start()
        there.close()
        return Worker(number, gpu, process, here)

    def _log(self, number: int) -> Path:
        return self.options.logs / f"worker-{number}.log"

    def _hand_out(self) -> None:
        idle = [worker for worker in self.running if worker.job is None and worker.ready and not worker.leaving]
        for worker in sorted(idle, key=lambda w: w.gpu is not None):
            if self.watch.stop:
                return
            job = self.waiting.take("cuda", self.watch.fits) if worker.gpu is not None else None
            job = job or self.waiting.take("cpu", self.watch.fits)
            if job is None:
                continue
            worker.job, worker.started, worker.asked_to_stop = job, time.monotonic(), None
            self.watch.started(job)
            with contextlib.suppress(OSError):
                worker.connection.send(job)

    def _listen(self) -> None:
        handles: list[Connection | int] = []
        for worker in self.running:
            handles += [worker.connection, worker.process.sentinel]
        wait(handles, timeout=0.1)
        for worker in list(self.running):
            messages, closed = _received(worker.connection)
            for message in messages:
                self._hear(worker, message)
            if closed or not (worker.process.is_alive() or messages):
                self._died(worker)

    def _hear(self, worker: Worker, message: tuple[Any, ...]) -> None:
        kind, content = message
        if kind == "ready":
            worker.ready, worker.surroundings, self.failed_starts = True, content, 0
        elif kind == "progress" and worker.job is not None:
            self.watch.progress(worker.job, content)
        elif kind == "warning":
            self.watch.warned(content)
        elif kind == "done":
            job, stopped = worker.job, self._why_stopped() if self._stopping(worker) else ""
            assert job is not None
            worker.job = None
            if content.left:
                worker.leaving = True
                self.watch.warned(f"{job.label} left behind {', '.join(content.left)}; its worker is replaced")
            self._end(Result.of(job, content, worker.surroundings, stopped))

    def _stopping(self, worker: Worker) -> bool:
        """Whether the job of a worker was asked to stop, or is about to be."""
        return bool(self.watch.stop) or worker.asked_to_stop is not None

    def _why_stopped(self) -> str:
        return self.watch.ending() or BUDGET

    def _died(self, worker: Worker) -> None:
        worker.process.join(5)
        code = worker.process.exitcode
        if code is None:
            self._kill(worker)
        job, seconds = worker.job, time.monotonic() - worker.started
        log = self._log(worker.number)
        if not worker.ready:
            self.failed_starts += 1
            if self.failed_starts >= STARTS and not self.watch.stop:
                reason = f"a worker process cannot start (exit status {code}); its last words are in {log}"
                raise Aborted(reason)
        stopping = self._stopping(worker)
        self._replace(worker)
        self._end_orphans()
        if job is not None and stopping:
            self._end(_result(worker, job, "not-run", self._why_stopped(), seconds))
        elif job is not None:
            killed = code == -9
            reason = (
                "its process was killed by the system, most likely because memory ran out"
                if killed
                else f"its process ended unexpectedly with exit status {code}"
            )
            words = f"its last words are in {log}"
            self._end(self._broken(worker, job, "oom" if killed else "failed", reason, seconds, words))

    def _kill(self, worker: Worker) -> None:
        pid = worker.process.pid
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).suspend()  # so that it starts nothing while what is below it ends
        tree.end(tree.descendants(pid))
        worker.process.kill()
        worker.process.join(5)

    def _end_orphans(self) -> None:
        """End what dead workers left running: it became ours."""
        ours = self.others | {worker.process.pid for worker in self.running}
        for orphan in tree.children():
            if orphan.pid not in ours:
                tree.end([*tree.descendants(orphan.pid), orphan])
                with contextlib.suppress(OSError):
                    os.waitpid(orphan.pid, 0)

    def _replace(self, worker: Worker) -> None:
        worker.connection.close()
        place = self.running.index(worker)
        if self.watch.stop or not (self.waiting or any(w.job for w in self.running if w is not worker)):
            self.running.pop(place)
        else:
            self.running[place] = self._spawn(worker.number)

    def _enforce(self) -> None:
        now, ending = time.monotonic(), self.watch.ending()
        for worker in list(self.running):
            shorten(self._log(worker.number), LOG)
            job = worker.job
            if job is None:
                continue
            seconds = now - worker.started
            if ending and worker.asked_to_stop is None:
                worker.asked_to_stop = now
                with contextlib.suppress(OSError):
                    worker.connection.send("stop")
            if worker.asked_to_stop is not None and now - worker.asked_to_stop > GRACE:
                self._end_by_force(worker, _result(worker, job, "not-run", self._why_stopped(), seconds))
            elif seconds > self.options.limits.time:
                reason = f"it ran longer than limits.time = {self.options.limits.time:g} s"
                self._end_by_force(worker, self._broken(worker, job, "timeout", reason, seconds))
            elif tree.memory(worker.process.pid, self.options.limits.memory) > self.options.limits.memory:
                reason = f"it held more than limits.memory = {self.options.limits.memory / 2**30:.2f} GiB"
                self._end_by_force(worker, self._broken(worker, job, "oom", reason, seconds))

    def _broken(self, worker: Worker, job: Job, status: Status, reason: str, seconds: float, words: str = "") -> Result:
        """How a job ended that broke its worker, with what that printed last."""
        printed = newest(self._log(worker.number), NEWEST) or "(nothing)\n"
        result = _result(worker, job, status, reason, seconds, words)
        return msgspec.structs.replace(
            result, log=f"{job.label}: {reason}\n\nWhat its worker printed last:\n\n{printed}"
        )

    def _end_by_force(self, worker: Worker, result: Result) -> None:
        self._kill(worker)
        worker.job = None
        self._replace(worker)
        self._end(result)

    def _end(self, result: Result) -> None:
        for each in self.waiting.settle(result):
            self.watch.finished(each)

    def close(self) -> None:
        """End all workers, and what they left running."""
        for worker in self.running:
            if worker.job is not None:
                self._kill(worker)
            worker.connection.close()
        for worker in self.running:
            worker.process.join(2)
            if worker.process.is_alive():
                self._kill(worker)
        self.running.clear()
        self._end_orphans()


def _result(worker: Worker, job: Job, status: Status, reason: str, seconds: float, words: str = "") -> Result:
    """How a job ended whose worker gave no answer."""
    return Result(
        job=job, status=status, reason=reason, words=words, seconds=seconds, surroundings=worker.surroundings
    )  # fmt: skip


def _received(connection: Connection) -> tuple[list[tuple[Any, ...]], bool]:
    """All messages that have come, and whether the other side is gone."""
    messages = []
    try:
        while connection.poll():
            messages.append(connection.recv())
    except (EOFError, OSError):
        return messages, True
    return messages, False


def newest(path: Path, size: int) -> str:
    """The end of a log, of at most so many bytes; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(-min(size, path.stat().st_size), os.SEEK_END)
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def shorten(path: Path, longest: int) -> None:
    """Cut a log that others append to: of one longer than `longest` bytes the newest sixteenth
    is kept.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size > longest:
            with path.open("r+b") as file:
                file.seek(-longest // 16, os.SEEK_END)
                newest = file.read()
                file.seek(0)
                file.write(b"(what stood here was too long, and was cut)\n" + newest)
                file.truncate()
