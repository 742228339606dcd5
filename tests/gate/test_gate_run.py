"""`bench gate` and `bench baseline` on runs: an edited method is judged by all that it changed,
and stale results never pass.
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.cli.plot import _of as title_of
from support.editing import Editing, editing
from support.fake_exports import make_export


@pytest.mark.parametrize("width", [0.0, 0.5], ids=["deterministic", "seeded"])
def test_an_imputer_that_shifts_all_it_imputes_is_worse(tmp_path: Path, width: float) -> None:
    """The imputation errors tell, whatever the fuser makes of the shift."""
    project = editing(tmp_path, width)
    project.bench("run", project.suite)
    project.bench("baseline", "pin", project.suite)
    same = json.loads(project.bench("gate", project.suite, "--json").stdout)
    assert {j["verdict"] for j in same["judgements"]} == {"same"}
    assert {(j["kind"], j["metric"]) for j in same["judgements"]} == {
        ("score", "auroc"), ("calibration", "ece"), ("calibration", "brier"),
        ("imputation", "mae"), ("imputation", "rmse"), ("imputation", "crps"),
    }  # fmt: skip

    project.imputer(shift=0.8, width=width)
    project.bench("run", project.suite)
    done = project.bench("gate", project.suite, "--json", "--junit", "gate.xml", "--markdown", "gate.md", code=11)
    verdicts = {
        (j["method"]["imputer"], j["method"]["fuser"], j["metric"]): j["verdict"]
        for j in json.loads(done.stdout)["judgements"]
    }
    assert {verdicts["filler", "", metric] for metric in ("mae", "rmse", "crps")} == {"worse"}
    assert {verdict for (imputer, _, _), verdict in verdicts.items() if imputer == "mean"} == {"same"}
    suite = ElementTree.parse(project.folder / "gate.xml").getroot().find("testsuite")
    assert suite is not None
    assert "filler: imputation mae" in {case.get("name") for case in suite if case.find("failure") is not None}
    assert "imputation mae" in (project.folder / "gate.md").read_text()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Editing:
    """A project that was run and pinned; every test puts back what it edits."""
    project = editing(tmp_path_factory.mktemp("edits"))
    project.bench("run", project.suite)
    project.bench("baseline", "pin", project.suite)
    return project


@pytest.fixture
def project(ran: Editing) -> Editing:
    yield ran
    ran.imputer()
    ran.fuser()
    ran.suite_file.write_text((ran.suite_file).read_text().replace("rate = 0.2", "rate = 0.3"))


def board(project: Editing) -> dict:
    return json.loads(project.bench("report", project.suite, "--json").stdout)


def edited_rows(project: Editing) -> set[tuple[str, str]]:
    [table] = board(project)["tables"]
    return {(row["imputer"], row["fuser"]) for row in table["rows"] if "edited since" in row["reasons"]}


def test_without_an_edit_nothing_is_said(project: Editing) -> None:
    done = project.bench("report", project.suite, "--json")
    assert "dited since" not in done.stdout + done.stderr
    assert project.bench("gate", project.suite).returncode == 0


def test_an_edited_fuser_is_named_and_its_results_are_not_taken_for_results_of_the_code_as_it_is(
    project: Editing,
) -> None:
    project.fuser(slope=2.0)
    done = project.bench("gate", project.suite, "--json", code=12)
    judged = {(j["method"]["imputer"], j["method"]["fuser"]): j for j in json.loads(done.stdout)["judgements"]}
    assert judged["filler", "reader"]["verdict"] == "inconclusive"
    assert "edited since" in judged["filler", "reader"]["reason"]
    assert judged["filler", "waits"]["verdict"] == judged["filler", ""]["verdict"] == "same"
    assert "source of fuser reader" in done.stdout
    assert edited_rows(project) == {("mean", "reader"), ("filler", "reader")}
    text = (project.folder / "results" / "leaderboards" / "edits.md").read_text()
    assert "**Edited since these results were made: source of fuser reader.**" in "".join(
        text.splitlines(keepends=True)[:8]
    )
    lines = (project.folder / "results" / "leaderboards" / "edits.csv").read_text().splitlines()
    assert sum("edited since" in line for line in lines) == 6
    assert "source of fuser reader" in project.bench("baseline", "pin", project.suite, "--baseline", "x.json").stderr
    (project.folder / "x.json").unlink()


def test_pictures_say_what_was_edited(project: Editing) -> None:
    project.imputer(shift=0.2)
    done = project.bench("plot", "parity", project.suite, "imputer=mean,filler", "seed=1", "to=parity.png")
    assert "edited since the last run: source of imputer filler" in done.stderr
    assert title_of(make_export(edited=["x"])).endswith("; edited since")
    assert "edited" not in title_of(make_export())


def test_an_edited_imputer_concerns_all_fusers_behind_it(project: Editing) -> None:
    project.imputer(shift=0.1)
    assert edited_rows(project) == {("filler", "waits"), ("filler", "reader")}
    report = json.loads(project.bench("gate", project.suite, "--json", code=12).stdout)
    assert {m["method"]["imputer"] for m in report["methods"] if m["verdict"] == "inconclusive"} == {"filler"}


def test_an_edited_suite_file_is_noticed(project: Editing) -> None:
    project.suite_file.write_text(project.suite_file.read_text().replace("rate = 0.3", "rate = 0.2"))
    assert len(edited_rows(project)) == 4
    assert "parameters of scenario" in project.bench("gate", project.suite, code=12).stdout


def test_a_method_that_is_gone_leaves_a_report_that_says_so(project: Editing) -> None:
    plugin = project.site / "edited_plugin.py"
    before = plugin.read_text()
    plugin.write_text(before.replace('"reader"', '"readers"'))
    assert len(edited_rows(project)) == 4
    assert "cannot be planned any more" in project.bench("gate", project.suite, code=12).stdout
    plugin.write_text(before)


def test_an_edit_that_is_taken_back_is_none_and_one_that_was_run_since_is_a_result(project: Editing) -> None:
    project.fuser(slope=3.0)
    assert edited_rows(project)
    project.fuser()
    assert not edited_rows(project)
    project.fuser(slope=4.0)
    project.bench("run", project.suite, "imputer=filler", "fuser=reader")
    project.bench("run", project.suite)
    assert not edited_rows(project)


def test_a_baseline_is_never_replaced_without_a_word(project: Editing) -> None:
    refused = project.bench("baseline", "pin", project.suite, code=2).stderr
    assert "results/baselines/edits.json" in refused
    assert "12 of 12 cells ok, seeds 1, 2, 3" in refused
    assert "--replace" in refused
    path = project.folder / "results" / "baselines" / "edits.json"
    before = path.read_bytes()
    project.bench("baseline", "pin", project.suite, "--replace")
    assert json.loads(path.read_bytes())["planned"] == json.loads(before)["planned"]


def test_a_baseline_that_is_not_there_is_an_error_of_usage_that_says_how_to_make_one(project: Editing) -> None:
    for command in (["gate"], ["baseline", "diff"], ["baseline", "show"]):
        refused = project.bench(*command, project.suite, "--baseline", "nowhere.json", code=2).stderr
        assert "there is no baseline at nowhere.json" in refused
        assert "bench baseline pin suite=" in refused


def test_baselines_can_be_listed_shown_and_compared(project: Editing) -> None:
    listed = json.loads(project.bench("baseline", "list", "--json").stdout)
    assert [(b["suite"], b["ok"], b["seeds"]) for b in listed] == [("edits", 12, [1, 2, 3])]
    assert "edits, profile demo" in project.bench("baseline", "list").stdout
    shown = project.bench("baseline", "show", project.suite).stdout
    assert "filler" in shown
    project.fuser(slope=5.0)
    project.bench("run", project.suite, "fuser=reader", "imputer=filler")
    different = project.bench("baseline", "diff", project.suite, "fuser=reader", "imputer=filler").stdout
    assert "source of fuser reader" in different.splitlines()[0]
    assert "brier" in different


def test_costs_are_judged_where_a_tolerance_is_given_and_only_then(project: Editing) -> None:
    project.bench("run", project.suite)
    free = json.loads(project.bench("gate", project.suite, "--json").stdout)
    assert "cost" not in {j["kind"] for j in free["judgements"]}
    costs = json.loads(project.bench("gate", project.suite, "--json", "--cost-tolerance", "0.5").stdout)
    assert {"fit_seconds", "impute_seconds_per_draw"} <= {
        j["metric"] for j in costs["judgements"] if j["kind"] == "cost"
    }
