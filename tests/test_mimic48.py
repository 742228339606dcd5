"""The suite mimic48 on its generated cohort: one command, no credentials, and nobody can take the table for a real one."""

from __future__ import annotations

import pytest

pytest.importorskip("duckdb", reason="the extra clinical is not installed")

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
    project.bench("run", *WORDS, "controls.imputer=")
    table = project.bench("report", "suite=mimic48", "--print").stdout
    assert table.splitlines()[0].endswith("(synthetic cohort)")
    assert "were generated" in table
    assert "| oracle" in table
    assert "AUROC (published)" in table
    record = next(record for record in project.records() if not record["coordinates"]["audit"])
    assert record["oracle"]["auroc"] > 0.6
    assert record["provenance"]["manifest"]


def test_without_data_the_generated_cohort_is_announced(project):
    refused = project.bench("plan", *(word for word in WORDS if not word.startswith("data.root")), code=3)
    assert "generated cohort" in refused.stderr
