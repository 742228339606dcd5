"""Processes of a run: signals, what cells leave behind, limits of all that a component starts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from bench.execute import tree
from bench.execute.executors.local import shorten
from bench.execute.surroundings import torch_at_first
from benchmarks.kills import WAYS, siege
from support.project import SUPPORT, Project

sys.path.insert(0, str(SUPPORT))
from bench_toy.unruly import CHANGES, ERRORS, LEAVINGS

ONE = ("imputer=mean", "seed=1", "workers=1")


@pytest.fixture
def project(project: Project) -> Project:
    return project.scored_plainly()


def statuses(project: Project) -> Counter[str]:
    return Counter(record["status"] for record in project.records())


def running(word: str) -> list[psutil.Process]:
    """Processes with a word on their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if word in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


# Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_whole_group_leaves_time_for_a_checkpoint_and_fails_no_cell(project, number, code):
    words = ("run", project.suite, "imputer=mean", "fuser=gru", "fuser.gru.epochs=150", "fuser.gru.patience=0")
    process = project.start(*words, "fuser.gru.checkpoint_seconds=0.2", group=True)
    scratch = project.folder.parent / "cache" / "scratch"
    project.wait_for(scratch)
    while not list(scratch.rglob("*.safetensors")):
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert statuses(project) == {}
    assert list(scratch.rglob("*.safetensors"))


@pytest.mark.slow
def test_a_run_that_is_ended_at_any_moment_loses_nothing_and_ends_with_the_same_table(tmp_path):
    """Also while workers start; `benchmarks/kills.py` does it a hundred times."""
    ends = list(siege(tmp_path, kills=6, seed=81))
    assert [fault for end in ends for fault in end.faults] == []
    assert sum(not end.finished for end in ends) >= 6
    assert {end.way for end in ends} == set(WAYS), "the seed draws each way among the first six"


@pytest.mark.parametrize("command", [("plan",), ("report",), ("list", "imputers"), ("run",)], ids=lambda c: c[0])
def test_an_interrupt_in_the_first_second_is_one_line_and_130(project, command):
    """From the first line of ours on; what Python does before that is not in our hands."""
    line = [sys.executable, "-c", INTERRUPTED, *command, *([project.suite] if command[0] != "list" else [])]
    for moment in (0.0, 0.01, 0.03, 0.06, 0.1, 0.2):
        environment = {**project.environment, "MOMENT": str(moment)}
        done = subprocess.run(line, cwd=project.folder, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode == 130:
            assert done.stderr.strip().splitlines()[-1].startswith("bench: stopped by Ctrl-C")
        else:  # it was done before
            assert done.returncode in (0, 2), done.stderr  # 2: there is no run to report yet


INTERRUPTED = """
import os, signal, sys, threading
import bench.cli.start
signal.signal(signal.SIGINT, signal.default_int_handler)
moment = float(os.environ["MOMENT"])
before = signal.signal
def first(*words):  # the handlers stand: from now on it may come
    signal.signal = before
    result = before(*words)
    threading.Timer(moment, os.kill, (os.getpid(), signal.SIGINT)).start() if moment else os.kill(os.getpid(), signal.SIGINT)
    return result
signal.signal = first
sys.argv = ["bench", *sys.argv[1:]]
bench.cli.start.main()
"""


def test_an_interrupt_that_somebody_swallows_is_still_an_interrupt(project):
    code = INTERRUPTED_INSIDE
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.folder, env=project.environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.strip().splitlines()) == (
        130,
        ["bench: stopped by Ctrl-C; the same command goes on"],
    )


INTERRUPTED_INSIDE = """
import os, signal, sys
import bench.cli.start, bench.cli.main
signal.signal(signal.SIGINT, signal.default_int_handler)
def command():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        raise ImportError("a library that takes an interrupt for a missing file")
    return 0, ""
bench.cli.main.outcome = command
try:
    bench.cli.start.main()
except ImportError:
    sys.exit("escaped")
"""


def test_a_fault_that_nobody_foresaw_is_one_line_with_a_log_and_its_own_exit_code(project):
    code = (
        "import sys, bench.cli.start, bench.cli.describe; sys.argv = ['bench', 'doctor']\n"
        "bench.cli.describe.doctor.callback = lambda **words: {}['missing \\udcff']\nbench.cli.start.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.folder, env=project.environment, capture_output=True, text=True
    )
    assert done.returncode == 70
    (line,) = done.stderr.strip().splitlines()
    log = Path(re.search(r"log (\S+)$", line)[1])
    assert "KeyError" in log.read_text()
    log.unlink()


