"""A whole run in this process: plan, jobs, answers through a real pipe, ledger. No worker
process, so many in a second.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from bench import arrays
from bench.config.request import request
from bench.execute import executors
from bench.execute.api import Options, Result, Watch
from bench.execute.job import Job, Setup
from bench.execute.worker import work
from bench.registry import Registry, discover
from bench.results.provenance import of_worker
from bench.results.records import Record
from bench.run import execute as running
from bench.run.execute import Outcome
from bench.run.prepare import Prepared, prepare
from bench.stages import view

SUITE = """
name = "inline"
title = "A run in this process"
dataset = "toy"
draws = 3
[grid]
task = ["toy"]
scenario = ["mcar"]
imputer = ["around"]
fuser = ["waits"]
seed = [1]
[scenario.mcar]
rate = [0.3]
[controls]
imputer = []
fuser = []
[audits]
cells = []
[stats]
resamples = 50
"""


def fresh() -> None:
    """Forget what a worker keeps from job to job, as a new process would."""
    view._raw.cache_clear()
    view._parts.cache_clear()
    view._views.clear()
    arrays.forget_checks()


_real = executors.find


class Inline:
    """An executor that does the jobs one after another, here."""

    registry: ClassVar[Registry]

    def __init__(self, options: Options):
        self.options = options

    def run(self, jobs: Sequence[Job], setup: Setup, watch: Watch) -> None:
        here, there = Pipe()
        ended: dict[str, Result] = {}
        for job in jobs:
            need = next((ended[need] for need in job.needs if need in ended and ended[need].status != "ok"), None)
            watch.started(job)
            if watch.stop:
                result = Result(job=job, status="not-run", reason=watch.stop)
            elif need is not None:
                result = Result(job=job, status=need.status, reason=f"{need.job.label}: {need.reason}")
            else:
                there.send(work(job, setup, self.registry, _Quiet()))
                result = Result.of(job, here.recv(), of_worker(None))
            ended[job.id] = result
            watch.finished(result)


class _Quiet:
    """The worker's end of a pipe on which nobody asks for anything; what is sent is pickled as
    it would be.
    """

    def poll(self) -> bool:
        return False

    def send(self, message: object) -> None:
        here, there = Pipe()
        there.send(message)
        here.recv()


def registry() -> Registry:
    """Everything installed, the methods of the test plugin, the strange ones, and the dataset
    with a file.
    """
    from bench_toy import filed, strange
    from bench_toy.plugin import bench_register

    made = discover()
    bench_register(made)
    strange.declare(made)
    filed.declare(made)
    return made


@functools.cache
def installed() -> Registry:
    """Everything installed, and the test plugin, as a command of a `Project` sees it."""
    from bench_toy import plugin

    made = discover()
    made.register_plugin("bench-toy:toy = bench_toy.plugin", plugin)
    return made


def find(known: Registry) -> Callable[[str], Any]:
    """The executor of a name; the local one does its jobs here."""
    return lambda name: executor(known) if name == executors.HERE else _real(name)


def executor(known: Registry) -> type[Inline]:
    """The executor that does jobs here, with the components of a registry."""
    return type("Here", (Inline,), {"registry": known})


def prepared(folder: Path, known: Registry, *words: str, suite: str = SUITE, out: str = "results") -> Prepared:
    """A run of the suite in a folder of its own."""
    file = folder / "inline.toml"
    file.write_text(suite)
    words = (f"suite={file}", f"out={folder / out}", f"cache={folder / 'cache'}", *words)
    return prepare(request(words, known), known, fetch=lambda text: None)


def run(made: Prepared) -> Outcome:
    """Run what is left of it."""
    fresh()
    with mock.patch.object(executors, "find", return_value=executor(made.registry)):
        return running.execute(made, Watch(finished=lambda result: None))


def records(made: Prepared) -> list[Record]:
    """What the ledger holds of the plan, read again."""
    from bench.results.ledger import Ledger

    ledger = Ledger(made.ledger.folder.parent)
    found = list(ledger.load({cell.key for cell in made.plan.cells}).values())
    assert ledger.damaged == []
    return found
