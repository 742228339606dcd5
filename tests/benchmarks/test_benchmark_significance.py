"""`benchmarks/significance.py`: its tables are what it says they are. What it finds stands in
its output, and is no test.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(CHECKOUT))
    from benchmarks import significance

    return significance


def differences(script, situation, effect: float = 0.0, tables: int = 300) -> np.ndarray:
    """float64 [tables, pairs] of true draws."""
    rng = np.random.default_rng(0)
    means = [
        np.mean([split.scores.mean(axis=1) for split in script.simulate(situation, effect, rng, 2)], axis=0)
        for _ in range(tables)
    ]
    return np.array([[mean[a] - mean[b] for a, b in situation.pairs] for mean in means])


@pytest.mark.parametrize(
    "name", ["1 seed, methods correlated 0.95", "3 seeds, 50 % of the variance", "5 splits, 3 seeds, splits 30 %"]
)
def test_equal_methods_differ_by_chance_alone_and_as_much_as_the_situation_says(script, name) -> None:
    situation = next(each for each in script.SITUATIONS if each.name == name)
    found = differences(script, situation)
    expected = 2 * situation.variance().sum()
    assert abs(found.mean()) < 4 * np.sqrt(expected / len(found))
    assert found.var() == pytest.approx(expected, rel=0.15)


def test_the_better_methods_are_better_by_so_many_standard_errors(script) -> None:
    situation = script.SITUATIONS[0]
    found = differences(script, situation, 3.5).mean(axis=0) / np.sqrt(2 * situation.variance().sum())
    for (a, b), value in zip(situation.pairs, found, strict=True):
        assert value == pytest.approx(3.5 * (int(situation.better[a]) - int(situation.better[b])), abs=0.3)


def test_seeds_have_the_share_of_the_variance_that_the_name_says(script) -> None:
    for percent in (10, 30, 50, 90):
        situation = next(s for s in script.SITUATIONS if s.name == f"3 seeds, {percent} % of the variance")
        assert situation.share_of_seeds() == pytest.approx(percent / 100)


def test_differences_that_are_far_beyond_chance_are_all_found_by_every_procedure(script) -> None:
    situation = replace(script.SITUATIONS[0], seeds=3, together=0.5)
    found = script.outcome(situation, 30.0, 1, 400)
    assert (found[: len(script.COLUMNS), 1] == 1.0).all()


def test_it_prints_a_line_for_each_situation(tmp_path) -> None:
    line = [sys.executable, str(CHECKOUT / "benchmarks" / "significance.py"), "--quick", "--only", "5 splits"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Synthetic: 4 tables each")
    assert len([row for row in done.stdout.splitlines() if row.startswith("| 5 splits")]) == 3
