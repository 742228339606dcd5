"""`benchmarks/estimates.py`: what it compares. How long anything takes is no test."""

from __future__ import annotations

import pytest

from benchmarks.estimates import GOAL, main, off, row, table

TINY = ("suite=trace_motivational", "data.train=40", "data.valid=20", "data.test=20", "scenario.rectangle.rate=0.1",
        "imputer=mean", "controls.imputer=", "controls.fuser=", "audits.cells=")  # fmt: skip


def test_an_estimate_may_be_off_either_way_by_the_same_factor():
    assert off(20.0, 5.0) == off(5.0, 20.0) == 4.0
    assert off(10.0, 10.0) == 1.0
    assert off(0.9, 0.0) == 1.0  # less than anybody waits for


def test_one_job_that_is_far_off_is_not_hidden_by_others_that_make_up_for_it():
    good, mixed = row("good", [(10.0, 12.0, 11.0)] * 2), row("mixed", [(10.0, 100.0, 100.0), (100.0, 10.0, 10.0)])
    assert good.ok
    assert mixed.estimated == mixed.taken
    assert mixed.worst == 10.0 > GOAL
    assert "MISSED" in table([good, mixed])


def test_processor_time_counts_where_it_is_known_and_the_clock_elsewhere():
    assert row("busy machine", [(10.0, 90.0, 9.0)]).ok
    assert not row("unknown", [(10.0, 90.0, None)]).ok


@pytest.mark.slow
def test_a_first_run_is_measured_method_by_method_and_as_a_whole(capsys):
    assert main([*TINY, "--json"]) == 0
    said = capsys.readouterr().out
    assert all(f'"what": "{what}' in said for what in ("impute mean", "fuse linear", "whole run"))