def test_output_works_in_any_encoding(project):
    project.here("run", project.suite, "imputer=mean")
    for encoding in ("ascii", "cp1252", "latin-1", "utf-8"):
        environment = {**project.environment, "PYTHONIOENCODING": encoding}
        for words in (("report", project.suite, "--print"), ("list", "imputers"), ("plan", project.suite)):
            line = [sys.executable, "-m", "bench", *words]
            done = subprocess.run(line, cwd=project.folder, env=environment, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            assert done.stdout.decode(encoding)


# What a cell leaves behind


def test_no_cell_sees_what_another_one_changed(project):
    log = project.folder / "log"
    words = (f"fuser.unruly.log={log}", f"fuser.unruly.does={','.join(CHANGES)}")
    run = project.bench("run", project.suite, *ONE, "fuser=unruly", *words)
    assert statuses(project) == {"ok": len(CHANGES)}
    lines = log.read_text().splitlines()
    assert len(lines) == len(CHANGES)
    assert len(set(lines)) == 1, "one worker, and every cell began in the same surroundings"
    assert "left behind" not in run.stderr
    assert not any("left behind" in record["provenance"] for record in project.records())
    assert not running("helper-of-a-cell")


@pytest.mark.parametrize("leaving", LEAVINGS)
def test_where_something_cannot_be_put_back_the_worker_is_replaced_and_the_record_says_so(project, leaving):
    log = project.folder / "log"
    words = (f"fuser.unruly.log={log}", f"fuser.unruly.does={leaving},environment")
    run = project.bench("run", project.suite, *ONE, "fuser=unruly", *words)
    said = [record["provenance"].get("left behind", "") for record in project.records()]
    assert sorted(map(bool, said)) == [False, True]
    assert leaving in max(said)
    assert "left behind" in run.stderr
    assert len({line.split()[0] for line in log.read_text().splitlines()}) == 2, "another process"
    assert len({line.split(" ", 1)[1] for line in log.read_text().splitlines()}) == 1, "the same surroundings"


def test_what_torch_is_at_first_is_what_a_fresh_process_says():
    code = (
        "import torch; from bench.execute import surroundings as s;"
        "print({n: r() for n, (r, w) in s._torch().items()} == s.torch_at_first())"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert torch_at_first()


# Errors and ends of components


@pytest.mark.parametrize("error", ERRORS)
def test_what_a_component_raises_of_its_own_ends_its_cell_and_not_the_run(project, error):
    words = ("fuser=unruly,waits", f"fuser.unruly.raises={error}")
    project.bench("run", project.suite, *ONE, *words, code=1)
    assert statuses(project) == {"ok": 1, "failed": 1}
    reason = next(record["reason"] for record in project.records() if record["status"] == "failed")
    assert error in reason


def test_a_component_may_use_processes_of_its_own(project):
    project.bench("run", project.suite, *ONE, "fuser=unruly", "fuser.unruly.then=load")
    assert statuses(project) == {"ok": 1}


@pytest.mark.parametrize("end", ["", "die", "wait"])
def test_a_process_that_forked_away_ends_with_its_cell_however_that_ends(project, end):
    beacon = project.folder / "begun"
    words = ["fuser=unruly", "fuser.unruly.does=daemon", f"fuser.unruly.beacon={beacon}"]
    words += [f"fuser.unruly.then={end}"] * bool(end)
    limit = "20s" if end == "wait" else "4m"
    project.bench("run", project.suite, *ONE, *words, f"limits.time={limit}", code=int(bool(end)))
    assert statuses(project) == {{"": "ok", "die": "failed", "wait": "timeout"}[end]: 1}
    assert not running("forked-away")


def test_memory_of_a_process_that_a_component_started_counts(project):
    words = ("fuser=unruly", "fuser.unruly.then=grow", "fuser.unruly.megabytes=900", "limits.memory=700MiB")
    project.bench("run", project.suite, *ONE, *words, code=1)
    assert statuses(project) == {"oom": 1}


def test_a_worker_that_prints_without_end_does_not_fill_the_disk(project):
    project.bench("run", project.suite, *ONE, "fuser=unruly", "fuser.unruly.then=print")
    logs = list((project.folder / "results/ledger/logs").glob("worker-*.log"))
    assert sum(log.stat().st_size for log in logs) < 24 * 2**20


def test_of_a_log_that_is_too_long_the_newest_lines_are_kept(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n" for n in range(10_000)))
    shorten(log, 2**20)
    assert log.read_text().startswith("line 0\n")
    shorten(log, 1600)
    assert log.read_text().endswith("line 9998\nline 9999\n")
    assert log.stat().st_size < 200


def test_memory_that_processes_share_counts_once():
    code = (
        "import multiprocessing as m, time, sys\n"
        "x = bytearray(200 * 2**20)\n"
        "def child(): time.sleep(60)\n"
        "p = [m.get_context('fork').Process(target=child) for _ in range(3)]\n"
        "[one.start() for one in p]; print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "ready"
        assert 200 * 2**20 < tree.memory(process.pid, limit=0) < 320 * 2**20
    finally:
        tree.end([*tree.descendants(process.pid), psutil.Process(process.pid)])
        process.wait()


def test_a_worker_that_dies_before_it_is_ready_costs_a_retry_and_not_the_run(project, tmp_path):
    """The first worker dies while it starts; those after it are left alone."""
    site = tmp_path / "dies"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'spawn_main' in ' '.join(sys.orig_argv):\n"
        f"    try: os.mkdir({str(tmp_path / 'died')!r})\n"
        "    except FileExistsError: pass\n"
        "    else: os._exit(9)\n"
    )
    project.environment["PYTHONPATH"] = os.pathsep.join([str(site), project.environment["PYTHONPATH"]])
    project.bench("run", project.suite, *ONE)
    assert (tmp_path / "died").is_dir()
    assert statuses(project) == {"ok": 1}


def test_workers_that_never_start_end_the_run_with_one_line(project, tmp_path):
    site = tmp_path / "dies"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import os, sys\nif 'spawn_main' in ' '.join(sys.orig_argv): os._exit(9)\n")
    project.environment["PYTHONPATH"] = os.pathsep.join([str(site), project.environment["PYTHONPATH"]])
    run = project.bench("run", project.suite, *ONE, code=1)
    assert "a worker process cannot start (exit status 9)" in run.stderr.splitlines()[-1]
