"""`bench tune` and `bench run tuned=FILE`, run as a person would."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib

import pytest

from support.project import interrupt

pytest.importorskip("optuna")

SMALL = ("imputer=mean", "seed=1", "fuser.gru.epochs=1", "fuser.gru.batch_size=32")


def tuned(project, name="toy"):
    return tomllib.loads((project.folder / "results" / "tuned" / f"{name}.toml").read_text())


@pytest.mark.slow
def test_tuning_ends_in_a_file_that_a_run_shows_beside_the_defaults(project):
    told = project.here("tune", project.suite, *SMALL, "fuser=linear,gru", "trials=3")
    assert "default auroc (validation)" in told.stdout
    assert "task toy; modalities all; scenario natural; imputer mean; seed 1" in told.stderr
    made = tuned(project)
    assert {name: len(fuser["trial"]) for name, fuser in made["method"].items()} == {"linear": 3, "gru": 3}
    assert made["command"].startswith("bench tune suite=")
    again = project.here("tune", project.suite, *SMALL, "fuser=linear,gru", "trials=3")
    assert "ok  toy" not in again.stderr
    assert tuned(project) == made

    command = shlex.split(told.stderr.partition("both rows of each: bench run ")[2].splitlines()[0])
    assert command[:-1] == [project.suite, *SMALL, "fuser=linear,gru"]
    ran = project.here("run", *command)
    assert "4 cells: 4 ok" in ran.stdout
    assert "ok  toy" not in ran.stderr
    table = project.page(project.suite)
    assert "linear(tuned)" in table
    assert "gru(batch_size=32, epochs=1, tuned)" in table
    assert "the best of 3 trials of each fuser by auroc of toy" in table


def test_a_failing_trial_is_shown_and_counted_and_the_exit_code_says_so(project):
    told = project.here("tune", project.suite, "imputer=mean", "fuser=waits", "trials=4", "--json", code=1)
    trials = json.loads(told.stdout)["method"]["waits"]["trial"]
    assert sorted(trial["status"] for trial in trials) == ["failed", "failed", "ok", "ok"]
    assert all(
        "ValueError at bench_toy/parts.py, line " in trial["reason"] for trial in trials if trial["status"] == "failed"
    )
    assert "has no score: failed (ValueError at bench_toy/parts.py, line " in told.stderr
    assert tuned(project)["method"]["waits"]["best"] == 0


def test_a_further_fuser_is_added_to_the_file_and_other_chances_are_refused(project):
    words = ("tune", project.suite, "imputer=mean")
    project.here(*words, "fuser=waits", "fuser.waits.fail=print", "trials=2")
    project.here(*words, "fuser=linear", "trials=2")
    assert list(tuned(project)["method"]) == ["linear", "waits"]
    refused = project.here(*words, "fuser=linear", "trials=3", code=2)
    assert "trials: 2 there, 3 now" in refused.stderr


def test_trials_are_in_the_ledger_but_in_no_table_and_nothing_shows_their_test_scores(project):
    project.here("run", project.suite, "imputer=mean", "seed=1")
    before = project.leaderboard()
    told = project.here("tune", project.suite, "imputer=mean", "seed=2", "trials=2", "fuser.waits.fail=print")
    records = project.records()
    assert len(records) == 3
    assert project.leaderboard() == before
    test, validation = (
        {f"{score:.4f}" for record in records for score in record[part].values()} for part in ("scores", "validation")
    )
    shown = told.stdout + told.stderr + (project.folder / "results" / "tuned" / "toy.toml").read_text()
    assert [score for score in validation if score in shown]
    assert not [score for score in test - validation if score in shown]


def test_a_budget_stops_it_without_a_file_and_the_same_command_goes_on(project):
    words = ("tune", project.suite, "imputer=mean", "fuser=waits", "trials=3", "fuser.waits.fail=print")
    stopped = project.bench(*words, "budget=0.01s", code=6)
    assert "go on with: bench tune" in stopped.stderr
    assert not (project.folder / "results" / "tuned").exists()
    project.bench(*words)
    assert len(tuned(project)["method"]["waits"]["trial"]) == 2


def test_ctrl_c_ends_it_cleanly_and_writes_no_file(project):
    beacon = project.folder / "begun"
    process = project.start(
        "tune", project.suite, "imputer=mean", f"fuser.waits.beacon={beacon}", "fuser.waits.seconds=60"
    )
    project.wait_for(beacon)
    _, err = interrupt(process)
    assert process.returncode == 130
    assert "go on with: bench tune" in err
    assert not (project.folder / "results" / "tuned").exists()


def test_asking_imports_neither_optuna_nor_anything_heavy(project):
    code = """
import sys
from bench.cli.main import main
sys.argv = ["bench", "tune", "suite=toyy"]
try:
    main()
except SystemExit as ended:
    assert ended.code == 2
assert not {"optuna", "torch", "pandas", "scipy", "sklearn"} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.folder, env=project.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_real_stays_are_tuned_under_equal_steps(project, data_root):
    words = (
        "suite=physionet48",
        f"data.root={data_root}",
        "data.sets=a",
        "imputer=mean",
        "seed=42",
        "fuser=linear,gru",
    )
    project.here("tune", *words, "training.steps=30", "trials=2", "to=tuned.toml")
    made = tomllib.loads((project.folder / "tuned.toml").read_text())
    assert made["protocol"]["training"] == {"steps": 30}
    assert made["method"]["gru"]["default"]["steps"] == 30
    assert all(trial["score"] > 0.5 for fuser in made["method"].values() for trial in fuser["trial"])
    rows = ("controls.imputer=", "audits.cells=", "training.steps=30", "tuned=tuned.toml")
    project.here("run", *words, *rows)
    table = project.page("suite=physionet48")
    assert "gru(tuned)" in table
    assert "took 30 optimiser steps" in table
