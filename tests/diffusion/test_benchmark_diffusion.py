"""`benchmarks/diffusion.py`: what it prints. How fast this machine is, is no test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_quick_pass_has_every_row_and_our_draws_are_those_of_the_peer(tmp_path: Path) -> None:
    pytest.importorskip("pypots", reason="the extra pypots is not installed")
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
