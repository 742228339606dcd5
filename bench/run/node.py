"""What a node of a cluster does with one job that was sent to it.

It plans the command again, once for each process, so that it notices where code, libraries, data or
the suite are others than on the machine that sent it. A worker process does the job, with the
limits that a run on one machine has, and stays warm for the next one.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.errors import BenchError
from bench.execute.api import Aborted, Limits, Options, Result, Watch
from bench.execute.executors.local import Executor
from bench.execute.job import Job
from bench.files import is_file_of
from bench.registry import discover
from bench.run.prepare import Prepared
from bench.run.record import errors_of
from bench.run.replan import replan
from bench.run.schedule import jobs_of, setup_of

BEAT = 1.0
"""Seconds between two words with the sending machine."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What all jobs of a run share.

    - words, device, ingredients: as in `bench.run.replan`. folder: in which the command was typed.
    - cache: the folder that all nodes see; empty where each has its own.
    """

    words: tuple[str, ...]
    device: str
    ingredients: dict[str, str]
    folder: str
    cache: str = ""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ended on a node.

    - result: None where the run must end, with the reason and the exit code.
    - errors: the file of the imputation's errors, which records name by its digest; empty where
      there is none.
    """

    result: Result | None = None
    reason: str = ""
    exit_code: int = 1
    errors: bytes = b""


class _Node:
    """A process of a node: the plan of one run, and a worker that is warm."""

    def __init__(self, order: Order, gpu: str, job: str):
        self.order, self.gpu = order, gpu
        if Path(order.folder).is_dir():
            os.chdir(order.folder)
        out = tempfile.mkdtemp(prefix="bench-node-")  # for logs of the worker; results are sent
        places = [*[f"cache={order.cache}"] * bool(order.cache), f"out={out}"]
        self.prepared = replan(
            order.words, places, order.device, order.ingredients, (job,), discover(), fetch=lambda text: None
        )
        self.cells = {key: cell for cell in reversed(self.prepared.plan.cells) for key in cell.keys.values()}
        request = self.prepared.request
        options = Options(
            workers=1, gpus=(gpu,) * bool(gpu), logs=Path(out),
            limits=Limits(time=request.time_limit(), memory=request.memory_limit()),
        )  # fmt: skip
        self.executor, self.setup = Executor(options), setup_of(self.prepared)

    def jobs(self, wanted: str) -> list[Job]:
        """The job of that id, after those of its needs that are not done here."""
        planned = {job.id: job for job in jobs_of(self.prepared, [self.cells[wanted]])}
        ids, todo = set[str](), [wanted]
        while todo:
            if (job := planned.get(todo.pop())) and job.id not in ids:
                ids.add(job.id)
                todo += job.needs
        return [job for job in planned.values() if job.id in ids]


_here: _Node | None = None


def carry_out(job: Job, order: Order, gpu: str, tell: Callable[[Sequence[tuple[str, str]]], str]) -> Answered:
    """Do a job, and first what it needs and this node lacks.

    - gpu: what CUDA_VISIBLE_DEVICES must say; empty for a job of the CPU.
    - tell: brings what happened to the sending machine: (kind, text), of the kinds "started",
      "progress" and "warning". Returns why the run is to end, empty while it goes on.
    """
    notes: list[tuple[str, str]] = []
    results: dict[str, Result] = {}
    beaten = 0.0

    def beat() -> None:
        nonlocal beaten
        if notes or time.monotonic() - beaten > BEAT:
            beaten = time.monotonic()
            watch.stop = tell(notes)
            notes.clear()

    watch = Watch(
        finished=lambda result: results.update({result.job.id: result}),
        started=lambda begun: notes.append(("started", platform.node())) if begun.id == job.id else None,
        progress=lambda _, text: notes.append(("progress", text)),
        warned=lambda text: notes.append(("warning", text)),
        turned=beat,
    )
    try:
        node = _node(order, gpu, job.id)
        jobs = node.jobs(job.id)
        node.executor.serve(jobs, node.setup, watch)
        result = results.get(job.id) or Result(job=job, status="ok")  # done before, or by another process
    except Aborted as aborted:
        return Answered(reason=f"{platform.node()}: {aborted.reason}", exit_code=aborted.exit_code)
    except BenchError as error:
        return Answered(reason=f"{platform.node()}: {error}", exit_code=error.exit_code)
    tell(notes)
    return Answered(result=msgspec.structs.replace(result, job=job), errors=_errors(node.prepared, result))


def _node(order: Order, gpu: str, job: str) -> _Node:
    """This process's node for a run; that of another run ends. Raises BenchError where it plans no
    such job.
    """
    global _here
    if _here is None or (_here.order, _here.gpu) != (order, gpu) or job not in _here.cells:
        if _here is not None:
            _here.executor.close()
        _here = None
        _here = _Node(order, gpu, job)
    return _here


def _errors(prepared: Prepared, result: Result) -> bytes:
    """The errors of the imputation that a result names, as they are."""
    digest = result.output.measures.imputation_errors if result.output else ""
    path = errors_of(prepared, result.job.cell)
    return path.read_bytes() if digest and is_file_of(path, digest) else b""
