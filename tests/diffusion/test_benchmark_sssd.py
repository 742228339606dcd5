"""`benchmarks/sssd.py`: what it prints. How fast this machine is, is no test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_quick_pass_has_every_row_and_the_kernel_is_the_published_one(tmp_path: Path) -> None:
    script = [sys.executable, str(CHECKOUT / "benchmarks" / "sssd.py"), "--quick", "--json"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row for row in json.loads(done.stdout)}
    assert rows["S4: kernels of a layer, length 100"]["goal"] == 0.005
    for begins in (
        "  the same, full conjugate-pair form, length 100",
        "S4: convolution by FFT, length 48",
        "  by Toeplitz product, length 48",
        "SSSD: network call, 14 x 100",
        "SSSD: one draw of each record",
        "SSSD: training step, 35 x 48",
    ):
        assert any(what.startswith(begins) and row["wall"] > 0 for what, row in rows.items()), begins
    judged = [row for row in rows.values() if row["answer"] is not None]
    assert len(judged) == 2
    assert all(row["answer"] for row in judged)
