"""`benchmarks/representation.py`: what it prints is what it says."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import representation

CHECKOUT = Path(__file__).resolve().parents[2]


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
