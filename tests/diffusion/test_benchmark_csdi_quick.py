"""`benchmarks/csdi_quick.py`: what it prints. What six CPU minutes buy is no test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BENCH_")}
    line = [sys.executable, str(CHECKOUT / "benchmarks" / "csdi_quick.py"), *words]
    environment = kept | {"BENCH_CACHE": str(folder / "cache")}
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_the_quick_pass_has_a_row_per_method_on_the_same_entries_and_judges_nothing(
    tmp_path: Path, data_root: Path
) -> None:
    done = run(tmp_path, "--quick", "--root", str(data_root / "physionet2012"))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    header, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:]))
    found = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert list(found) == ["mean", "locf", "linear", "csdi", "csdi-quick"]
    assert all(float(row["mae"]) > 0 and float(row["rmse"]) > 0 and float(row["crps"]) > 0 for row in found.values())
    assert found["csdi"]["steps"] == found["csdi-quick"]["steps"] == "5"
    assert not any(row["ok"] for row in found.values())


def test_without_data_it_says_how_to_get_them(tmp_path: Path) -> None:
    done = run(tmp_path, "--quick", "--root", str(tmp_path))
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert str(tmp_path) in done.stderr
