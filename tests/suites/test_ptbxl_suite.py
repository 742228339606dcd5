"""The suite ptbxl on its generated stand-in: methods learn what is known to be there, and what
hides no information is told apart from what does.
"""

from __future__ import annotations

import pytest

from bench.config.layers import Layers, read, resolve
from bench_datasets.ptbxl.params import CHEST, LIMB

pytest.importorskip("wfdb", reason="the extra signals is not installed")


def test_limb_and_chest_leads_have_tables_of_their_own_in_the_paper_profile():
    suite = resolve(Layers(*read("ptbxl"), "paper", {}))
    assert suite.modalities["limb"] == LIMB
    assert suite.modalities["chest"] == CHEST
    assert suite.grid.modalities == ("all", "limb", "chest")
    assert suite.grid.split == ("strat_fold",)
    assert suite.scenario["within"] == {"ps": [0.2, 0.8], "pw": [0.2, 0.8]}


@pytest.mark.slow
def test_diagnoses_are_learnt_and_limb_leads_follow_from_two_of_them(project):
    words = (
        "data.root=synthetic",
        "data.records=400",
        "data.length=120",
        "controls.imputer=mask_only",
        "audits.cells=",
    )
    said = project.here("run", "suite=ptbxl", *words, "imputer=linear,einthoven,ridge", "fuser=linear").stderr
    project.here(
        "run", "suite=ptbxl", *words, "imputer=linear", "fuser=gru", "fuser.gru.epochs=7", "fuser.gru.hidden=12"
    )
    assert "generated (synthetic) cohort" in said
    assert project.page("suite=ptbxl").splitlines()[0].endswith("(synthetic cohort)")
    scores, errors = {}, {}
    for record in project.records():
        at = record["coordinates"]
        imputer, fuser = (at[kind].partition("(")[0] for kind in ("imputer", "fuser"))
        scores[imputer, fuser] = record["scores"]["auroc"]
        errors[imputer] = record["imputation"]
    for fuser in ("linear", "gru"):
        assert scores["linear", fuser] > max(0.75, scores["mask_only", fuser] + 0.1)

    def mae(imputer: str, lead: str) -> float:
        error: float = errors[imputer][lead]["mae"]
        return error

    assert mae("einthoven", "aVF") < 0.5 * mae("linear", "aVF")
    assert mae("einthoven", "V2") == mae("linear", "V2")
    assert mae("ridge", "aVF") < 0.5 * mae("linear", "aVF")
