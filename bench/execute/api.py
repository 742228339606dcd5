"""What runs jobs (`Executor`), what it is told (`Options`), what it tells (`Watch`, `Result`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from bench.config.command import Request, Settings
from bench.errors import BenchError
from bench.execute.job import Job, Setup
from bench.results.records import Record
from bench.stages.stage import Output

Status = Literal["ok", "failed", "timeout", "oom", "not-run"]

BUDGET = "the budget ended"


class Answer(msgspec.Struct, kw_only=True):
    """What a worker says of a job (`bench.execute.worker.work`).

    - status: as in a record, "interrupted" when it was asked to stop, or "abort" when the whole run
      must end (data or storage cannot be used).
    - output: of the last stage.
    - reason, words, log: as `bench.execute.failure` tells a failure; the reason alone stands in the
      record.
    - left: what the component changed of its process and could not be put back, so that the worker
      ends.
    """

    job: str
    status: Literal["ok", "failed", "oom", "interrupted", "abort"]
    reason: str = ""
    words: str = ""
    log: str = ""
    seconds: float = 0.0
    peak_memory: int = 0
    exit_code: int = 1
    output: Output | None = None
    left: list[str] = []


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ended. status "not-run" with a reason when it was never started or stopped before
    its end.

    - reason, words, log, seconds, peak_memory (bytes), output, left: as in `Answer`.
    - surroundings: of the worker, not of the parent: host, devices, versions; empty where no worker
      had it.
    - record: of the cell, where it was made elsewhere and is in the ledger.
    """

    job: Job
    status: Status
    reason: str = ""
    words: str = ""
    log: str = ""
    seconds: float = 0.0
    peak_memory: int = 0
    output: Output | None = None
    left: Sequence[str] = ()
    surroundings: Mapping[str, str] = {}
    record: Record | None = None

    @classmethod
    def of(cls, job: Job, answer: Answer, surroundings: Mapping[str, str], stopped: str = "") -> Result:
        """The result of a job that a worker answered. stopped: why it was asked to stop, if it was.

        Raises Aborted where the answer ends the run.
        """
        if answer.status == "abort":
            raise Aborted(answer.reason, answer.exit_code)
        # What a stop breaks (a helper process that the signal reached) says nothing of a cell.
        status: Status = "not-run"
        if answer.status != "interrupted" and (not stopped or answer.status == "ok"):
            status = answer.status
        unfinished = status == "not-run"
        return cls(
            job=job, status=status, reason=stopped or BUDGET if unfinished else answer.reason, words=answer.words, log=answer.log,
            seconds=answer.seconds, peak_memory=answer.peak_memory, output=answer.output, left=answer.left,
            surroundings=surroundings,
        )  # fmt: skip


class Aborted(Exception):
    """The run cannot go on: data or storage cannot be used. `error()` is what to raise."""

    def __init__(self, reason: str, exit_code: int = 1):
        super().__init__(reason)
        self.reason, self.exit_code = reason, exit_code

    def error(self) -> BenchError:
        """The error of the kind that has this exit code."""
        kinds = (kind for kind in BenchError.__subclasses__() if kind.exit_code == self.exit_code)
        return next(kinds, BenchError)(self.reason)


@dataclass
class Watch:
    """The events of a run, and when to stop.

    An executor calls `started`, `progress` and `finished` for each job. It calls `finished` once,
    in order of completion, also for a job that was never started. It calls `warned` with what
    components log as a warning, `news` with what a person should know (ids of a queue, say),
    and `turned` at least once a second. It asks `fits` before it
    starts a job, and asks `ending` often.

    stop: set to a reason ("Ctrl-C") to end cleanly. deadline: `time.monotonic()` of the budget's
    end. estimate: the newest estimate of a job's seconds.
    """

    finished: Callable[[Result], None]
    started: Callable[[Job], None] = lambda job: None
    progress: Callable[[Job, str], None] = lambda job, text: None
    warned: Callable[[str], None] = lambda text: None
    news: Callable[[str], None] = lambda text: None
    turned: Callable[[], None] = lambda: None
    estimate: Callable[[Job], float] = lambda job: job.estimate
    stop: str = ""
    deadline: float | None = None
    _begun: bool = False

    def ending(self) -> str:
        """Why the run is to end now: running jobs checkpoint, nothing new is started. Empty
        while it goes on.
        """
        over = self.deadline is not None and time.monotonic() >= self.deadline
        return self.stop or (BUDGET if over else "")

    def fits(self, job: Job) -> bool:
        """Whether a job would end within the budget. The first one is started in any case: a
        training goes on where it stopped, so a budget that is always too small would otherwise
        never end.
        """
        first, self._begun = not self._begun, True
        return first or self.deadline is None or time.monotonic() + self.estimate(job) <= self.deadline


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """time: seconds of one job; memory: bytes one worker may hold for itself."""

    time: float
    memory: int


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How an executor works. workers: how many at once; gpus: what CUDA_VISIBLE_DEVICES must say
    for each; logs: a folder.

    request, out: what is run, and the folder of results, for executors on other machines.
    """

    workers: int
    limits: Limits
    logs: Path
    gpus: tuple[str, ...] = ()
    request: Request | None = None
    out: Path = Path("results")


class Executor(Protocol):
    """Runs jobs somewhere. `bench.execute.executors` holds one module for each. All but that of
    this machine have `check` and `device`.
    """

    @staticmethod
    def check(settings: Settings) -> None:
        """Raises UsageError for settings that it cannot work with."""

    @staticmethod
    def device(settings: Settings) -> str:
        """The device, "cpu" or "cuda", that keys are made for."""
        ...

    def __init__(self, options: Options): ...

    def run(self, jobs: Sequence[Job], setup: Setup, watch: Watch) -> None:
        """Do all jobs, in the order given as far as their needs allow.

        A job whose need did not end well ends the same way, with the reason. What a stage leaves
        goes to `setup.store`, and its output to `watch.finished`. Raises Aborted.
        """
