"""Runs through the queue of SLURM: the same table as on this machine, whatever ends on the way.

Most run elements in this process; the last ones run its programs, by stand-ins.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from bench.execute import sbatch
from bench.execute.batch import divided
from bench.execute.job import Job
from support.asking import Asker
from support.fake_cells import fake_job
from support.fake_queue import FakeQueue, Killed
from support.fake_slurm import Queue, install
from support.project import Project

GRID = ("imputer=mean,locf,around", "fuser=level,waits", "seed=0..9")
ONE = ("imputer=mean", "seed=1")


@pytest.fixture
def slurm(project: Project) -> Project:
    """A project on a machine of a cluster whose folder `shared` all see."""
    return project.scored_plainly()


def words(slurm: Project, *more: str) -> tuple[str, ...]:
    shared = slurm.folder.parent / "shared"
    return ("run", slurm.suite, "executor=slurm", f"shared={shared}", *more)


def statuses(project: Project) -> Counter[str]:
    return Counter(record["status"] for record in project.records())


def leftovers(slurm: Project) -> list[Path]:
    """What batches left behind that are done."""
    runs = slurm.folder.parent / "shared" / "runs"
    return [*runs.glob("*"), *slurm.folder.glob("results/ledger/submitted/*")]


def elsewhere(slurm: Project, folder: Path) -> Project:
    """The same project on another machine, where nothing was run."""
    other = Project(folder, {**slurm.environment, "BENCH_CACHE": str(folder.parent / "other-cache")}, slurm.suite)
    other.folder.mkdir()
    return other


def test_sixty_cells_through_the_queue_give_the_leaderboard_of_a_local_run(slurm: Project, tmp_path: Path) -> None:
    more = ("slurm.array=3", "slurm.partition=gpu", "slurm.waits.mem=7G", "slurm.time=2h")
    with FakeQueue().open() as queue:
        run = slurm.here(*words(slurm, *GRID, *more))
    assert "60 cells: 60 ok" in run.stdout
    assert "this command may end" in run.stderr
    other = elsewhere(slurm, tmp_path / "whole")
    other.here("run", slurm.suite, *GRID)
    assert slurm.leaderboard() == other.leaderboard()
    numbers, options = zip(*queue.submitted, strict=True)
    assert numbers == ("0-0", "1-3", "4-6", "7-9"), "a cohort, imputations, and fusions by the memory they ask for"
    assert all({"--partition=gpu", "--time=120", "--requeue", "--signal=B:USR1@120"} <= {*each} for each in options)
    assert ["--mem=7G" in each for each in options] == [False, False, False, True]
    depends = [next((word for word in each if "dependency" in word), "") for each in options]
    assert depends == ["", "--dependency=afterany:100", "--dependency=afterany:101", "--dependency=afterany:101"]
    assert leftovers(slurm) == []
    provenance = slurm.records()[0]["provenance"]
    assert provenance["slurm job"].startswith("10")
    assert "executor=slurm" in provenance["command"]


def test_a_repeated_cell_is_compared_with_the_one_it_repeats_whenever_that_was_run(slurm: Project) -> None:
    audited = (*ONE, "audits.cells=repeat")
    with FakeQueue().open():
        slurm.here(*words(slurm, *audited, "slurm.array=9"))
    repeats = [each for each in slurm.records() if each["coordinates"].get("audit") == "repeat"]
    assert [each["audits"]["repeat-identical"]["passed"] for each in repeats] == [True]


def test_the_submitting_process_may_end_and_collect_brings_in_the_rest_as_often_as_one_likes(slurm: Project) -> None:
    queue = FakeQueue(asked=lambda: os.kill(os.getpid(), signal.SIGINT), holds=True)
    with queue.open():
        run = slurm.here(*words(slurm, "imputer=mean"), code=130)
        assert "the queue goes on; bring in what it finishes: bench collect; end it: scancel 100 101 102" in run.stderr
        queue.asked = lambda: None
        assert "4 jobs are in the queue" in slurm.here("collect").stderr
        assert statuses(slurm) == {}
        queue.drain()
        assert "2 taken" in slurm.here("collect").stdout
        assert statuses(slurm) == {"ok": 2}
        assert leftovers(slurm) == []
        assert "0 taken" in slurm.here("collect").stdout
        assert "2 done before" in slurm.here(*words(slurm, "imputer=mean")).stderr


def test_the_same_command_while_jobs_are_queued_submits_nothing_twice(slurm: Project) -> None:
    queue = FakeQueue(asked=lambda: os.kill(os.getpid(), signal.SIGINT), holds=True)
    with queue.open():
        slurm.here(*words(slurm, *ONE), code=130)
        before = len(queue.submitted)
        queue.asked, queue.holds = lambda: None, False
        again = slurm.here(*words(slurm, "imputer=mean"))
    assert "are in the queue already: 100, 101, 102" in again.stderr
    assert [numbers for numbers, _ in queue.submitted[before:]] == ["0-0"], "the other seed alone"
    assert "afterany:100:101:102" in " ".join(queue.submitted[before][1])
    assert statuses(slurm) == {"ok": 2}
    assert leftovers(slurm) == []


def lost_once(stage: str) -> FakeQueue:
    """A queue that loses the machine of the first job of a stage."""
    met: list[str] = []

    def meets(name: str, job: Job) -> None:
        if job.stage == stage and not met:
            met.append(name)
            raise Killed

    return FakeQueue(meets=meets)


@pytest.mark.parametrize("stage", ["cohort", "impute", "fuse"])
def test_what_a_lost_machine_had_is_repeated_once_elsewhere_and_the_run_says_so(slurm: Project, stage: str) -> None:
    with lost_once(stage).open() as queue:
        run = slurm.here(*words(slurm, *ONE, "fuser=level,waits", "slurm.array=1"))
    assert "lost with their machines; once again elsewhere" in run.stderr
    assert statuses(slurm) == {"ok": 2}
    assert len(queue.submitted) == 3 + {"cohort": 3, "impute": 2, "fuse": 1}[stage]
    assert leftovers(slurm) == []


def test_a_job_that_loses_every_machine_ends_with_a_reason_and_the_others_go_on(slurm: Project) -> None:
    def meets(name: str, job: Job) -> None:
        if "waits" in job.label:
            raise Killed

    with FakeQueue(meets=meets).open():
        run = slurm.here(*words(slurm, *ONE, "fuser=level,waits", "slurm.array=9"), code=1)
    assert "was lost twice" in run.stderr
    assert statuses(slurm) == {"ok": 1, "failed": 1}


def test_what_fails_is_a_record_with_a_reason_and_a_log_and_what_needs_it_says_so(slurm: Project) -> None:
    with FakeQueue().open():
        run = slurm.here(
            *words(slurm, "seed=1", "imputer=mean,absent", "fuser=waits", "fuser.waits.fail=raise"), code=1
        )
    assert "ValueError at bench_toy/parts.py" in run.stderr
    reasons = {record["coordinates"]["imputer"]: record["reason"] for record in slurm.records()}
    assert reasons["absent"].startswith("impute natural absent seed 1: ")
    logs = [path.read_text() for path in slurm.folder.glob("results/ledger/logs/*.log")]
    assert any("told to fail" in text for text in logs)


def test_jobs_that_are_cancelled_are_not_run_and_nothing_submits_them_again(slurm: Project) -> None:
    queue = FakeQueue(holds=True)
    queue.asked = queue.waiting.clear
    with queue.open():
        run = slurm.here(*words(slurm, *ONE), code=6)
    assert "SLURM or scancel removed it from the queue" in run.stderr
    assert len(queue.submitted) == 3
    assert statuses(slurm) == {}


def interrupted(number: int, times: int) -> FakeQueue:
    """A queue that sends a signal to the element of a fusion as it begins, so many times."""
    met: list[str] = []

    def meets(name: str, job: Job) -> None:
        if job.stage == "fuse" and len(met) < times:
            met.append(name)
            os.kill(os.getpid(), number)

    return FakeQueue(meets=meets)


def test_an_element_whose_time_is_nearly_over_goes_on_in_another_job_of_the_queue(slurm: Project) -> None:
    scratch = slurm.folder.parent / "shared" / "cache" / "scratch"
    queue = interrupted(signal.SIGUSR1, times=1)
    meets = queue.meets

    def stores(name: str, job: Job) -> None:
        meets(name, job)
        (scratch / job.id).mkdir(parents=True, exist_ok=True)
        (scratch / job.id / "checkpoint").touch()

    queue.meets = stores
    with queue.open():
        slurm.here(*words(slurm, *ONE))
    assert statuses(slurm) == {"ok": 1}
    assert [numbers for numbers, _ in queue.submitted] == ["0-0", "1-1", "2-2", "2-2"]
    assert queue.submitted[3][1] == [word for word in queue.submitted[2][1] if "dependency" not in word]


def test_a_job_that_stores_no_checkpoint_and_outlasts_the_queue_is_a_timeout(slurm: Project) -> None:
    with interrupted(signal.SIGUSR1, times=9).open() as queue:
        slurm.here(*words(slurm, *ONE), code=1)
    (record,) = slurm.records()
    assert (record["status"], "slurm.time" in record["reason"]) == ("timeout", True)
    assert len(queue.submitted) == 3


def test_an_element_that_is_told_to_end_ends_and_is_not_repeated(slurm: Project) -> None:
    with interrupted(signal.SIGTERM, times=1).open() as queue:
        run = slurm.here(*words(slurm, *ONE), code=6)
    assert "SLURM or scancel removed it" in run.stderr
    assert len(queue.submitted) == 3


def test_what_was_edited_after_the_submission_makes_nothing_under_old_keys(slurm: Project) -> None:
    suite = Path(slurm.suite.removeprefix("suite="))
    text = suite.read_text().replace("[stats]", "[split]\nseed = 5\n[stats]")
    queue = FakeQueue(asked=lambda: suite.write_text(text) and None)
    with queue.open():
        run = slurm.here(*words(slurm, *ONE), code=5)
    assert "it plans other cells than were submitted (split)" in run.stderr
    assert statuses(slurm) == {}


def test_no_cell_takes_itself_for_a_part_of_a_distributed_training() -> None:
    environment = {
        "SLURM_JOB_ID": "1",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "x",
        "PATH": "/bin",
        "PMI_RANK": "1",
    }
    sbatch.scrub(environment)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("executor=slurm",), '"shared" is missing'),
        (("executor=slurm", "shared=x", "budget=9m"), "slurm.time=2h"),
        (("executor=slurm", "shared=x", "slurm.output=y"), "bench sets it"),
        (("executor=slurm", "shared=x", "slurm.array=0"), "from 1"),
        (("executor=slurm", "shared=x", "slurm.time=soon"), "not a duration"),
        (("slurm.partition=gpu",), "executor=slurm"),
        (("slurm=gpu",), "slurm.partition=gpu"),
    ],
)
def test_words_that_cannot_be_submitted_are_refused_at_once(tmp_path: Path, given: tuple[str, ...], named: str) -> None:
    assert named in Asker(tmp_path).refusal(*given)


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("slurm.deeep.mem=1G", 'did you mean "deep"'),
        ("slurm.cdua.mem=1G", 'did you mean "cuda"'),
        ("slurm.net.mem=1G", "net is not in this run"),
    ],
)
def test_options_for_what_is_not_in_the_run_are_refused(tmp_path: Path, word: str, named: str) -> None:
    asker, there = Asker(tmp_path), ("executor=slurm", "shared=x", "imputer=deep", "fuser=flat")
    assert named in asker.refusal(*there, word)
    for name in ("deep", "flat", "made", "cpu", "cuda"):
        asker.request(*there, f"slurm.{name}.mem=1G")


@pytest.mark.parametrize("word", ["shard=", "executor=", "address="])
def test_empty_words_of_where_a_run_goes_are_to_be_left_out(tmp_path: Path, word: str) -> None:
    assert "leave it out" in Asker(tmp_path).refusal(word)


def test_without_the_queue_a_run_is_refused_before_it_writes_anything(project: Project, tmp_path: Path) -> None:
    run = project.here("run", project.suite, "executor=slurm", f"shared={tmp_path / 'shared'}", code=2)
    assert "sbatch is not on PATH" in run.stderr
    assert "executor=local" in run.stderr
    assert not (project.folder / "results").exists()
    assert not (tmp_path / "shared").exists()
    assert "holds no ledger" in project.here("collect", "out=nowhere", code=2).stderr
    assert not (project.folder / "nowhere").exists()


def test_settings_of_the_queue_are_in_no_key_and_kept_verbatim(tmp_path: Path) -> None:
    asker = Asker(tmp_path)
    there = ("executor=slurm", "shared=x", "slurm.time=10:30", "slurm.gres=gpu:a100:1", "slurm.nodelist=n[1-3,7]")
    request = asker.request(*there)
    assert request.settings.slurm == {"time": "10:30", "gres": "gpu:a100:1", "nodelist": "n[1-3,7]"}
    assert [cell.key for cell in asker.plan(*there).cells] == [cell.key for cell in asker.plan().cells]
    assert request.command(exact=False) == asker.request().command()
    assert request.settings.cache_folder() == Path("x/cache").absolute()


def test_options_of_a_device_and_of_a_component_stand_above_those_for_all() -> None:
    table = {
        "partition": "gpu",
        "gres": "gpu:1",
        "cpu.partition": "long",
        "csdi.mem": "64G",
        "exclusive": "true",
        "array": "9",
    }
    assert sbatch.options(table, "cuda", "csdi") == ["--exclusive", "--gres=gpu:1", "--mem=64G", "--partition=gpu"]
    assert sbatch.options(table, "cpu", "gru") == ["--exclusive", "--partition=long"]


@pytest.mark.parametrize(
    ("word", "written"), [("2h", "120"), ("90s", "2"), ("1-12", "1-12"), ("10:30", "10:30"), ("45", "45")]
)
def test_a_time_is_written_as_slurm_reads_it(word: str, written: str) -> None:
    assert sbatch.minutes(word) == written


def test_jobs_are_divided_by_estimate_and_stay_with_what_they_need() -> None:
    jobs = [fake_job(str(number), estimate=1.0) for number in range(10)] + [fake_job("again", "3", estimate=1.0)]
    parts = divided(jobs, 4, ["b", "a"] * 5 + ["a"])
    assert sorted(job.id for part in parts for job in part) == sorted(job.id for job in jobs)
    assert len(parts) == 4
    assert max(map(len, parts)) <= 4
    (part,) = [part for part in parts if any(job.id == "again" for job in part)]
    ids = [job.id for job in part]
    assert ids.index("3") < ids.index("again")
    assert len(divided(jobs[:2], 64, ["", ""])) == 2


# The programs themselves, by stand-ins


@pytest.fixture
def cluster(slurm: Project, tmp_path: Path) -> Project:
    """The same, with sbatch, squeue and scancel on PATH."""
    slurm.environment |= install(tmp_path / "slurm")
    return slurm


@pytest.mark.slow
def test_an_element_that_is_killed_is_repeated_by_the_programs_of_slurm_too(cluster: Project) -> None:
    queue, beacon = Queue(Path(cluster.environment["FAKE_SLURM"])), cluster.folder / "begun"
    process = cluster.start(
        *words(cluster, *ONE, "fuser=waits,level", "fuser.waits.seconds=3", f"fuser.waits.beacon={beacon}")
    )
    cluster.wait_for(beacon, 250)
    for pid in queue.running().values():
        for each in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
            each.kill()
    _, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    assert "lost with their machines; once again elsewhere" in err
    assert statuses(cluster) == {"ok": 2}
    assert leftovers(cluster) == []
    assert list(cluster.folder.glob("results/ledger/logs/*/10*_*.out")), "what elements printed is kept"


def test_what_the_queue_says_no_to_is_one_line(cluster: Project) -> None:
    fails = Path(cluster.environment["PATH"].partition(os.pathsep)[0]) / "sbatch"
    fails.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpuu' >&2\nexit 1\n")
    run = cluster.bench(*words(cluster, *ONE), code=5)
    assert (
        run.stderr.strip().splitlines()[-1] == "bench: sbatch refused: sbatch: error: invalid partition specified: gpuu"
    )
    answer = json.loads(cluster.bench("collect", "--json").stdout)
    assert [answer[name] for name in ("taken", "queued", "lost")] == [0, 0, 0]
