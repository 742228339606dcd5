"""The calibrated clock: a budget in seconds buys the same work on a fast and on a slow machine."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import clock
from bench.clock import AGAIN, PER_SECOND, STEPS, Clock


class Machine:
    """One that does `speed` steps of the fixed network per second, and no other work takes time."""

    def __init__(self, speed: float):
        self.speed, self.time = speed, 0.0

    def do(self, steps: float) -> None:
        self.time += steps / self.speed

    def clock(self, spent: float = 0.0) -> Clock:
        return Clock("cpu", spent, now=lambda: self.time, work=lambda: self.do(STEPS))


speeds = st.floats(1.0, 1e6)


@given(speed=speeds, work=st.lists(st.floats(0.1, 20_000.0), min_size=1, max_size=20))
def test_the_same_work_takes_the_same_seconds_on_every_machine(speed: float, work: list[float]) -> None:
    machine = Machine(speed)
    counted = machine.clock()
    for steps in work:
        machine.do(steps)
        counted.tick()
    assert counted.spent == pytest.approx(sum(work) / PER_SECOND)


@given(before=speeds, after=speeds)
def test_a_change_of_speed_is_noticed_when_it_measures_again(before: float, after: float) -> None:
    machine = Machine(before)
    counted = machine.clock()
    machine.speed = after
    machine.time += 1.001 * AGAIN * PER_SECOND / before
    spent = counted.tick()
    assert spent == pytest.approx(1.001 * AGAIN)
    machine.do(PER_SECOND)
    assert counted.tick() - spent == pytest.approx(1.0)


def test_what_lies_between_a_tick_and_a_start_costs_nothing() -> None:
    machine = Machine(10.0)
    counted = machine.clock(spent=2.0)
    machine.do(PER_SECOND)
    counted.tick()
    machine.do(100 * PER_SECOND)
    counted.start()
    assert counted.tick() == pytest.approx(3.0)


def test_the_clock_of_a_processor_goes_and_disturbs_no_training() -> None:
    module = torch.nn.Linear(2, 1)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    with torch.no_grad():
        counted = Clock("cpu")
        rows = torch.ones(200, 200)
        for _ in range(20):
            rows = (rows @ rows).tanh()
        assert counted.tick() > 0
        assert not torch.is_grad_enabled()
    assert torch.equal(before, torch.random.get_rng_state())
    assert module.weight.grad is None


def test_the_fixed_work_is_the_same_each_time() -> None:
    assert PER_SECOND == 3500  # every stored budget is counted by it
    assert (clock.RECORDS, clock.WIDTH) == (32, 64)
