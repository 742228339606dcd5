"""Runs on a Ray cluster by a stand-in for the library: one task for each job, whatever nodes do.
Ray itself is in test_ray.py.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from support.fake_ray import FakeRay, NodeDiedError, OutOfMemoryError
from support.project import Project

GRID = ("imputer=mean,locf", "fuser=level,waits", "seed=0..2")
ONE = ("imputer=mean", "fuser=level", "seed=1")


@pytest.fixture
def plain(project: Project) -> Project:
    return project.scored_plainly()


def run(project: Project, *words: str, code: int = 0) -> str:
    """What `bench run executor=ray` says on stderr."""
    return project.here("run", project.suite, "executor=ray", *words, code=code).stderr


def statuses(project: Project) -> Counter[str]:
    return Counter(record["status"] for record in project.records())


def test_the_table_is_that_of_a_run_on_this_machine(plain: Project, tmp_path: Path) -> None:
    with FakeRay().open() as ray:
        assert "Ray: 2 nodes, 2 cores, 0 GPUs" in run(plain, *GRID)
    assert {node for _, node in ray.placed} == {"a", "b"}
    assert all(options["max_retries"] == 0 for options in ray.asked)
    other = Project(tmp_path / "other", {**plain.environment, "BENCH_CACHE": str(tmp_path / "cache")}, plain.suite)
    other.folder.mkdir()
    other.here("run", other.suite, *GRID)
    assert plain.leaderboard() == other.leaderboard()
    with FakeRay().open() as ray:
        run(plain, *GRID)
    assert not ray.placed, "what is done is not done again"


def lost(*labels: str, times: int = 1, error: type[Exception] = NodeDiedError) -> FakeRay:
    """A cluster that loses the nodes of tasks with these words in their label, so often."""

    def meets(node: str, label: str, sent: int) -> None:
        if sent <= times and any(word in label for word in labels):
            raise error

    return FakeRay(meets=meets)


@pytest.mark.parametrize("stage", ["prepare", "impute", "waits"])
def test_what_a_lost_node_had_is_repeated_once_on_another_and_the_run_says_so(plain: Project, stage: str) -> None:
    with lost(stage).open() as ray:
        assert "was lost (NodeDiedError); once again elsewhere" in run(plain, *GRID)
    assert statuses(plain) == {"ok": 12}
    twice = [label for label, times in Counter(label for label, _ in ray.placed).items() if times > 1]
    assert twice
    assert all(stage in label for label in twice)
    assert any("done again" in record["provenance"] for record in plain.records()) == (stage == "waits")


@pytest.mark.parametrize(("error", "status"), [(NodeDiedError, "failed"), (OutOfMemoryError, "oom")])
def test_a_job_that_loses_two_nodes_ends_with_a_reason_and_the_others_go_on(
    plain: Project, error: type[Exception], status: str
) -> None:
    with lost("waits", times=2, error=error).open():
        run(plain, "imputer=mean", "fuser=level,waits", "seed=1", code=1)
    assert statuses(plain) == {"ok": 1, status: 1}
    assert next(r["reason"] for r in plain.records() if r["status"] == status).startswith("its machine was lost twice")


def test_what_needs_a_lost_job_ends_with_its_reason(plain: Project) -> None:
    with lost("impute natural mean", times=2).open():
        run(plain, *GRID, code=1)
    assert statuses(plain) == {"ok": 6, "failed": 6}
    assert all("impute natural mean" in r["reason"] for r in plain.records() if r["status"] == "failed")


def test_a_task_that_cannot_begin_ends_the_run_with_its_words(plain: Project) -> None:
    def meets(node: str, label: str, sent: int) -> None:
        raise ModuleNotFoundError("No module named 'bench'")

    with FakeRay(meets=meets).open():
        assert "a node of the Ray cluster cannot do a job: ModuleNotFoundError" in run(plain, *ONE, code=5)
    assert not plain.records()


def test_what_fails_is_a_record_with_a_log(plain: Project) -> None:
    with FakeRay().open():
        run(plain, "imputer=mean", "fuser=waits", "seed=1", "fuser.waits.fail=raise", code=1)
    assert statuses(plain) == {"failed": 1}
    assert any("told to fail" in path.read_text() for path in plain.folder.glob("results/ledger/logs/*.log"))


def test_errors_of_imputations_come_without_a_common_cache(plain: Project, tmp_path: Path) -> None:
    project = Project(plain.folder, plain.environment, f"suite={Path(__file__).parents[1] / 'support' / 'hidden.toml'}")

    def meets(node: str, label: str, sent: int) -> None:
        os.environ["BENCH_CACHE"] = str(tmp_path / f"cache-of-{node}")  # put back behind the command

    with FakeRay(meets=meets).open():
        run(project)
    assert {record["status"] for record in project.records()} == {"ok"}
    scored = [record for record in project.records() if record["imputation"]]
    assert scored
    assert all(record["imputation_errors"] for record in scored)


def test_no_more_tasks_are_sent_than_workers_are_wanted(plain: Project) -> None:
    with FakeRay(cores={"a": 8}).open() as ray:
        run(plain, *GRID, "workers=3")
    assert ray.most == 3


def test_wishes_are_those_for_all_below_those_of_a_method(plain: Project) -> None:
    with FakeRay().open() as ray:
        run(plain, *GRID, "ray.memory=100MiB", "ray.waits.memory=1MiB", "ray.waits.cpus=0.5")
    wishes = {options["name"]: (options["num_cpus"], options["memory"]) for options in ray.asked}
    assert {wish for label, wish in wishes.items() if "waits" in label} == {(0.5, 2**20)}
    assert {wish for label, wish in wishes.items() if "waits" not in label} == {(1.0, 100 * 2**20)}


def test_a_wish_that_no_node_can_meet_is_a_warning(plain: Project) -> None:
    with FakeRay().open():
        assert "and no node has more than 1e+09: it waits until one comes" in run(plain, *ONE, "ray.memory=64GiB")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("ray.color=red", "accepted: cpus, gpus, memory"),
        ("ray.cpus=none", "a number above 0"),
        ("ray.cpus=-1", "a number above 0"),
        ("ray.memory=much", "ray.memory"),
        ("device=cuda:1", "Ray chooses the GPU; give device=cuda"),
        ("slurm.partition=gpu", "has no effect without executor=slurm"),
    ],
)
def test_words_that_no_task_can_follow_are_refused_at_once(plain: Project, word: str, message: str) -> None:
    with FakeRay().open() as ray:
        assert message in run(plain, *ONE, word, code=2)
    assert not ray.placed


@pytest.mark.parametrize("word", ["ray.memory=1GiB", "address=HEAD:6379"])
def test_words_of_a_cluster_have_no_effect_on_this_machine(plain: Project, word: str) -> None:
    done = plain.here("run", plain.suite, *ONE, word, code=2)
    assert "has no effect without executor=ray" in done.stderr


def test_without_the_library_the_command_says_what_to_type(plain: Project) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        assert "pip install 'gapbench[ray]'" in run(plain, *ONE, code=2)


def test_what_was_edited_on_a_node_makes_nothing_under_old_keys(plain: Project) -> None:
    file = Path(plain.suite.partition("=")[2])
    before = file.read_text()

    def meets(node: str, label: str, sent: int) -> None:
        file.write_text(f"{before}\n[scaling]\nwinsorise = 3\n")

    with FakeRay(meets=meets).open():
        message = run(plain, *ONE, code=5)
    assert "it plans other cells than were submitted (scaling); run the same command again" in message
    assert not plain.records()
