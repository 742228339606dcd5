"""The suite mimic48_federated on its generated cohort: two tasks, four settings of hidden hours,
and care units that records could be divided by.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from bench.config.layers import Layers, read, resolve

pytest.importorskip("duckdb", reason="the extra clinical is not installed")


@pytest.mark.parametrize("profile", ["demo", "seeds"])
def test_both_tasks_meet_the_four_settings_of_the_study(profile: str) -> None:
    suite = resolve(Layers(*read("mimic48_federated"), profile, {}))
    assert suite.grid.task == ("ihm48", "los3")
    assert suite.grid.scenario == ("within",)
    settings = product(suite.scenario["within"]["ps"], suite.scenario["within"]["pw"])
    assert set(settings) == {(0.2, 0.2), (0.2, 0.8), (0.8, 0.2), (0.8, 0.8)}


@pytest.mark.slow
def test_the_generated_cohort_has_care_units_and_an_oracle_of_each_task(tmp_path: Path) -> None:
    from bench_datasets.mimic4.generate.generator import generate
    from support.mimic4_tables import prepare

    generate(tmp_path / "made", 200, 0, lambda line: None)
    cohort = prepare(tmp_path / "made")
    units = np.unique(cohort.columns["care_unit"])
    assert len(units) == 7
    assert "" not in units
    known = ~np.isnan(cohort.targets["los3"])
    assert (known == ~np.isnan(cohort.targets["ihm48"])).all()
    assert (cohort.oracle["los3"][~known] == 0.5).all()
    chances = cohort.oracle["los3"][known, 0]
    spread = np.sqrt((chances * (1 - chances)).sum())
    assert abs(cohort.targets["los3"][known].sum() - chances.sum()) < 4 * spread


@pytest.mark.slow
def test_every_setting_runs_and_its_table_says_that_patients_were_made_up(project) -> None:
    words = (
        "data.root=synthetic",
        "data.stays=300",
        "imputer=locf",
        "fuser=linear",
        "task=los3",
        "seed=1",
        "federation=central",
    )
    project.here("run", "suite=mimic48_federated", *words, "controls.imputer=", "audits.cells=")
    cells = {record["coordinates"]["scenario"]: record for record in project.records()}
    assert len(cells) == 4
    assert {record["status"] for record in cells.values()} == {"ok"}
    page = project.page("suite=mimic48_federated")
    assert page.splitlines()[0].endswith("(synthetic cohort)")
    assert "| oracle" in page
