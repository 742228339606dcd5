"""The suite csdi_healthcare on the real set a: the published procedure entry by entry, and the
scores of simple methods.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cohort import Cohort
from bench.components import Context
from bench.registry import discover
from bench.stages.hiding import hide
from bench_datasets.physionet2012.csdi import VARIABLES

REGISTRY = discover()
FIRST = 60


@pytest.fixture(scope="module")
def cohort(data_root: Path) -> Cohort:
    made: Cohort = REGISTRY.get("dataset", "physionet2012_csdi").build({}).prepare(data_root, Context())
    return made


def literally(root: Path, rate: float) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, values [n, 48, 35] and what stays visible of the first records, hour by hour as the
    published code reads them.
    """
    ids, grids, shown = [], [], []
    with tarfile.open(root / "physionet2012" / "set-a.tar.gz") as archive:
        members = {Path(m.name).stem: m for m in archive.getmembers() if m.isfile()}
        np.random.seed(1)  # noqa: NPY002
        for name in sorted(members)[:FIRST]:
            file = archive.extractfile(members[name])
            assert file is not None
            lines = pd.read_csv(io.BytesIO(file.read()))
            hour = lines["Time"].str.split(":").str[0].astype(int)
            rows = [dict(lines[hour == h][["Parameter", "Value"]].to_numpy()) for h in range(48)]
            values = np.array([[row.get(variable, np.nan) for variable in VARIABLES] for row in rows], float)
            known = np.flatnonzero(~np.isnan(values))
            if not len(known):
                continue
            left = ~np.isnan(values)
            left.reshape(-1)[np.random.choice(known, (int)(len(known) * rate), replace=False)] = False  # noqa: NPY002
            ids.append(name)
            grids.append(values)
            shown.append(left)
    return ids, np.array(grids), np.array(shown)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.9])
def test_values_and_held_out_entries_are_those_of_the_published_procedure(
    data_root: Path, cohort: Cohort, rate: float
) -> None:
    ids, values, shown = literally(data_root, rate)
    assert cohort.ids[: len(ids)].tolist() == ids
    series = cohort.modalities["series"]
    assert np.array_equal(series.grid[: len(ids)], values.astype(np.float32), equal_nan=True)
    scenario = REGISTRY.get("scenario", "published_holdout").build({"rate": rate})
    made = hide(cohort, scenario, 0, "published_holdout")
    assert np.array_equal(made.visible["series"][: len(ids)], shown)
    assert made.shares["standard_error"] == 0


@pytest.mark.slow
def test_the_cohort_has_the_size_that_the_manual_says(cohort: Cohort) -> None:
    observed = cohort.modalities["series"].observed
    assert (len(cohort), cohort.counts["records without any of the 35 variables, left out"].number) == (3997, 3)
    assert observed.sum() == cohort.counts["values kept"].number == 1_308_246
    assert [int((parts == k).sum()) for parts in [cohort.splits["fold0"]] for k in range(3)] == [2797, 401, 799]


ANCHORS = {
    "mean": (0.7056, 1.0221),
    "median": (0.6855, 1.0344),
    "locf": (0.4513, 0.7848),
    "linear": (0.3714, 0.6477),
}
"""MAE and RMSE at 10 %, fold 0, seed 1: what these methods score on the published cohort, to see
a change by.
"""


@pytest.mark.slow
def test_simple_methods_score_through_the_whole_harness_what_they_did(data_root: Path, tmp_path: Path) -> None:
    words = [
        "suite=csdi_healthcare", f"data.root={data_root}", "scenario.published_holdout.rate=0.1",
        f"imputer={','.join(ANCHORS)}", "controls.imputer=", "audits.cells=", "workers=1",
    ]  # fmt: skip
    environment = {**os.environ, "BENCH_CACHE": str(tmp_path / "cache")}
    line = [sys.executable, "-m", "bench", "run", *words]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {}
    for path in tmp_path.glob("results/ledger/cells/*/*.json"):
        record = json.loads(path.read_bytes())["record"]
        assert record["counts"]["test"] == 799
        assert "everything" in record["provenance"]["scaling"]
        found[record["coordinates"]["imputer"]] = record["imputation"]["all"]
    assert found.keys() == ANCHORS.keys()
    for name, (mae, rmse) in ANCHORS.items():
        assert (found[name]["mae"], found[name]["rmse"]) == (
            pytest.approx(mae, abs=1e-4),
            pytest.approx(rmse, abs=1e-4),
        )
