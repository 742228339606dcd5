"""`bench run`: the grid is finished, whatever happens on the way, and every cell has a status."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter

import pytest

from bench.data.places import keyed
from support.project import Project, interrupt

ONE = ("imputer=mean", "seed=1")


@pytest.fixture
def project(project: Project) -> Project:
    return project.scored_plainly()


def statuses(project: Project) -> Counter[str]:
    return Counter(record["status"] for record in project.records())


def test_every_planned_cell_has_a_record_and_a_second_run_does_no_work(project):
    first = project.bench("run", project.suite)
    assert "4 cells: 4 ok" in first.stdout
    assert statuses(project) == {"ok": 4}
    again = project.bench("run", project.suite)
    assert "4 done before" in again.stderr
    assert "impute" not in again.stderr.replace("imputer", "")


def test_a_failing_cell_is_shown_with_its_reason_and_the_others_go_on(project):
    run = project.bench("run", project.suite, *ONE, "fuser=waits,level", "fuser.waits.fail=raise", code=1)
    assert "ValueError at bench_toy/parts.py" in run.stderr
    assert "told to fail" in run.stderr
    assert "what it said, which stays on this machine: " in run.stderr
    assert "results/ledger/logs/" in run.stderr
    assert statuses(project) == {"ok": 1, "failed": 1}
    table = project.leaderboard().decode()
    assert "ValueError at bench_toy/parts.py, line" in table
    assert "told to fail" not in table
    logs = list((project.folder / "results/ledger/logs").glob("*.log"))
    assert any("Traceback" in log.read_text() for log in logs)
    planned = project.here("plan", project.suite, *ONE, "fuser=waits,level", "fuser.waits.fail=raise").stdout
    assert "failed, 1 cell: ValueError at bench_toy/parts.py, line" in planned
    scratch = project.folder.parent / "cache" / "scratch"
    assert not [path for path in scratch.rglob("*") if path.is_dir() and not any(path.iterdir())]


def has_logs(project):
    """Whether each cell that did not end well has a log, by its key."""
    bad = [record["key"] for record in project.records() if record["status"] not in ("ok", "skipped")]
    return bool(bad) and all((project.folder / f"results/ledger/logs/{key}.log").read_text() for key in bad)


def test_a_worker_that_dies_costs_its_own_cell_only(project):
    project.bench("run", project.suite, "imputer=mean", "fuser=waits,level", "fuser.waits.fail=die", code=1)
    assert statuses(project) == {"ok": 2, "failed": 2}
    assert has_logs(project)


def test_a_cell_over_its_time_limit_is_a_timeout(project):
    run = project.bench("run", project.suite, *ONE, "fuser.waits.seconds=60", "limits.time=1s", code=1)
    assert "longer than limits.time = 1 s" in run.stderr
    assert statuses(project) == {"timeout": 1}
    assert has_logs(project)


def test_a_cell_over_its_memory_limit_is_out_of_memory(project):
    words = ("fuser.waits.megabytes=900", "fuser.waits.seconds=30", "limits.memory=600MiB")
    project.bench("run", project.suite, *ONE, *words, code=1)
    assert statuses(project) == {"oom": 1}
    assert has_logs(project)


def test_what_failed_is_tried_again_by_the_next_run_unless_retry_is_off(project):
    failing = ("run", project.suite, *ONE, "fuser.waits.fail=raise")
    project.here(*failing, code=1)
    assert "1 done before" in project.here(*failing, "retry=false", code=1).stderr
    assert "0 done before" in project.here(*failing, code=1).stderr


def test_a_budget_stops_what_no_longer_fits_and_says_how_to_go_on(project):
    words = ("run", project.suite, "seed=0..5", "imputer=mean", "fuser.waits.seconds=1.5", "workers=1")
    run = project.bench(*words, "budget=8s", code=6)
    assert "go on with: bench run" in run.stderr
    done = statuses(project)["ok"]
    assert 1 <= done < 6
    assert "not-run" in project.leaderboard().decode()
    project.bench(*words)
    assert statuses(project) == {"ok": 6}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_cleanly_and_the_same_command_goes_on(project, number, code):
    beacon = project.folder / "begun"
    words = ("run", project.suite, *ONE, f"fuser.waits.beacon={beacon}")
    process = project.start(*words, "fuser.waits.seconds=60")
    project.wait_for(beacon)
    _, err = interrupt(process, number)
    assert process.returncode == code
    assert "go on with" in err
    assert "Traceback" not in err
    assert statuses(project) == {}
    project.bench(*words)
    assert statuses(project) == {"ok": 1}


def test_kill_9_in_the_middle_loses_at_most_the_running_cells_and_the_table_is_the_same(project, tmp_path):
    beacon = project.folder / "begun"
    words = ("run", project.suite, "fuser=level,waits", f"fuser.waits.beacon={beacon}", "workers=1")
    process = project.start(*words, "fuser.waits.seconds=0.4")
    project.wait_for(beacon)
    process.kill()
    process.wait()
    before = len(project.records())
    assert 0 < before < 8
    project.bench(*words, "fuser.waits.seconds=0.4")
    resumed = project.leaderboard()
    environment = {**project.environment, "BENCH_CACHE": str(tmp_path / "other-cache")}
    other = Project(tmp_path / "other", environment, project.suite)
    other.folder.mkdir()
    other.bench(*words[:-1], "fuser.waits.seconds=0.4", "workers=2", "shuffle=3")
    assert other.leaderboard() == resumed


def test_two_runs_on_one_ledger_do_not_meet(project):
    beacon = project.folder / "begun"
    words = ("run", project.suite, *ONE, f"fuser.waits.beacon={beacon}", "fuser.waits.seconds=60")
    process = project.start(*words)
    project.wait_for(beacon)
    second = project.bench(*words, code=5)
    assert "another bench run" in second.stderr
    assert second.stderr.strip().splitlines()[-1].startswith("bench: another bench run")
    interrupt(process)


def test_what_a_library_prints_never_reaches_the_answer(project):
    assert "chatter" not in project.bench("run", project.suite, *ONE, "fuser.waits.fail=print", "--json").stdout


def test_a_broken_promise_that_an_audit_finds_is_said_and_shown(project):
    """Other promises: tests/run/test_cells.py."""
    run = project.here("run", project.suite, *ONE, "fuser=peeks", code=7)
    assert "audit failed: peeks: batch-independent" in run.stderr
    table = project.leaderboard().decode()
    assert "batch-independent" in table
    assert "FAIL" in table.upper()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 260 MiB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_in_the_middle_is_one_clear_line_and_what_was_finished_stays(project, small_disk):
    beacon = project.folder / "begun"
    out = f"out={small_disk / 'out'}"
    words = ("run", project.suite, "imputer=mean", "seed=1", "fuser=level,waits", "workers=1", out)
    process = project.start(*words, f"fuser.waits.beacon={beacon}", "fuser.waits.seconds=3")
    project.wait_for(beacon)
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb") as filler:
        while True:
            filler.write(b"x" * 2**16)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "the disk is full" in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    (small_disk / "filler").unlink()
    again = project.bench(*words, f"fuser.waits.beacon={beacon}", "fuser.waits.seconds=3")
    assert "2 cells, 1 done before" in again.stderr


def test_a_disk_with_no_room_is_refused_before_anything_runs(project, small_disk):
    (small_disk / "filler").write_bytes(bytes(100 * 2**20))
    run = project.bench("run", project.suite, f"out={small_disk / 'out'}", code=5)
    assert "MiB are free" in run.stderr.strip().splitlines()[-1]
    assert project.records() == []


@pytest.mark.parametrize("key", ["out", "cache"])
def test_a_folder_that_cannot_be_written_is_one_clear_line(project, key):
    run = project.bench("run", project.suite, f"{key}=/proc/nowhere", code=5)
    lines = run.stderr.strip().splitlines()
    assert "/proc/nowhere" in lines[-1]
    assert "cannot write" in lines[-1]


def test_a_damaged_fragment_is_ignored_said_and_made_again(project):
    project.here("run", project.suite, *ONE)
    path = next(project.folder.glob("results/ledger/cells/*/*.json"))
    path.write_bytes(path.read_bytes().replace(b'"status":"ok"', b'"status":"xx"'))
    assert "damaged" in project.here("run", project.suite, *ONE).stderr
    assert statuses(project) == {"ok": 1}


@pytest.mark.parametrize("command", ["report", "gate", "baseline pin", "baseline diff", "plot rates"])
def test_without_a_run_the_answer_is_what_to_type(project, command):
    refused = project.here(*command.split(), project.suite, code=2).stderr
    assert f"first: bench run {project.suite}" in refused


def test_a_training_interrupted_in_the_middle_of_a_run_ends_with_the_same_bits(project, tmp_path):
    words = ("run", project.suite, *ONE, "fuser=gru", "fuser.gru.epochs=150", "fuser.gru.patience=0")
    process = project.start(*words, "fuser.gru.checkpoint_seconds=0.2")
    scratch = project.folder.parent / "cache" / "scratch"
    project.wait_for(scratch)
    while not list(scratch.rglob("*.safetensors")):
        assert process.poll() is None
    interrupt(process)
    assert process.returncode == 130
    assert statuses(project) == {}
    project.bench(*words, "fuser.gru.checkpoint_seconds=0.2")
    environment = {**project.environment, "BENCH_CACHE": str(tmp_path / "other-cache")}
    other = Project(tmp_path / "other", environment, project.suite)
    other.folder.mkdir()
    other.bench(*words, "fuser.gru.checkpoint_seconds=0.2")
    assert project.records()[0]["predictions"] == other.records()[0]["predictions"]
    assert not list(scratch.iterdir())


def test_progress_on_a_terminal_shows_what_runs_and_how_long_it_will_take(project):
    import pty

    main, follower = pty.openpty()
    words = ("run", project.suite, *ONE, "fuser.waits.seconds=2")
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *words], cwd=project.folder, env=project.environment,
        stdout=subprocess.PIPE, stderr=follower, stdin=follower,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(main, 4096):
            seen += chunk
    assert process.wait(60) == 0
    assert b"0/1 cells" in seen
    assert b"left" in seen
    assert b"mean x waits" in seen


def test_a_changed_file_of_the_cache_ends_the_run_and_the_same_command_goes_on(project):
    """Other kinds of files and harm: tests/run/test_damaged_cache.py."""
    project.here("run", project.suite, *ONE)
    before = project.records()[0]["predictions"]
    path = next(keyed(project.folder.parent / "cache", "imputations").rglob("*.safetensors"))
    content = path.read_bytes()
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 255, content[-1]]))
    again = project.here("run", project.suite, *ONE, "out=other", code=5)
    assert "its digest does not match; it was removed: run the same command again" in again.stderr
    project.here("run", project.suite, *ONE, "out=other")
    made = json.loads(next(project.folder.glob("other/ledger/cells/*/*.json")).read_bytes())["record"]
    assert made["predictions"] == before


def test_predictions_that_are_lost_or_changed_cost_a_warning_and_are_made_again(project):
    project.here("run", project.suite)
    table = project.leaderboard()
    path = next(project.folder.glob("results/ledger/cells/*/*.npz"))
    path.write_bytes(path.read_bytes() + b"x")
    for statistics in project.folder.glob("results/ledger/statistics/*"):
        statistics.unlink()
    warned = project.here("report", project.suite)
    assert "do not match their record" in warned.stderr
    assert "4 cells, 3 done before" in project.here("run", project.suite).stderr
    assert project.leaderboard() == table


@pytest.mark.parametrize("cache", ["kept", "lost"])
@pytest.mark.parametrize("kind", ["errors", "cells"])
def test_arrays_of_the_ledger_that_were_changed_are_named_and_made_again_by_the_next_run(project, kind, cache):
    words = ("run", project.suite, *ONE, "scenario=mcar", "scenario.mcar.rate=0.3")
    project.here(*words)
    table = project.leaderboard()
    path = next(project.folder.glob(f"results/ledger/{kind}/*/*.npz"))
    before = path.read_bytes()
    path.write_bytes(before[:-9] + bytes([before[-9] ^ 1]) + before[-8:])
    if cache == "lost":
        shutil.rmtree(project.folder.parent / "cache")
    assert f"warning: {path.name} in the ledger was damaged" in project.here(*words).stderr
    assert path.read_bytes() == before
    assert project.leaderboard() == table
    assert "damaged" not in project.here(*words).stderr


def test_damaged_cells_whose_turn_does_not_come_are_counted_as_left_and_not_said_to_be_made_again(project):
    words = ("run", project.suite, "imputer=mean", "seed=1..3", "workers=1")
    project.bench(*words)
    for path in project.folder.glob("results/ledger/cells/*/*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    run = project.bench(*words, "budget=0.01", code=None)
    left = re.search(r"(\d+) cells are left", run.stderr)
    assert left
    assert f"{left[1]} not-run" in run.stdout
    assert "is made again when the run goes on" in run.stderr
    assert "was made again" not in run.stderr


def test_a_listener_that_leaves_costs_no_cell(project):
    process = project.start("run", project.suite)
    process.stderr.close()
    assert process.stdout.read().strip() == "toy (synthetic cohort): 4 cells: 4 ok"
    assert process.wait(60) == 0


def test_a_budget_below_every_estimate_still_gets_something_done(project):
    project.bench("run", project.suite, "imputer=mean", "budget=0.1s", code=6)
    for _ in range(4):
        if project.bench("run", project.suite, "imputer=mean", "budget=20s", code=None).returncode == 0:
            break
    assert statuses(project) == {"ok": 2}


def test_a_signal_while_a_failed_cell_is_tried_again_is_a_stop_and_not_a_failure(project):
    beacon = project.folder / "begun"
    words = ("run", project.suite, *ONE, f"fuser.waits.beacon={beacon}", "fuser.waits.seconds=60")
    project.bench(*words, "limits.time=1s", code=1)
    beacon.unlink()
    process = project.start(*words)
    project.wait_for(beacon)
    _, err = interrupt(process)
    assert process.returncode == 130
    assert "go on with" in err


def test_a_report_shows_the_last_run_whatever_is_said_of_how_it_ran(project):
    project.here("run", project.suite, "seed=7")
    plain = project.leaderboard()
    assert b"not-run" not in plain
    assert project.leaderboard("cache=elsewhere", "workers=1") == plain


def test_words_that_select_more_than_was_run_are_answered_with_those_that_narrow_the_last_run(project):
    project.here("run", project.suite, "imputer=mean")
    said = project.here("report", project.suite, "seed=1")
    again = re.search(
        r"(\d+) of the (\d+) cells that these words select were not run; .*: (bench report .+)", said.stderr
    )
    assert again, said.stderr
    assert again.groups()[:2] == ("1", "2")
    narrowed = project.here(*shlex.split(again[3])[1:])
    assert "were not run" not in narrowed.stderr
