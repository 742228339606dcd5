"""Every run is kept, and each command that shows a run can show an earlier one."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest

from bench.leaderboard import load_export
from support.commanding import command as here_said
from support.commanding import folder
from support.editing import editing
from support.made_runs import made_run, noisy, save_runs
from support.project import Project

ONE = ("imputer=mean", "seed=1")


@pytest.fixture
def project(project: Project) -> Project:
    return project.scored_plainly()


def runs(project: Project) -> list[dict]:
    return json.loads(project.here("runs", "--json").stdout)


def test_two_runs_are_two_files_with_names_dates_and_revisions(project: Project) -> None:
    project.here("run", project.suite, *ONE, "name=first")
    told = project.here("run", project.suite, "seed=1")
    first, second = runs(project)
    assert f"kept as run {second['run']['name']}" in told.stderr
    assert (first["suite"], first["run"]["name"], first["run"]["status"]) == ("toy", "first", {"ok": 1})
    assert second["run"]["status"] == {"ok": 2}
    assert first["run"]["date"] <= second["run"]["date"]
    assert second["run"]["date"].startswith(f"{second['run']['name'][:4]}-")
    assert len(load_export(project.folder / second["file"]).records) == 2
    assert [line.split()[1] for line in project.here("runs").stdout.splitlines()] == ["first", second["run"]["name"]]


def test_a_name_is_given_once_and_a_bad_one_is_refused_before_anything_runs(project: Project) -> None:
    project.here("run", project.suite, *ONE, "name=first")
    for name, words in {"first": "has it", "last": "stands for the last run", "a/b": "is not accepted"}.items():
        refused = project.here("run", project.suite, "seed=1", f"name={name}", code=2)
        assert words in refused.stderr
        assert len(project.records()) == 1


def test_a_run_that_cannot_be_kept_is_a_warning_since_its_results_are_in_the_ledger(project: Project) -> None:
    results = project.folder / "results"
    results.mkdir()
    (results / "runs").write_text("in the way")
    ended = project.here("run", project.suite, *ONE)
    assert "warning: this run is not among bench runs: " in ended.stderr
    assert "kept as" not in ended.stderr
    assert len(project.records()) == 1


def test_a_run_with_failures_is_kept_with_them(project: Project) -> None:
    project.here("run", project.suite, *ONE, "fuser.waits.fail=raise", "name=broken", code=1)
    [kept] = runs(project)
    assert kept["run"]["status"] == {"failed": 1}
    assert "told to fail" not in (project.folder / kept["file"]).read_text()


def test_a_run_that_the_budget_stops_is_kept_so_and_goes_on_under_its_name(project: Project) -> None:
    words = ("run", project.suite, "seed=0..5", "imputer=mean", "fuser.waits.seconds=1.5", "workers=1", "name=long")
    project.bench(*words, "budget=8s", code=6)
    [stopped] = runs(project)
    assert stopped["run"]["stopped"] == "the budget ended"
    assert stopped["run"]["status"]["not-run"] >= 1
    project.bench(*words)
    [ended] = runs(project)
    assert (ended["run"]["stopped"], ended["run"]["status"]) == ("", {"ok": 6})


def test_a_report_of_an_earlier_run_shows_it_as_it_was_in_a_file_of_its_own(project: Project) -> None:
    project.here("run", project.suite, *ONE, "name=first")
    project.here("run", project.suite, "seed=1")
    paths = [Path(each) for each in project.here("report", project.suite, "run=first").stdout.split()]
    assert {path.name.partition(".")[0] for path in paths} == {next(p.stem for p in paths if p.suffix == ".md")}
    page = (project.folder / next(path for path in paths if path.suffix == ".md")).read_text()
    assert "Run `first` (" in page
    assert "1 planned cell: 1 ok" in page
    assert "2 planned cells" in project.page(project.suite)
    assert "leave out: imputer" in project.here("report", project.suite, "run=first", "imputer=mean", code=2).stderr
    assert "give run=NAME" in project.here("report", project.suite, "name=first", code=2).stderr
    assert 'did you mean "first"' in project.here("report", project.suite, "run=frist", code=2).stderr


def test_without_runs_the_answer_is_what_to_type(project: Project) -> None:
    assert "bench run suite=NAME" in project.here("runs").stderr
    for command in ("history", "compare"):
        assert "first: bench run suite=toy" in project.here(command, project.suite, code=2).stderr
        assert "no suite is named" in project.here(command, code=2).stderr
    project.here("run", project.suite, *ONE)
    assert "name two runs" in project.here("compare", project.suite, code=2).stderr
    assert "a whole number from 1" in project.here("history", project.suite, "last=0", code=2).stderr
    assert "holds no run before this one" in project.here("gate", project.suite, "--last", "3", code=2).stderr
    both = project.here("gate", project.suite, "--last", "3", "--baseline", "a.json", code=2)
    assert "give one of them" in both.stderr


def test_a_history_is_of_runs_or_of_files_and_is_drawn(project: Project) -> None:
    pytest.importorskip("matplotlib")
    for name in ("first", "second"):
        project.here("run", project.suite, f"name={name}")
    told = json.loads(project.here("history", project.suite, "metric=brier", "--json").stdout)
    assert [run["name"] for run in told["runs"]] == ["first", "second"]
    assert [[point["same"] for point in line["points"]] for line in told["lines"]] == [[False, True]] * 2
    files = [each["file"] for each in runs(project)]
    assert json.loads(project.here("history", *files, "metric=brier", "--json").stdout)["lines"] == told["lines"]
    shown = project.here("history", project.suite, "imputer=mean", "--markdown", "history.md").stdout
    assert "locf" not in shown
    assert (project.folder / "history.md").read_text().startswith("# History of ")
    project.here("plot", "history", project.suite, "to=history.svg")
    assert ">second<" in (project.folder / "history.svg").read_text()


def test_an_edit_is_seen_by_all_that_compare_runs(tmp_path: Path) -> None:
    project = editing(tmp_path)
    words = ("run", project.suite, "imputer=filler", "fuser=reader")
    project.bench(*words, "name=before")
    project.fuser(slope=5.0)
    project.bench(*words, "name=after")
    compared = json.loads(project.bench("compare", "before", "after", "metric=auroc", "--json").stdout)
    assert compared["changed"] == ["source of fuser reader"]
    [change] = [each for each in compared["changes"] if each["metric"] == "auroc"]
    assert change["over"] == "patients and seeds"
    assert change["low"] <= change["difference"] <= change["high"]
    latest = json.loads(project.bench("compare", project.suite, "--json").stdout)
    assert [latest[which]["name"] for which in ("first", "second")] == ["before", "after"]
    before = json.loads(project.bench("report", project.suite, "run=before", "--json").stdout)
    now = json.loads(project.bench("report", project.suite, "--json").stdout)
    scores = [board["tables"][0]["rows"][0]["scores"]["auroc"]["mean"] for board in (before, now)]
    assert scores == pytest.approx([change["first"], change["second"]])
    assert before["tables"][0]["comparisons"] == now["tables"][0]["comparisons"] == 0
    gated = project.bench("gate", project.suite, "--last", "1", code=None).stdout
    assert "The baseline is run before." in gated


@pytest.mark.parametrize("name", ["../x", "last", "run0"])
def test_a_name_is_refused_before_any_data_are_touched(name: str) -> None:
    with folder() as here, mock.patch("bench.run.prepare.prepare", side_effect=AssertionError("data were touched")):
        save_runs(here / "results", [made_run(0, noisy(), suite="small")])
        ended = here_said(here, "run", "suite=small.toml", f"name={name}")
        assert ended.code == 2
        assert ended.err.startswith("bench: name ")
        assert name in ended.err
