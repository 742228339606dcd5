"""A worker process: takes one job at a time, warm from the first on. Writes to the cache, never to
the ledger.

This module stays light: threads are limited through the environment before NumPy or torch is
imported.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench.execute.sbatch import scrub
from bench.execute.signals import leave_to_the_parent
from bench.execute.tree import keep_orphans

if TYPE_CHECKING:
    from bench.execute.api import Answer
    from bench.execute.job import Job, Setup
    from bench.execute.renew import Renewal
    from bench.registry import Registry
    from bench.results.records import Measures
    from bench.stages.stage import Output


def main(connection: Connection, setup: Setup, log: str, gpu: str | None) -> None:
    """The body of a worker process. Ends when the parent closes the connection or dies."""
    leave_to_the_parent()
    scrub(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = str(setup.threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu if gpu is not None else ""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    _redirect(log)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    from bench.execute.renew import Renewal
    from bench.execute.surroundings import Surroundings
    from bench.registry import discover
    from bench.results.provenance import of_worker

    registry = discover()
    renewal = Renewal()
    _warn_through(connection)
    keep_orphans()
    surroundings = Surroundings()
    connection.send(("ready", of_worker(gpu)))
    modules = 0
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            message = connection.recv()
            if message == "stop":
                continue
            answer = work(message, setup, registry, connection, renewal)
            gc.collect()
            put_back, answer.left = surroundings.restore()
            if put_back:
                print(f"{message.label} changed, and was put back: {', '.join(put_back)}", flush=True)
            connection.send(("done", answer))
            if answer.left:
                connection.close()
                os._exit(0)  # a thread that still runs would keep the process
            if len(sys.modules) > modules:
                # Imported code is here to stay; walking through it again after every cell would
                # take 70 ms.
                modules = len(sys.modules)
                gc.freeze()


def work(
    job: Job, setup: Setup, registry: Registry, connection: Connection | None = None, renewal: Renewal | None = None
) -> Answer:
    """Do one job and say how it went. Nothing a component does escapes as an exception. renewal:
    of a process that does many.
    """
    from bench.components import Interrupted
    from bench.execute import memory
    from bench.execute.api import Answer

    memory.start()
    started = time.perf_counter()
    answer = Answer(job=job.id, status="ok")
    try:
        answer.output = _do(job, setup, registry, connection, renewal)
    except Interrupted as error:
        answer.status, answer.reason = "interrupted", "stopped before its end"
        if connection is not None and not connection.poll():
            _fail(answer, error, job, setup, registry)
    except BaseException as error:  # a component may raise whatever it likes, SystemExit too
        _fail(answer, error, job, setup, registry)
    answer.seconds = time.perf_counter() - started
    answer.peak_memory = memory.peak()
    if answer.status == "ok":
        shutil.rmtree(setup.scratch(job), ignore_errors=True)
    else:
        _clear_empty(setup.scratch(job))
    return answer


def _clear_empty(folder: Path) -> None:
    """Remove folders in which a job has left no state to go on from."""
    for inside, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # it is not empty
            Path(inside).rmdir()


def _fail(answer: Answer, error: BaseException, job: Job, setup: Setup, registry: Registry) -> None:
    """Say how a job failed: its cell, or the run where data or storage cannot be used."""
    from bench.arrays import Damaged
    from bench.errors import DataError, StorageError
    from bench.execute import memory
    from bench.execute.failure import failure, ours, raised_here
    from bench.stages.order import BY_NAME

    stage = BY_NAME[job.stage]
    answer.reason, answer.words, answer.log = failure(error, stage.spec(job.cell, registry).path)
    answer.output = None
    answer.status = "oom" if memory.exhausted(error, answer.words) else "failed"
    if isinstance(error, Damaged) and ours(error) and error.path.is_relative_to(setup.cache):
        error.path.unlink(missing_ok=True)
        answer.status, answer.exit_code = "abort", error.exit_code
        answer.reason = f"{error.path} {error.what}; it was removed: run the same command again"
    elif (isinstance(error, DataError) and (ours(error) or stage.ends_run)) or (
        isinstance(error, StorageError) and raised_here(error)
    ):
        answer.status, answer.exit_code = "abort", error.exit_code
        answer.reason = answer.words or answer.reason  # for the terminal: nothing is recorded of a run that ends


def _do(
    job: Job, setup: Setup, registry: Registry, connection: Connection | None, renewal: Renewal | None
) -> Output | None:
    from bench.execute.failure import text_of
    from bench.execute.surroundings import seed_generators
    from bench.stages.order import BY_NAME

    guest: dict[str, Any] = {}
    if connection is not None:
        guest = {
            "should_stop": connection.poll,
            "report": lambda text: connection.send(("progress", text_of(text))),
        }
    stage = BY_NAME[job.stage]
    if setup.contents is not None:
        registry.hold(registry.get("dataset", job.cell.dataset.name), setup.contents)
    spec = stage.spec(job.cell, registry)
    if renewal is None:
        spec.load()
    else:
        renewal.load(spec)
    seed_generators()
    output = stage.run(job, setup, registry, stage.context(job, setup, **guest))
    return None if output is None else msgspec.structs.replace(output, measures=plain(output.measures))


def plain(measures: Measures) -> Measures:
    """The same with nothing in it but plain values, as it will be read again. Raises
    PluginError.
    """
    from bench.errors import PluginError
    from bench.results.shareable import encoded

    try:
        return msgspec.json.decode(encoded(measures), type=type(measures))
    except ValueError as error:
        raise PluginError(f"the record of the cell cannot be stored: {error}") from error


def _redirect(log: str) -> None:
    """Whatever libraries print goes to the worker's log: stdout is for the answer of the command
    alone.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - lives as long as the process


def _warn_through(connection: Connection) -> None:
    """What components log as a warning is shown to the person who waits, not only written to the
    worker's log.
    """

    from bench.execute.failure import text_of

    class Through(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with contextlib.suppress(Exception):
                connection.send(("warning", text_of(record.getMessage())))

    logging.getLogger().addHandler(Through(logging.WARNING))


def _follow(parent: int) -> None:
    """End with the parent, even when it was killed and could say nothing."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
