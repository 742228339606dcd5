"""A clock that runs as fast as the machine does, so that a budget in seconds buys the same work on
a slow and on a fast one.

A calibrated second is the time in which this machine does a fixed amount of work: `PER_SECOND`
training steps of a small fixed network. On the machine the constant was chosen on, it is a second
of one core. The clock times that work before it starts and again every `AGAIN` calibrated seconds,
since a machine's speed changes with what else it does. On the CPU it counts processor time, so that
a process that has to wait for others loses nothing. On a GPU it counts wall time, after all work
that was queued is done.

It makes budgets comparable, not equal to the bit: two readings differ by some per cent.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

__all__ = ["Clock"]

PER_SECOND = 3500.0
"""Our decision: steps of the fixed network in one calibrated second."""

AGAIN = 5.0
"""Calibrated seconds after which the speed is measured again."""

ROUNDS, STEPS = 5, 20
"""The speed is the median of so many rounds of so many steps."""

RECORDS, WIDTH = 32, 64


class Clock:
    """Calibrated seconds of one training.

    - device: "cpu" or "cuda".
    - spent: what an earlier part of the same training took.
    - now: seconds of the machine, for tests; the default follows the device.
    - work: does `STEPS` steps of the fixed network, for tests.
    """

    def __init__(
        self,
        device: str,
        spent: float = 0.0,
        *,
        now: Callable[[], float] | None = None,
        work: Callable[[], None] | None = None,
    ):
        self.spent = spent
        self._now = now or _now(device)
        self._work = work or _work(device)
        self._work()  # the first use of a kernel is slower
        self._calibrate()

    def tick(self) -> float:
        """Count what has passed since the last call or `start`; the seconds in all."""
        passed = (self._now() - self._since) / self._second
        self.spent += passed
        self._measured += passed
        if self._measured >= AGAIN:
            self._calibrate()
        else:
            self.start()
        return self.spent

    def start(self) -> None:
        """Count from here on: what lies between the last `tick` and this call costs nothing."""
        self._since = self._now()

    def _calibrate(self) -> None:
        rounds = []
        for _ in range(ROUNDS):
            began = self._now()
            self._work()
            rounds.append(self._now() - began)
        self._second = max(statistics.median(rounds), 1e-9) * PER_SECOND / STEPS
        self._measured = 0.0
        self.start()


def _now(device: str) -> Callable[[], float]:
    if device != "cuda":
        return time.process_time

    def after_all_work() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return after_all_work


def _work(device: str) -> Callable[[], None]:
    """The fixed network: two linear maps with a nonlinearity on `RECORDS` rows. Draws no random
    number, and leaves gradients of nothing else.
    """
    with torch.device(device), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        rows = torch.linspace(-1, 1, RECORDS * WIDTH).reshape(RECORDS, WIDTH)

    def steps() -> None:
        with torch.enable_grad(), torch.autocast(device, enabled=False):
            for _ in range(STEPS):
                loss: torch.Tensor = network(rows).square().mean()
                loss.backward()

    return steps
