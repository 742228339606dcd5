"""The suite sleepedf on its generated stand-in: stages are learnt, on sleepers not seen before."""

from __future__ import annotations

import pytest

from bench.config.layers import Layers, read, resolve
from bench.data.splits import split

pytest.importorskip("edfio", reason="the extra sleep is not installed")


@pytest.mark.parametrize(("subjects", "sizes"), [(8, [6, 1, 1]), (20, [13, 3, 4])])
def test_the_split_has_subjects_in_every_part_of_the_stand_in_and_of_sc20(subjects, sizes):
    drawn = resolve(Layers(*read("sleepedf"), "paper", {})).split
    parts = split([f"SC4{subject:02d}" for subject in range(subjects)], drawn.seed, drawn.fractions)
    assert [int((parts == part).sum()) for part in range(3)] == sizes


@pytest.mark.slow
def test_stages_are_learnt_from_signals_and_not_from_masks(project):
    words = ("data.root=synthetic", "data.minutes=30", "audits.cells=", "imputer=linear", "fuser=linear")
    said = project.here("run", "suite=sleepedf", *words, "controls.imputer=mask_only").stderr
    assert "generated (synthetic) cohort" in said
    assert project.page("suite=sleepedf").splitlines()[0].endswith("(synthetic cohort)")
    accuracy = {record["coordinates"]["imputer"]: record["scores"]["balanced_accuracy"] for record in project.records()}
    assert accuracy["linear"] > 0.5
    assert accuracy["mask_only"] < 0.35
