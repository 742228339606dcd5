"""Runs on a Ray cluster of two nodes on this machine: the same table as without it, whatever ends
on the way.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.project import Project

pytest.importorskip("ray")
pytestmark = [pytest.mark.extras, pytest.mark.timeout(600)]

HEAD = 6379
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": "0"}
SIZES = ("--num-cpus=1", "--memory=2000000000", "--object-store-memory=200000000", "--disable-usage-stats")


def ray(environment: dict[str, str], *words: str) -> None:
    """`ray start`, under a time limit of our own: towards a head that is not there it waits."""
    program = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, *SIZES]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def raylets() -> list[psutil.Process]:
    """Those of this machine, the oldest first."""
    processes = [each for each in psutil.process_iter(["name", "create_time"]) if each.info["name"] == "raylet"]
    return sorted(processes, key=lambda each: each.info["create_time"])


@pytest.fixture
def cluster(project: Project) -> Iterator[Project]:
    """A project beside a head and a second node, each with one core."""
    if raylets():
        pytest.skip("another Ray cluster runs on this machine")
    project = project.scored_plainly()
    project.environment |= QUIET
    short = tempfile.mkdtemp(prefix="ray-")  # names of sockets below it have 107 characters at most
    before = {process.pid for process in psutil.process_iter()}
    ray(project.environment, "--head", f"--port={HEAD}", "--include-dashboard=false", f"--temp-dir={short}")
    try:
        ray(project.environment, f"--address=127.0.0.1:{HEAD}")
        yield project
    finally:
        ours = [
            p
            for p in psutil.process_iter(["cmdline"])
            if p.pid not in before and "ray" in " ".join(p.info["cmdline"] or [])
        ]
        for process in ours:  # never `ray stop`, which ends every Ray of the machine
            process.kill()
        psutil.wait_procs(ours, timeout=20)
        shutil.rmtree(short, ignore_errors=True)


def words(project: Project, *more: str) -> tuple[str, ...]:
    return ("run", project.suite, "executor=ray", f"address=127.0.0.1:{HEAD}", *more)


def statuses(project: Project) -> Counter[str]:
    return Counter(record["status"] for record in project.records())


def test_sixty_cells_on_two_nodes_give_the_leaderboard_of_a_local_run(cluster: Project, tmp_path: Path) -> None:
    grid = ("imputer=mean,locf,around", "fuser=level,waits", "seed=0..9")
    done = cluster.bench(*words(cluster, *grid))
    assert "2 nodes, 2 cores" in done.stderr
    assert statuses(cluster) == {"ok": 60}
    other = Project(tmp_path / "local", {**cluster.environment, "BENCH_CACHE": str(tmp_path / "cache")}, cluster.suite)
    other.folder.mkdir()
    other.bench("run", other.suite, *grid)
    assert cluster.leaderboard() == other.leaderboard()


def test_a_node_that_is_lost_costs_no_cell_and_the_run_says_so(cluster: Project) -> None:
    process = cluster.start(*words(cluster, "imputer=mean,locf", "fuser=waits", "fuser.waits.seconds=4", "seed=0..3"))
    deadline = time.monotonic() + 120
    while len(list(cluster.folder.glob("results/ledger/cells/*/*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    raylets()[-1].kill()
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    assert statuses(cluster) == {"ok": 8}
    assert re.search("was lost .*; once again elsewhere", err)
    assert any("done again" in record["provenance"] for record in cluster.records())


def test_a_stop_ends_the_run_in_order_and_the_cluster_goes_on(cluster: Project) -> None:
    grid = ("imputer=mean", "fuser=waits", "fuser.waits.seconds=3", "seed=0..5")
    process = cluster.start(*words(cluster, *grid))
    deadline = time.monotonic() + 120
    while not list(cluster.folder.glob("results/ledger/cells/*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(2)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert len(raylets()) == 2
    cluster.bench(*words(cluster, *grid))
    assert statuses(cluster) == {"ok": 6}


def test_what_is_not_as_it_was_sent_is_refused_with_the_name_of_the_node(cluster: Project) -> None:
    done = cluster.bench(*words(cluster, "ray.memory=64GiB", "seed=1", "budget=5s"), code=None)
    assert "no node has more than" in done.stderr
    refused = cluster.bench("run", cluster.suite, "executor=ray", "address=127.0.0.1:1", code=2)
    assert "no Ray cluster can be used at address=127.0.0.1:1" in refused.stderr
    assert os.environ.get("RAY_ADDRESS") is None
