"""What a suite may change of the protocol: what scaling is learnt from, where scenarios hide,
which split is used.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.errors import UsageError
from bench.stages.scale import Scaler
from bench.stages.view import View, view
from bench.testing.toy import toy_cohort
from support.toy_stages import prepared

SUITE = """
name = "protocol"
title = "t"
dataset = "toy"

[grid]
task = ["toy"]
scenario = ["mcar"]
imputer = ["mean"]
fuser = ["linear"]
seed = [1]

[scenario.mcar]
rate = 0.4
"""
PARTS = np.repeat([0, 1, 2], [60, 20, 40]).astype(np.int8)
COHORT = replace(toy_cohort(n=120, absent=0.0), splits={"fold0": PARTS})


def seen(folder: Path, *words: str) -> View:
    """What methods may see of the toy cohort under a suite with these words."""
    planned, setup, registry = prepared(folder, SUITE, COHORT, *words)
    return view(planned.cells[0], setup, registry)


def everything(cohort: Cohort, winsor: float) -> np.ndarray:
    return Scaler.fit(cohort, winsor).state["series.vitals"]


def test_by_default_scaling_sees_visible_training_entries_alone(tmp_path: Path) -> None:
    made = seen(tmp_path, "split=fold0")
    assert np.array_equal(made.parts, PARTS)
    for series in made.cohort.take(np.flatnonzero(PARTS == 0)).modalities.values():
        for k in range(series.grid.shape[2]):
            assert np.nanmean(series.grid[..., k]) == pytest.approx(0, abs=1e-5)
    assert not np.allclose(made.scaler.state["series.vitals"], everything(COHORT, 10.0))


def test_scaling_over_everything_sees_all_records_before_hiding(tmp_path: Path) -> None:
    made = seen(tmp_path, "split=fold0", "scaling.over=everything", "scaling.winsorise=never")
    assert np.array_equal(made.scaler.state["series.vitals"], everything(COHORT, float("inf")))
    assert made.scaler.state["winsor"].tolist() == [float("inf")]


def test_parts_in_which_nothing_is_hidden_stay_as_recorded_and_the_others_lose_the_same_entries(tmp_path: Path) -> None:
    alike = seen(tmp_path, "split=fold0")
    spared = seen(tmp_path, "split=fold0", "hiding.parts=valid,test")
    for name, hidden in spared.hidden.items():
        assert not hidden[PARTS == 0].any()
        assert hidden[PARTS != 0].any()
        assert alike.hidden[name][PARTS == 0].any()
        assert np.array_equal(hidden[PARTS != 0], alike.hidden[name][PARTS != 0])


def test_no_part_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"hiding\.parts"):
        seen(tmp_path, "hiding.parts=")
    with pytest.raises(UsageError, match='did you mean "test"'):
        seen(tmp_path, "hiding.parts=tets")


def test_a_split_that_another_dataset_carries_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="accepted: fold0, patient, reference-stay"):
        seen(tmp_path, "split=fold1")
