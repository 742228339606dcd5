"""Executors: found by name, told what a run asks, and told nothing of how records are made."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from bench.config.request import request
from bench.errors import UsageError
from bench.execute import executors
from bench.execute.api import BUDGET, Aborted, Answer, Options, Result, Watch
from bench.execute.executors import local
from bench.execute.job import Job, Setup
from bench.execute.queue import Waiting
from bench.registry import discover
from bench.results.predictions import Predictions
from bench.results.records import Measures
from bench.run import execute as running
from bench.run.prepare import Prepared, prepare
from bench.stages.stage import Output
from support.fake_cells import fake_job
from support.inline import SUITE, records, registry

WHERE = {"host": "elsewhere", "cpu": "a processor", "gapbench": "9.9"}
MEASURED = Output(
    Measures(scores={"auroc": 0.5}, costs={"fit_seconds": 1.0, "predict_seconds": 0.5}),
    Predictions(np.array(["a", "b"]), np.array(["a", "b"]), np.zeros(2, np.float32), np.zeros((2, 1), np.float32)),
)


class Fake:
    """Ends every job well at once, somewhere else."""

    def __init__(self, options: Options):
        self.options = options

    def run(self, jobs: Sequence[Job], setup: Setup, watch: Watch) -> None:
        for job in jobs:
            watch.started(job)
            output = MEASURED if job.stage == "fuse" else None
            watch.finished(Result(job=job, status="ok", seconds=1.0, peak_memory=7, output=output, surroundings=WHERE))


def made(folder: Path, *words: str) -> Prepared:
    file = folder / "fake.toml"
    file.write_text(SUITE)
    known = registry()
    words = (f"suite={file}", f"out={folder / 'results'}", f"cache={folder / 'cache'}", *words)
    return prepare(request(words, known), known, fetch=lambda text: None)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the time of a disk is not that of the parent."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_ten_thousand_jobs_of_another_executor_cost_the_parent_two_milliseconds_each(memory: Path) -> None:
    prepared = made(memory, "seed=0..4998", "scenario=natural", "imputer=mean,around")
    jobs: list[Job] = []
    with mock.patch.object(executors, "find", return_value=Fake):
        begun = time.process_time()
        outcome = running.execute(prepared, Watch(finished=lambda result: None), jobs.extend)
        spent = time.process_time() - begun
    assert len(jobs) >= 10_000
    assert outcome.counts == {"ok": 9_998}
    assert spent / len(jobs) <= 0.002


def test_a_record_tells_the_surroundings_of_the_worker_that_made_it_and_not_of_the_parent(tmp_path: Path) -> None:
    prepared = made(tmp_path)
    with mock.patch.object(executors, "find", return_value=Fake):
        running.execute(prepared, Watch(finished=lambda result: None))
    (record,) = records(prepared)
    assert record.scores == MEASURED.measures.scores
    assert record.costs == {**MEASURED.measures.costs, "peak_memory_bytes": 7}
    assert {name: record.provenance.get(name) for name in ("host", "device", "gapbench", "python")} == {
        "host": "elsewhere", "device": "a processor", "gapbench": "9.9", "python": None,
    }  # fmt: skip


def test_an_executor_is_a_module_and_a_name_that_is_none_is_answered_with_the_nearest(tmp_path: Path) -> None:
    assert executors.find("local") is local.Executor
    with pytest.raises(UsageError, match=r'executor "locl" .*did you mean "local"'):
        request(["suite=physionet48", "executor=locl"], discover())


def test_a_job_fits_as_long_as_it_would_end_within_the_budget_and_the_first_one_always() -> None:
    watch = Watch(finished=lambda result: None, deadline=time.monotonic() + 100)
    assert watch.fits(fake_job("long", estimate=1e6))
    assert [watch.fits(fake_job("b", estimate=seconds)) for seconds in (50, 1e6)] == [True, False]
    assert not watch.ending()
    watch.deadline = time.monotonic()
    assert watch.ending() == BUDGET
    watch.stop = "Ctrl-C"
    assert watch.ending() == "Ctrl-C"


@pytest.mark.parametrize("status", ["failed", "oom", "interrupted"])
def test_what_a_stop_breaks_says_nothing_of_a_cell(status: str) -> None:
    answer = Answer(job="a", status=status, reason="it broke")  # type: ignore[arg-type]
    result = Result.of(fake_job("a"), answer, WHERE, stopped="Ctrl-C")
    assert (result.status, result.reason) == ("not-run", "Ctrl-C")
    assert Result.of(fake_job("a"), Answer(job="a", status="ok"), WHERE, stopped="Ctrl-C").status == "ok"


def test_an_answer_that_ends_the_run_is_an_error_of_its_kind() -> None:
    with pytest.raises(Aborted) as caught:
        Result.of(fake_job("a"), Answer(job="a", status="abort", reason="the disk is full", exit_code=5), WHERE)
    assert (caught.value.error().exit_code, str(caught.value.error())) == (5, "the disk is full")


def test_a_worker_that_said_it_ends_is_given_no_further_job() -> None:
    """It may take a while until its end is seen; a job given to it meanwhile would be lost."""
    executor = local.Executor(Options(workers=1, gpus=(), limits=mock.Mock(), logs=Path()))
    executor.watch = Watch(finished=lambda result: None)
    worker = local.Worker(number=0, gpu=None, process=mock.Mock(), connection=mock.Mock(), ready=True)
    worker.job, executor.running = fake_job("a"), [worker]
    executor.waiting = Waiting([fake_job("b")])
    answer = Answer(job=worker.job.id, status="ok", left=["files that are still open for writing (1)"])
    executor._hear(worker, ("done", answer))
    executor._hand_out()
    worker.connection.send.assert_not_called()
    assert worker.job is None
