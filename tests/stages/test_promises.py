"""A component that breaks a promise is caught by a run and by `bench check`, and by both by the
name of the audit.
"""

from __future__ import annotations

import json

import pytest

from support.project import Project, project_in

BROKEN = {"batchmean": "imputer-independent", "unnested": "draws-nested", "moves": "observed-untouched"}
"""Imputer of the test plugin -> the audit it fails."""

HIDDEN = ("scenario=mcar", "scenario.mcar.rate=0.3", "draws=4", "seed=1")


def failed(record: dict) -> set[str]:
    return {name for name, audit in record["audits"].items() if audit["passed"] is False}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, toy_plugin: str):
    """A run of the three, two honest ones beside them, and what it printed."""
    project = project_in(tmp_path_factory.mktemp("promises"), toy_plugin)
    names = ",".join(["mean", "honest", *BROKEN])
    done = project.here("run", project.suite, f"imputer={names}", "fuser=waits,linear", *HIDDEN, code=7)
    return project, done


def test_a_run_names_the_audit_and_the_imputer_and_ends_with_the_exit_code_of_broken_promises(run) -> None:
    project, done = run
    for name, audit in BROKEN.items():
        assert f"audit failed: {name}: {audit} (" in done.stderr
    for record in project.records():
        name = record["coordinates"]["imputer"]
        assert record["status"] == "ok"
        assert failed(record) == ({BROKEN[name]} if name in BROKEN else set())
        assert record["audits"]["draws-nested"]["passed"] is (None if name == "mean" else name != "unnested")


def test_cells_that_take_an_imputation_from_the_cache_have_its_audits(run) -> None:
    """Another fuser on the same imputation: nothing is imputed again, and its record says the
    same.
    """
    project, _ = run
    names = ",".join(BROKEN)
    done = project.here("run", project.suite, f"imputer={names}", "fuser=blind", *HIDDEN, "out=again", code=7)
    assert "impute mcar" not in done.stderr
    for name, audit in BROKEN.items():
        assert f"audit failed: {name}: {audit} (" in done.stderr


def test_the_table_has_them_below_without_a_rank_and_with_the_reason(run) -> None:
    project, _ = run
    project.here("report", project.suite, "--no-costs")
    (page,) = (project.folder / "results/leaderboards").glob("toy*.md")
    board = json.loads(page.with_suffix(".json").read_bytes())
    (table,), (imputation,) = board["tables"], board["imputation"]
    assert [row["imputer"] for row in table["rows"] if row["rank"]].count("honest") == 2
    for row in table["rows"]:
        assert (row["rank"] is None) == (row["imputer"] in BROKEN)
        assert f"audit {BROKEN[row['imputer']]} failed" in row["unranked"] if row["imputer"] in BROKEN else True
    for row in imputation["rows"]:
        assert bool(row["unranked"]) == (row["imputer"] in BROKEN)
        assert (row["tie_group"] is None) == (row["imputer"] in BROKEN)


def test_what_the_audits_cost_stands_in_the_costs_and_is_within_the_bound(run) -> None:
    project, _ = run
    for record in project.records():
        costs = record["costs"]
        stage = costs["impute_fit_seconds"] + costs["impute_seconds"]
        assert costs["impute_audit_records"] >= 2
        assert 0 < costs["impute_audit_seconds"] <= max(0.02 * stage, 1) + 1  # a busy machine may double a second


@pytest.mark.parametrize(("name", "audit"), BROKEN.items())
def test_bench_check_fails_the_check_of_the_same_name(project: Project, name: str, audit: str) -> None:
    done = project.here("check", name, "--only", audit.replace("-", "_"), code=7)
    line = next(line for line in done.stdout.splitlines() if line.split()[:1] == [audit.replace("-", "_")])
    assert "FAILED" in line


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("fuser", "logits", "predictions of a binary task are probabilities, from 0 to 1;"),
        ("fuser", "validlogits", "on the valid part, predictions of a binary task are probabilities"),
        ("fuser", "counts", "the output of predict is int64 ["),
        ("fuser", "masked", "the output of predict is a masked array; it must be a plain NumPy array"),
        ("fuser", "huge", "values beyond 1e+12: too large to compute with, their squares overflow"),
        ("imputer", "spills", "values beyond 1e+12: too large to compute with, their squares overflow"),
        ("imputer", "masks", "vitals is a masked array; it must be a plain NumPy array"),
    ],
)
def test_an_output_outside_the_contract_fails_its_cell_with_what_is_wrong(
    project: Project, kind: str, name: str, said: str
) -> None:
    words = {"imputer": "mean", "fuser": "waits"} | {kind: name}
    done = project.here("run", project.suite, "seed=1", *(f"{key}={value}" for key, value in words.items()), code=1)
    assert said in done.stderr
    (record,) = project.records()
    assert record["status"] == "failed"
    assert f'{kind} "{name}"' in record["reason"]
    if name != "validlogits":
        checked = project.here("check", name, "--only", "output_form", code=7)
        assert said in " ".join(checked.stdout.split())


def test_a_fuser_that_remembers_the_first_records_it_saw_fails_its_audit(project: Project) -> None:
    done = project.here("run", project.suite, "seed=1", "imputer=mean", "fuser=firstcall", code=7)
    assert "audit failed: firstcall: batch-independent" in done.stderr
    done = project.here("check", "firstcall", "--only", "earlier_calls_have_no_effect", code=7)
    assert "FAILED" in done.stdout
