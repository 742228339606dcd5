"""Two suite files of one name share a ledger: what is said of the last run is said of its suite
file, or refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.project import SUPPORT, Project, toy_site

WORDS = ("imputer=mean", "fuser=linear")


@pytest.fixture
def both(project: Project, tmp_path: Path) -> Project:
    """A project in which the suite toy is installed, with an edited copy of it."""
    site = tmp_path / "site"
    project.environment["PYTHONPATH"] = toy_site(site)
    (site / "toy_suites").mkdir()
    (site / "toy_suites" / "__init__.py").touch()
    text = (SUPPORT / "toy.toml").read_text()
    (site / "toy_suites" / "toy.toml").write_text(text)
    entries = site / "bench_toy-1.0.dist-info" / "entry_points.txt"
    entries.write_text("[bench]\ntoy = bench_toy.plugin\n[bench.suites]\ntoys = toy_suites\n")
    (project.folder / "toy.toml").write_text(text + "\n[split]\nseed = 99\n")
    return project


def told(project: Project, suite: str) -> tuple[str, Any]:
    """What a report differs in from the installed suite, and its scores."""
    done = project.bench("report", f"suite={suite}", "--json")
    assert "dited since" not in done.stdout + done.stderr
    board = json.loads(done.stdout)
    rows = [(row["imputer"], row["fuser"], row["scores"]) for table in board["tables"] for row in table["rows"]]
    return [each["key"] for each in board["overrides"]], rows


def test_a_report_is_of_the_last_run_and_refused_where_another_suite_file_of_its_name_is_named(both: Project) -> None:
    both.bench("run", "suite=toy", *WORDS)
    installed = told(both, "toy")
    both.bench("run", "suite=./toy.toml", *WORDS)
    copy = told(both, "./toy.toml")
    assert (installed[0], copy[0]) == ([], ["split.seed"])
    assert installed[1] != copy[1]
    for command in (("report",), ("baseline", "pin"), ("history",), ("compare",)):
        refused = both.bench(*command, "suite=toy", code=2)
        assert refused.stdout == ""
        assert "the last run of toy was of ./toy.toml; type suite=./toy.toml" in refused.stderr
    both.bench("run", "suite=toy", *WORDS)
    assert told(both, "toy") == installed
    assert "was of toy; type suite=toy" in both.bench("report", "suite=./toy.toml", code=2).stderr
    pages = {path.stem: path.read_text() for path in (both.folder / "results" / "leaderboards").glob("*.md")}
    assert {stem: "split.seed = 99" in text for stem, text in pages.items()} == {stem: stem != "toy" for stem in pages}
    assert len(pages) == 2
    for suite, differs in (("toy", False), ("./toy.toml", True)):
        both.bench("run", f"suite={suite}", *WORDS)
        both.bench("baseline", "pin", f"suite={suite}", "--baseline", "pinned.json")
        assert ("split.seed" in (both.folder / "pinned.json").read_text().partition('"records"')[0]) is differs
        (both.folder / "pinned.json").unlink()


def test_the_command_that_makes_edited_cells_anew_does(both: Project) -> None:
    both.bench("run", "suite=./toy.toml", *WORDS, "out=elsewhere")
    file = both.folder / "toy.toml"
    file.write_text(file.read_text().replace("seed = 99", "seed = 98"))
    warned = both.bench("report", "suite=./toy.toml", "out=elsewhere").stderr
    command = warned.partition("run again with: bench ")[2].splitlines()[0].split()
    both.bench(*command)
    assert "dited since" not in both.bench("report", "suite=./toy.toml", "out=elsewhere").stderr
