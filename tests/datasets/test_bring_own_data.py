"""The page on data of one's own does what it says: its files are read as it says they are, and
its suite runs on the tables that `bench new suite` writes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.errors import DataError
from bench.template import render_suite
from support.commanding import command
from support.pages import page

PAGE = page("how-to/bring-own-data.md")
FILES = {name: text for name, text in re.findall(r"```(?:csv|toml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)}
ANSWERS = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^    bench (.*)$", PAGE, re.MULTILINE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page, in which commands run."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    return tmp_path


def test_the_mapping_has_twenty_lines():
    assert set(FILES) == {"mine/measurements.csv", "mine/labels.csv", "mine/longcsv.toml", "mine.toml"}
    assert len(FILES["mine/longcsv.toml"].splitlines()) <= 20


def test_verify_says_what_the_page_says(here: Path):
    ended = command(here, *["data", "verify", "longcsv", "data.root=mine"])
    assert "data verify longcsv data.root=mine" in COMMANDS
    lines = [line for line in ANSWERS[0].splitlines() if "read in" not in line]
    assert "\n".join(lines) in ended.out, ended.out


def test_a_label_that_is_not_accepted_is_refused_as_the_page_says(here: Path):
    labels = Path("mine/labels.csv")
    labels.write_text(labels.read_text().replace("p2,71,1", "p2,71,yes"))
    ended = command(here, *["data", "verify", "longcsv", "data.root=mine"])
    assert ended.code == DataError.exit_code
    assert ANSWERS[1].strip().replace("mine/", f"{here}/mine/") in ended.err


def test_the_suite_of_the_page_gives_a_table_of_the_tables_that_come_with_a_new_suite(here: Path):
    render_suite("ward", Path("ward"))
    run = command(here, "run", "suite=mine.toml", "data.root=ward", "seed=0", "scenario=natural", "workers=1")
    assert run.code == 0, run.err
    report = command(here, "report", "suite=mine.toml", "--print")
    assert report.code == 0, report.err
    assert "Our ward" in report.out
    assert "locf" in report.out
    Path("ward/labels.csv").unlink()
    again = command(here, "report", "suite=mine.toml", "--print")
    assert "whether anything was edited is not known" in again.err
    assert str(here) not in again.out
    assert "edited since" not in again.out.lower()
    assert {"run suite=mine.toml data.root=mine", "report suite=mine.toml --print"} <= set(COMMANDS)
