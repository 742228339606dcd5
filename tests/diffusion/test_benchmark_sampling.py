"""`benchmarks/sampling.py`: what it prints. How fast this machine is, is no test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_quick_pass_has_trace_by_ten_and_fifty_steps_and_a_fold_of_csdi_and_no_goal(tmp_path: Path) -> None:
    script = [sys.executable, str(CHECKOUT / "benchmarks" / "sampling.py"), "--quick", "--json"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["what"].split(",")[:2] for row in rows] == [
        ["trace", " 10 steps"], ["trace", " 10 steps"], ["trace", " 50 steps"], ["trace", " 50 steps"], ["csdi", " 50 steps"],
    ]  # fmt: skip
    assert all(row["wall"] > 0 and row["goal"] is None and "peak" in row["note"] for row in rows)
