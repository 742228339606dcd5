"""`benchmarks/diffusion.py`: what it prints. How fast this machine is, is no test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import arrays
from bench_imputers.diffusion import state as stored
from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.denoiser import Shape
from bench_imputers.diffusion.params import CsdiParams
from bench_imputers.pypots.params import installed

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_quick_pass_has_every_row_and_our_draws_are_those_of_the_peer(tmp_path: Path) -> None:
    if not installed()[0]:
        pytest.skip("the extra pypots is not installed")
    script = [sys.executable, str(CHECKOUT / "benchmarks" / "diffusion.py"), "--quick", "--json"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    timed = [row for row in rows if row["answer"] is None]
    assert [row["what"].strip().split(",")[0] for row in timed] == [
        "PyPOTS' CSDI", "csdi", "csdi", "PyPOTS' CSDI", "csdi",
    ]  # fmt: skip
    assert all(row["wall"] > 0 for row in timed)
    for row, peer, goal in zip(
        [timed[1], timed[2], timed[4]], [timed[0], timed[0], timed[3]], (1.7, 8, 1.3), strict=True
    ):
        assert row["goal"] == pytest.approx(peer["wall"] / goal)
    (same,) = (row for row in rows if row["answer"] is not None)
    assert same["answer"] is True


TINY = {
    "channels": 4,
    "heads": 1,
    "layers": 1,
    "step_width": 8,
    "time_width": 8,
    "feature_width": 2,
    "diffusion_steps": 12,
}


@pytest.mark.slow
def test_the_quality_of_ten_steps_is_compared_with_all_on_the_same_records(tmp_path: Path, data_root: Path) -> None:
    shape = Shape(35, 48, {"series": 35}, {}, tuple(map(float, range(48))))
    weights = stored.pack("series", shape, np.ones(35, bool), CsdiDenoiser(shape, CsdiParams(**TINY)))
    file = tmp_path / "state.safetensors"
    arrays.write(file, weights | {"fill/series": np.zeros(35, np.float32)})
    words = ["--quality", str(file), "--params", json.dumps(TINY), "--records", "3", "--draws", "2", "--json"]
    script = [sys.executable, str(CHECKOUT / "benchmarks" / "diffusion.py"), *words]
    environment = os.environ | {"BENCH_DATA_ROOT": str(data_root), "BENCH_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    judged = [row for row in rows if row["answer"] is not None]
    assert len(rows) == 7
    assert len(judged) == 3
    assert all("mae" in row["note"] and "crps" in row["note"] for row in judged)
