"""Shards of a plan are disjoint and whole, keep an imputation and its fusions together, and merge
to the table of one run.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.grid.shard import groups, shard
from support.asking import Asker
from support.project import Project

GRID = ("imputer=mean,locf,around", "fuser=level,waits", "seed=0..9")


@given(parts=st.integers(1, 9), seeds=st.integers(1, 4))
def test_shards_are_disjoint_and_whole_and_keep_imputations_together(
    tmp_path_factory: pytest.TempPathFactory, parts: int, seeds: int
) -> None:
    asker = Asker(tmp_path_factory.mktemp("asker"))
    cells = asker.plan("imputer=plain,deep", "fuser=flat,net", f"seed=0..{seeds}").cells
    divided = [shard(cells, number, parts) for number in range(1, parts + 1)]
    assert sorted(cell.key for cell in itertools.chain(*divided)) == sorted(cell.key for cell in cells)
    imputations = [{cell.keys["impute"] for cell in part} for part in divided]
    assert not any(one & other for one, other in itertools.combinations(imputations, 2))
    sizes = [len(part) for part in imputations]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == len(groups(cells))


def test_the_order_of_a_plan_and_what_is_done_decide_nothing(tmp_path: Path) -> None:
    cells = Asker(tmp_path).plan("imputer=plain,deep", "fuser=flat,net", "seed=0..5").cells
    assert {c.key for c in shard(cells, 2, 3)} == {c.key for c in shard(cells[::-1], 2, 3)}


@pytest.mark.parametrize("word", ["4/3", "0/3", "3", "a/b", "1/0", "1/2/3", "-1/3"])
def test_what_is_no_shard_is_refused_with_an_example(tmp_path: Path, word: str) -> None:
    assert "shard=3/16" in Asker(tmp_path).refusal(f"shard={word}")


def test_bench_tune_refuses_a_shard(project: Project) -> None:
    assert "needs all of its cells" in project.here("tune", project.suite, "shard=1/2", code=2).stderr


def test_a_shard_is_of_no_key_and_of_no_table(tmp_path: Path) -> None:
    asker = Asker(tmp_path)
    assert [c.key for c in asker.plan("shard=1/3").cells] == [c.key for c in asker.plan().cells]
    assert "shard=" not in asker.request("shard=1/3").command(exact=False)


def test_sixty_cells_in_three_shards_merged_give_the_leaderboard_of_one_run(project: Project, tmp_path: Path) -> None:
    parts = ["part1", "part2", "part3"]
    numbers = []
    for number, part in enumerate(parts, 1):
        project.environment["BENCH_CACHE"] = str(tmp_path / f"cache{number}")  # three machines share nothing
        run = project.here("run", project.suite, *GRID, f"shard={number}/3", f"out={part}")
        assert f"shard {number} of 3" in run.stderr
        numbers.append(len(list((project.folder / part).glob("ledger/cells/*/*.json"))))
    assert sum(numbers) == 60
    assert min(numbers) > 0
    merged = project.here("ledger", "merge", *parts)
    assert "60 taken" in merged.stdout
    assert merged.stderr == ""
    other = Project(tmp_path / "whole", project.environment, project.suite)
    other.folder.mkdir()
    other.here("run", project.suite, *GRID)
    assert project.leaderboard() == other.leaderboard()
    assert "not-run" not in project.leaderboard().decode()


def test_a_shard_without_a_cell_says_why(project: Project) -> None:
    run = project.here("run", project.suite, "imputer=mean", "shard=3/3")
    assert "has 1 imputation, whose cells stay together" in run.stderr
    assert project.records() == []
