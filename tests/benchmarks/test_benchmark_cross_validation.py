"""`benchmarks/cross_validation.py`: whom it trains on, and whom it never reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.cross_validation import folds_of
from support.project import Project

CHECKOUT = Path(__file__).resolve().parents[2]


def test_records_of_a_patient_share_a_fold_and_every_fold_has_its_share() -> None:
    groups = np.repeat(np.arange(400), 3)
    fold = folds_of(groups, 4)
    assert (fold.reshape(-1, 3) == fold[::3, None]).all()
    assert set(np.bincount(fold) // 3) <= set(range(70, 130))
    assert np.array_equal(fold, folds_of(groups, 4))


def test_it_prints_the_mean_and_the_score_of_each_fold(project: Project) -> None:
    words = (
        "suite=mimic48",
        "data.stays=300",
        "modalities=vitals",
        "imputer=locf",
        "fuser=linear",
        "seed=1",
        "controls.imputer=",
    )
    project.bench("run", *words, "audits.cells=")
    done = subprocess.run(
        [sys.executable, CHECKOUT / "benchmarks" / "cross_validation.py", "--folds", "2", *words],
        cwd=project.folder, env=project.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    name, _, numbers = line.partition(": auroc ")
    assert name == "ihm48 vitals natural locf x linear"
    mean, *by_fold = (float(part.split()[-1]) for part in numbers.replace("by fold", "").replace(",", " ").split())
    assert len(by_fold) == 2
    assert abs(mean - np.mean(by_fold)) < 1e-4
