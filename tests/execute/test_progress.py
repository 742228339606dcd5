"""What a person reads while a run goes on: how much, how often the same, and without colour."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.execute.api import Result
from bench.execute.progress import Progress, bar
from bench.stages.order import LAST
from support.fake_cells import fake_job

LONG = "a component raised ValueError at line 7 of fuser.py, in fit: the matrix is singular"


def said(capsys: pytest.CaptureFixture[str], results: list[tuple[str, str]], **how: bool) -> list[str]:
    """The lines of a run whose jobs end so: status and reason."""
    jobs = [fake_job(f"{k:064x}", stage=LAST.name) for k in range(len(results))]
    with Progress(1, **how) as progress:
        progress.expect(jobs)
        for job, (status, reason) in zip(jobs, results, strict=True):
            progress.started(job)
            progress.noted(job, "epoch 3")
            progress.finished(Result(job=job, status=status, reason=reason, seconds=1.0))
    return capsys.readouterr().err.splitlines()


def test_every_job_has_a_line_with_its_place_in_the_run(capsys) -> None:
    lines = said(capsys, [("ok", "")] * 3)
    assert [line.split()[0] for line in lines] == ["[1/3]", "[2/3]", "[3/3]"]


def test_a_quiet_run_names_only_what_did_not_end_well(capsys) -> None:
    lines = said(capsys, [("ok", ""), ("failed", "it broke"), ("skipped", "no NaN"), ("ok", "")], quiet=True)
    assert re.findall(r"failed|skipped", " ".join(lines)) == ["failed", "skipped"]


def test_a_verbose_run_names_what_begins_and_what_methods_say(capsys) -> None:
    lines = said(capsys, [("ok", "")], verbose=True)
    assert lines[0].startswith(f"begins: {LAST.name}")
    assert lines[1].endswith("epoch 3")
    assert lines[2].startswith("[1/1]")


def test_a_failure_that_many_cells_share_is_said_once_and_then_counted(capsys) -> None:
    lines = said(capsys, [("failed", LONG), ("failed", "it broke"), ("failed", LONG), ("failed", LONG)])
    assert [LONG in line for line in lines] == [True, False, False, False]
    assert lines[2].endswith("…: as before, 2 now)")
    assert lines[3].endswith("…: as before, 3 now)")
    assert lines[1].endswith("(it broke)")


@given(share=st.floats(0, 1), width=st.integers(4, 60))
def test_a_bar_without_colour_shows_what_is_done_and_what_is_left(share: float, width: int) -> None:
    drawn = bar(share, width)
    assert len(drawn) == width
    assert drawn.count("#") == round(share * (width - 2))
    assert drawn.count("#") + drawn.count(".") == width - 2


@pytest.mark.parametrize("colour", [True, False])
def test_the_bar_is_seen_with_and_without_colour(colour: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    jobs = [fake_job(f"{k:064x}", stage=LAST.name) for k in range(4)]
    progress = Progress(1)
    progress.expect(jobs)
    progress.finished(Result(job=jobs[0], status="ok", seconds=1.0))
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, no_color=not colour, width=100)
    progress.live = Live(console=console)
    console.print(progress._picture())
    assert ("[#######....................." in drawn.getvalue()) is not colour
    assert "1/4 cells" in drawn.getvalue()
