"""`benchmarks/folds.py` and `benchmarks/representation.py`: what they print is what they say."""

from __future__ import annotations

import csv
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench.errors import UsageError
from bench.results.records import Published
from benchmarks import folds, representation
from support.fake_exports import alter, make_export

CHECKOUT = Path(__file__).resolve().parents[2]


def fold(number: int, mae: float, split: str = ""):
    export = make_export(split=split or f"fold{number}")
    for record in export.records:
        alter(record, imputation={"all": {"mae": mae, "hidden": 10.0}})
    return export


def test_folds_are_averaged_with_their_deviation_and_published_values_beside_them():
    values = [0.2, 0.3, 0.4]
    exports = [fold(number, mae) for number, mae in enumerate(values)]
    at = exports[0].records[0].coordinates
    published = [
        Published("imputation", at.imputer, "mae", 0.217, scenario=at.scenario),
        Published("imputation", "Model X", "mae", 0.5, scenario=at.scenario),
    ]
    text = folds.table([msgspec.structs.replace(exports[0], published=published), *exports[1:]])
    assert "3 folds (fold0, fold1, fold2)" in text
    line = next(line for line in text.splitlines() if f"| {at.imputer} |" in line)
    assert f"0.3000 ± {statistics.stdev(values):.4f} | 0.217 |" in line
    assert "| Model X |  | 0.5 |" in text


def test_an_imputer_that_lacks_a_fold_or_a_seed_is_not_averaged():
    first, second = fold(0, 0.2), fold(1, 0.3)
    gone = second.records[0].coordinates
    second.records = [r for r in second.records if r.coordinates != gone]
    lost = [
        r
        for r in second.records
        if (r.coordinates.imputer, r.coordinates.scenario, r.coordinates.seed)
        == (gone.imputer, gone.scenario, gone.seed)
    ]
    for record in lost:
        alter(record, imputation={})
    assert not any(f"| {gone.imputer} |" in line for line in folds.table([first, second]).splitlines())


def test_one_fold_twice_or_two_suites_are_refused():
    with pytest.raises(UsageError, match="fold0, fold0"):
        folds.table([fold(0, 0.2), fold(0, 0.3)])
    with pytest.raises(UsageError):
        folds.table([fold(0, 0.2), msgspec.structs.replace(fold(1, 0.3), suite="other")])


def test_the_cosine_of_a_row_with_itself_is_1_and_with_its_opposite_minus_1():
    rows = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    assert representation.cosines(rows, 3 * rows) == pytest.approx(np.ones(4))
    assert representation.cosines(rows, -rows) == pytest.approx(-np.ones(4))


@pytest.mark.slow
def test_representations_of_a_run_are_nearest_where_little_is_hidden_and_errors_agree_with_the_run(tmp_path):
    words = [
        "suite=trace_motivational", "data.train=200", "data.valid=60", "data.test=60", "imputer=nearest,mean",
        "scenario.rectangle.rate=0.05,0.5", "controls.imputer=", "audits.cells=", "workers=1", "stats.resamples=200",
    ]  # fmt: skip
    environment = {**os.environ, "BENCH_CACHE": str(tmp_path / "cache")}

    def call(*line: str) -> str:
        done = subprocess.run(
            [sys.executable, *line, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    call("-m", "bench", "run")
    printed = call(str(CHECKOUT / "benchmarks" / "representation.py"), "--epochs", "2", "--csv", "parity.csv")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()[2:]]
    found = {(row[0], row[2]): row for row in rows}
    assert len(rows) == len(found) == 6
    for imputer in ("nearest", "mean", "not imputed"):
        little, much = (float(found[f"rectangle(rate={rate})", imputer][5]) for rate in ("0.05", "0.5"))
        assert 1 > little > much
    table = (tmp_path / "results" / "leaderboards").glob("*.md")
    call("-m", "bench", "report")
    text = next(table).read_text()
    for rate in ("0.05", "0.5"):
        section = text.split(f"### all · rectangle(rate={rate})")[1].split("###")[0]
        stated = float(re.search(r"\| nearest +\| [^0-9]*([0-9.]+)", section)[1])
        assert float(found[f"rectangle(rate={rate})", "nearest"][3]) == pytest.approx(stated, abs=1e-4)
    with (tmp_path / "parity.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 6 * 60
    one = [
        float(line["mae"]) for line in lines if (line["scenario"], line["imputer"]) == ("rectangle(rate=0.5)", "mean")
    ]
    assert f"{np.mean(one):.4f}" == found["rectangle(rate=0.5)", "mean"][3]
