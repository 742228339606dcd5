"""The suite mimic48 on its generated cohort: one command, no credentials, and nobody can take
the table for a real one.
"""

from __future__ import annotations

import json

import pytest

pytest.importorskip("duckdb", reason="the extra clinical is not installed")

AXES = ("task", "modalities", "scenario", "imputer", "fuser", "seed")

WORDS = (
    "suite=mimic48",
    "data.root=synthetic",
    "data.stays=300",
    "task=ihm48",
    "imputer=locf",
    "fuser=linear",
    "seed=1",
)


@pytest.mark.slow
def test_the_suite_runs_on_a_generated_cohort_and_every_table_says_so(project):
    project.here("run", *WORDS, "controls.imputer=")
    table = project.page("suite=mimic48")
    assert table.splitlines()[0].endswith("(synthetic cohort)")
    assert "were generated" in table
    assert "| oracle" in table
    assert "AUROC (published)" not in table
    assert "not to be set beside ours: ours are of generated patients" in table
    record = next(record for record in project.records() if not record["coordinates"].get("audit"))
    assert record["oracle"]["auroc"] > 0.6
    assert record["provenance"]["manifest"]


@pytest.mark.slow
def test_a_generated_folder_named_as_data_root_is_called_generated_by_verify_plan_run_and_table(project):
    from bench_datasets.mimic4.generate.generator import generate

    generate(project.folder / "G", 300, 0, lambda line: None)
    root = "data.root=G"
    verified = project.here("data", "verify", "mimic4", root)
    assert "a generated cohort, not real records" in verified.stdout
    assert json.loads(project.here("data", "verify", "mimic4", root, "--json").stdout)["synthetic"] is True
    words = [word for word in WORDS if not word.startswith("data.")]
    assert "(synthetic cohort)" in project.here("plan", *words, root).stdout
    said = project.here("run", *words, root, "controls.imputer=", "data.stays=500").stderr
    assert "is a generated (synthetic) cohort" in said
    assert said.count("data.stays has no effect") == 1
    table = project.page("suite=mimic48")
    assert table.splitlines()[0].endswith("(synthetic cohort)")
    assert "| oracle" in table


def test_without_data_the_plan_lists_every_cell_and_makes_no_cohort(project):
    words = [word for word in WORDS if not word.startswith("data.root")]
    for said in (words, WORDS):
        plan = project.here("plan", *said, "--cells").stdout
        assert "not here yet: bench run will generate a synthetic cohort" in plan
        assert "ihm48 vitals natural locf x linear seed 1" in plan
        assert "about" in plan
    plan = json.loads(project.here("plan", *words, "--json").stdout)
    assert plan["data"]["pending"] is True
    assert plan["data"]["manifest"] is None
    assert plan["cells"] == len(plan["plan"]) > 0
    assert {cell["key"] for cell in plan["plan"]} == {None}
    assert plan["estimated_seconds"] > 0
    assert not list(project.folder.rglob("synthetic*"))
    assert "generated cohort" in project.here("report", *words, code=3).stderr


def test_rows_of_the_paper_profile_say_which_front_end_their_fuser_has(project):
    words = (
        "suite=mimic48",
        "profile=paper",
        "data.root=synthetic",
        "task=ihm48",
        "imputer=locf",
        "seed=42",
        "controls.imputer=",
    )

    def rows(*more: str) -> set[str]:
        plan = json.loads(project.here("plan", *words, *more, "--json").stdout)
        return {cell["coordinates"]["fuser"] for cell in plan["plan"]}

    published = {"mult(front=utde, preset=trace-mimic)", "mag_late(front=utde)", "tfn(front=utde, preset=mists)"}
    assert published <= rows()
    assert "haim(grid=published, preset=published)" in rows()
    assert "mult(front=grid, preset=trace-mimic)" in rows("fuser=mult", "fuser.mult.front=grid")


@pytest.mark.slow
def test_a_split_by_record_is_said_on_stderr_in_every_record_and_every_title_and_shares_no_result(project):
    words = (*WORDS, "controls.imputer=", "audits.cells=")
    said = project.here("run", *words, "split=reference-stay").stderr
    assert "patients stand on both sides" in said
    record = project.records()[0]
    crossing = record["counts"]["patients_on_both_sides"]
    assert crossing > 0
    assert f"ihm48: {crossing:,} patients stand on both sides" in said
    assert "split=reference-stay" in record["provenance"]["split"]
    table = project.page("suite=mimic48")
    assert table.splitlines()[0].endswith("split=reference-stay (synthetic cohort)")
    assert f"{crossing:,} patients stand on both sides" in table
    assert [*(project.folder / "results" / "leaderboards").glob("mimic48-reference-stay-differs-*.md")]
    project.here("run", *words)
    assert len(project.records()) == 2 * len([r for r in project.records() if "reference" in r["provenance"]["split"]])
    assert "reference-stay" not in project.page("suite=mimic48")
    default = next(r for r in project.records() if "reference" not in r["provenance"]["split"])
    assert "patients_on_both_sides" not in default["counts"]


def test_the_profile_imputers_is_table_4_and_every_cell_of_it_is_one_of_the_profile_paper(project):
    def cells(profile: str, *words: str) -> list[tuple[str, ...]]:
        line = ("plan", "suite=mimic48", f"profile={profile}", "data.root=S", "audits.cells=", *words, "--json")
        plan = json.loads(project.here(*line).stdout)["plan"]
        return [(cell["key"], *(str(cell["coordinates"][axis]) for axis in AXES)) for cell in plan]

    from bench_datasets.mimic4.generate.generator import generate

    generate(project.folder / "S", 40, 0, lambda line: None)
    table = cells("imputers")
    assert all(key != "None" for key, *_ in table)
    assert set(table) <= set(cells("paper"))
    asked = {row[1:] for row in cells("imputers", "controls.imputer=", "controls.fuser=")}
    assert {coordinates[AXES.index("fuser")] for coordinates in asked} == {"fusemoe(preset=paper)"}
    assert {coordinates[AXES.index("imputer")] for coordinates in asked} == {"sssd", "csdi", "trace(preset=trace-moe)"}
    assert len(asked) == 3 * 3 * 3
