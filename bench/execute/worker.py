"""A worker process: takes one job at a time, warm from the first on. Writes to the cache, never to the ledger.

This module stays light: threads are limited through the environment before NumPy or torch is imported.
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
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from bench.execute.signals import leave_to_the_parent
from bench.execute.tree import keep_orphans

if TYPE_CHECKING:
    from bench.execute.job import Job, Setup
    from bench.execute.renew import Renewal
    from bench.registry import Registry
    from bench.results.records import Record
    from bench.statistics.paired import Predictions


class Answer(msgspec.Struct, kw_only=True):
    """What a worker says of a job.

    status: as in a record, "interrupted" when it was asked to stop, or "abort" when the whole run must end (data or
    storage cannot be used). result: (Record, Predictions) of a fuse job. reason, words, log: as `bench.execute.failure` tells a
    failure; the reason alone stands in the record. left: what the component changed of its process and could not be put
    back, so that the worker ends.
    """

    job: str
    status: Literal["ok", "failed", "oom", "interrupted", "abort"]
    reason: str = ""
    words: str = ""
    log: str = ""
    seconds: float = 0.0
    peak_memory: int = 0
    exit_code: int = 1
    result: Any = None
    left: list[str] = []


def main(connection: Connection, setup: Setup, log: str, gpu: str | None) -> None:
    """The body of a worker process. Ends when the parent closes the connection or dies."""
    leave_to_the_parent()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = str(setup.threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu if gpu is not None else ""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    _redirect(log)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    from bench.execute.renew import Renewal
    from bench.execute.surroundings import Surroundings
    from bench.registry import discover

    registry = discover()
    renewal = Renewal()
    _warn_through(connection)
    keep_orphans()
    surroundings = Surroundings()
    connection.send(("ready", os.getpid()))
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
                # Imported code is here to stay; walking through it again after every cell would take 70 ms.
                modules = len(sys.modules)
                gc.freeze()


def work(
    job: Job, setup: Setup, registry: Registry, connection: Connection | None = None, renewal: Renewal | None = None
) -> Answer:
    """Do one job and say how it went. Nothing a component does escapes as an exception. renewal: of a process that does many."""
    from bench.components import Interrupted
    from bench.execute import memory

    memory.start()
    started = time.perf_counter()
    answer = Answer(job=job.id, status="ok")
    try:
        answer.result = _do(job, setup, registry, connection, renewal)
        if answer.result is not None:
            answer.result[0].costs["peak_memory_bytes"] = float(memory.peak())
            answer.result = checked(*answer.result)
    except Interrupted as error:
        answer.status, answer.reason = "interrupted", "stopped before its end"
        if connection is not None and not connection.poll():
            _fail(answer, error, job, setup, registry)
    except BaseException as error:  # a component may raise whatever it likes, SystemExit too
        _fail(answer, error, job, setup, registry)
    answer.seconds = time.perf_counter() - started
    answer.peak_memory = memory.peak()
    if answer.status == "ok":
        shutil.rmtree(setup.folder("scratch", job.id), ignore_errors=True)
    return answer


def _fail(answer: Answer, error: BaseException, job: Job, setup: Setup, registry: Registry) -> None:
    """Say how a job failed: its cell, or the run where data or storage cannot be used."""
    from bench.arrays import Damaged
    from bench.errors import DataError, StorageError
    from bench.execute import memory
    from bench.execute.failure import failure, ours, raised_here

    kind, name = ("dataset", setup.dataset) if job.cell is None else ("imputer", job.cell.imputer.name)
    if job.kind == "fuse" and job.cell is not None:
        kind, name = "fuser", job.cell.fuser.name
    answer.reason, answer.words, answer.log = failure(error, registry.get(kind, name).path)
    answer.result = None
    answer.status = "oom" if memory.exhausted(error, answer.words) else "failed"
    if isinstance(error, Damaged) and ours(error) and error.path.is_relative_to(setup.cache):
        error.path.unlink(missing_ok=True)
        answer.status, answer.exit_code = "abort", error.exit_code
        answer.reason = f"{error.path} {error.what}; it was removed: run the same command again"
    elif (isinstance(error, DataError) and (ours(error) or job.kind == "cohort")) or (
        isinstance(error, StorageError) and raised_here(error)
    ):
        answer.status, answer.exit_code = "abort", error.exit_code
        answer.reason = answer.words or answer.reason  # for the terminal: nothing is recorded of a run that ends


def checked(record: Record, predictions: Predictions) -> tuple[Record, Predictions]:
    """The same as they will be read again, with nothing in them but plain values. Raises PluginError."""
    from bench.errors import PluginError
    from bench.results.records import Record, encode_record

    try:
        return msgspec.json.decode(encode_record(record), type=Record), predictions
    except ValueError as error:
        raise PluginError(f"the record of the cell cannot be stored: {error}") from error


def _do(job: Job, setup: Setup, registry: Registry, connection: Connection | None, renewal: Renewal | None) -> Any:
    from bench.components import Context
    from bench.execute.surroundings import seed_generators

    guest: dict[str, Any] = {}
    if connection is not None:
        from bench.execute.failure import text_of

        guest = {
            "should_stop": connection.poll,
            "report": lambda text: connection.send(("progress", job.id, text_of(text))),
        }
    if job.kind == "cohort":
        from bench.data.splits import part
        from bench.stages.cohort import prepare

        spec = registry.get("dataset", setup.dataset)
        if "uses_split" in spec.tags:
            guest["parts"] = lambda ids, groups: part(setup.split, ids, groups)
        folders = Path(setup.root), Path(setup.cache)
        prepare(spec, setup.data, *folders, setup.cohort_key, Context(**guest), setup.manifest)
        return None
    assert job.cell is not None
    component = job.cell.imputer if job.kind == "impute" else job.cell.fuser
    spec = registry.get("imputer" if job.kind == "impute" else "fuser", component.name)
    if renewal is None:
        spec.load()
    else:
        renewal.load(spec)
    seed_generators()
    context = job.context(setup, **guest)
    if job.kind == "impute":
        from bench.stages.impute import impute

        return impute(job, setup, registry, context)
    from bench.stages.fuse import fuse

    return fuse(job, setup, registry, context)


def _redirect(log: str) -> None:
    """Whatever libraries print goes to the worker's log: stdout is for the answer of the command alone."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - lives as long as the process


def _warn_through(connection: Connection) -> None:
    """What components log as a warning is said to the person who waits, not only written to the worker's log."""

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
