"""`benchmarks/goals.py`: every number the design names has a row. How fast this machine is, is
no test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

OURS = "datasets,fusers,imputers,scenarios"
"""Entry points of this distribution; a stranger's plugin may import what it likes."""

GOALS = {
    "`bench --help`": 0.2,
    "mistyped name": 0.3,
    "plan of": 1.0,
    "fully cached grid of": 0.5,
    "overhead per cell in a warm worker": 0.05,
    "the parent's processor time for each of": 0.002,
    "leaderboard of": 1.0,
    "`bench report` of 4 methods": 20.0,
    "parse of": 20.0,
    "reload of": 0.5,
}


@pytest.mark.slow
def test_every_number_of_the_design_is_measured_beside_its_goal(tmp_path):
    line = [sys.executable, str(CHECKOUT / "benchmarks" / "goals.py"), "--quick", "--json"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    for name, goal in GOALS.items():
        found = [row for row in rows if row["what"].startswith(name)]
        assert found, name
        assert {row["goal"] for row in found} == {goal}
        assert all(row["wall"] is not None or row["note"] for row in found)
    same = next(row for row in rows if row["what"] == "equal runs give equal leaderboard bytes")
    assert same["ok"] is True


def test_a_part_that_is_not_known_is_refused(tmp_path):
    line = [sys.executable, str(CHECKOUT / "benchmarks" / "goals.py"), "--only", "speed"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--only knows help" in done.stderr


def test_rows_print_as_a_table_and_say_what_was_missed(monkeypatch):
    monkeypatch.syspath_prepend(str(CHECKOUT))
    from benchmarks.measuring import Row, Taken, median, table

    rows = [
        median("quick", 1.0, [Taken(0.5, 0.4), Taken(0.7, 0.4), Taken(9.0, 0.4)]),
        median("slow", 1.0, [Taken(2.0)]),
        Row("absent", 1.0, note="no data"),
    ]
    text = table(rows)
    assert [row.ok for row in rows] == [True, False, None]
    assert "0.7 s" in text
    assert "MISSED" in text
    assert "not measured" in text


def test_a_command_that_only_speaks_of_names_waits_for_no_numerical_library():
    heavy = "numpy", "scipy", "pandas", "sklearn", "torch"
    code = (
        f"import sys; from bench.registry import discover; discover(); print([m for m in {heavy} if m in sys.modules])"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=dict(os.environ, BENCH_PLUGINS=OURS))
    assert done.stdout.strip() == "[]"
