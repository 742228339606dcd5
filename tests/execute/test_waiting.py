"""`bench.execute.queue`: who is handed out when."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from bench.execute.job import Job
from bench.execute.queue import Waiting
from support.fake_cells import fake_job as job


def anything(job: Job) -> bool:
    return True


def taken(waiting: Waiting, device: str = "cpu") -> list[str]:
    """All that can be taken without anything ending."""
    found = []
    while one := waiting.take(device, anything):
        found.append(one.id)
    return found


def test_jobs_are_handed_out_in_the_order_given():
    assert taken(Waiting([job("b"), job("a"), job("c")])) == ["b", "a", "c"]


def test_a_job_waits_for_all_its_needs():
    waiting = Waiting([job("fuse", "cohort", "impute"), job("cohort"), job("impute", "cohort")])
    assert taken(waiting) == ["cohort"]
    assert waiting.ended("cohort", well=True) == []
    assert taken(waiting) == ["impute"]
    waiting.ended("impute", well=True)
    assert taken(waiting) == ["fuse"]


def test_a_need_that_is_not_among_the_jobs_is_done_already():
    assert taken(Waiting([job("fuse", "cached")])) == ["fuse"]


def test_a_job_that_became_ready_goes_before_later_ones():
    waiting = Waiting([job("impute"), job("fuse", "impute"), job("other")])
    assert waiting.take("cpu", anything).id == "impute"
    waiting.ended("impute", well=True)
    assert taken(waiting) == ["fuse", "other"]


def test_what_needs_a_failed_job_waits_no_more():
    waiting = Waiting([job("impute"), job("fuse", "impute"), job("other")])
    waiting.take("cpu", anything)
    assert [lost.id for lost in waiting.ended("impute", well=False)] == ["fuse"]
    assert taken(waiting) == ["other"]
    assert not waiting


def test_each_device_has_a_line_of_its_own():
    waiting = Waiting([job("gpu", device="cuda"), job("cpu")])
    assert taken(waiting, "cpu") == ["cpu"]
    assert taken(waiting, "cuda") == ["gpu"]


def test_a_job_that_does_not_fit_is_passed_over_and_left():
    waiting = Waiting([job("long", estimate=100), job("after", "long"), job("short")])
    assert waiting.take("cpu", lambda job: job.estimate < 10).id == "short"
    assert waiting.take("cpu", lambda job: job.estimate < 10) is None
    assert not waiting.any_ready
    assert [left.id for left in waiting.give_up()] == ["long", "after"]
    assert not waiting


@given(st.integers(0, 40), st.randoms(use_true_random=False))
def test_whatever_the_needs_every_job_is_handed_out_once_and_after_all_it_needs(number: int, rng: random.Random):
    jobs = [job(str(k), *(str(rng.randrange(k)) for _ in range(rng.randint(0, 3)) if k)) for k in range(number)]
    rng.shuffle(jobs)
    waiting, running, done = Waiting(jobs), [], []
    while waiting or running:
        while one := waiting.take("cpu", anything):
            assert set(one.needs) <= set(done)
            running.append(one.id)
        key = running.pop(rng.randrange(len(running)))
        waiting.ended(key, well=True)
        done.append(key)
    assert sorted(done) == sorted(one.id for one in jobs)
