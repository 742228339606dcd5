"""What makes a short training other than the published one stands in the row of its result."""

from __future__ import annotations

import subprocess
import sys

import pytest


def imputers(suite: str, profile: str) -> str:
    line = [
        sys.executable,
        "-m",
        "bench",
        "plan",
        f"suite={suite}",
        f"profile={profile}",
        "imputer=csdi,csdi-quick,trace",
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return next(line for line in done.stdout.splitlines() if line.strip().startswith("imputer"))


@pytest.mark.parametrize("suite", ["mimic48", "physionet48"])
def test_a_demo_tells_bound_steps_and_width_and_a_paper_profile_the_bare_name(suite: str) -> None:
    demo, paper = imputers(suite, "demo"), imputers(suite, "paper")
    assert "csdi(bound=4, channels=8, solver_steps=3, steps=" in demo
    assert "trace(bound=4, channels=8, preset=trace-small, solver_steps=3, steps=" in demo
    assert " csdi, csdi-quick, trace(preset=trace" in paper
