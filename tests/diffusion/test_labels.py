"""What makes a short training other than the published one stands in the row of its result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))
from support.physionet_files import STAYS, record, write_set


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Surroundings in which every dataset that a plan below needs is found or can be generated."""
    write_set(tmp_path, STAYS, name="a")
    write_set(tmp_path, {"21": record(21)}, name="b")
    return {**os.environ, "BENCH_DATA_ROOT": str(tmp_path)}


def imputers(suite: str, profile: str, environment: dict[str, str]) -> str:
    words = [f"suite={suite}", f"profile={profile}", "imputer=csdi,csdi-quick,trace"]
    words += ["data.root=synthetic"] * (suite == "mimic48")
    line = [sys.executable, "-m", "bench", "plan", *words]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    return next(line for line in done.stdout.splitlines() if line.strip().startswith("imputer"))


@pytest.mark.parametrize("suite", ["mimic48", "physionet48"])
def test_a_demo_tells_bound_steps_and_width_and_a_paper_profile_the_bare_name(
    suite: str, environment: dict[str, str]
) -> None:
    demo, paper = imputers(suite, "demo", environment), imputers(suite, "paper", environment)
    assert "csdi(bound=4, channels=8, solver_steps=3, steps=" in demo
    assert "trace(bound=4, channels=8, preset=trace-small, solver_steps=3, steps=" in demo
    assert " csdi, csdi-quick, trace(preset=trace-moe)" in paper
