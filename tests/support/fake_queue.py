"""The queue of a cluster in this process: an element runs, from its first line to its end, whenever
the queue is asked what it holds.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from bench.execute import executors, sbatch
from bench.execute.batch import Batch
from bench.execute.executors import slurm
from bench.execute.job import Job
from bench.run.element import Element, Place
from support import inline


class Killed(BaseException):
    """The end of an element that can say nothing any more."""


@dataclass
class FakeQueue:
    """meets: called with the name of an element (`100_3`) and each job that it begins; may raise
    `Killed` or send a signal. asked: called before the queue answers. submitted: the options of
    each array.
    """

    meets: Callable[[str, Job], None] = lambda name, job: None
    asked: Callable[[], None] = lambda: None
    submitted: list[tuple[str, Sequence[str]]] = field(default_factory=list)
    waiting: dict[str, tuple[Path, list[str]]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    holds: bool = False

    @contextlib.contextmanager
    def open(self) -> Iterator[FakeQueue]:
        """In the place of SLURM's programs."""
        with (
            mock.patch.multiple(
                sbatch, is_here=lambda: True, submit=self.submit, queued=self.queued, cancel=self.cancel
            ),
            mock.patch.multiple(slurm, LAG=0.0),
            mock.patch.object(slurm.Executor, "_wait", lambda executor, seconds: executor.watch.turned()),
        ):
            yield self

    def submit(self, script: str, numbers: str, words: Sequence[str]) -> str:
        array = str(100 + len(self.submitted))
        self.submitted.append((numbers, words))
        first, last = map(int, numbers.split("-"))
        after = [word.partition(":")[2].split(":") for word in words if word.startswith("--dependency=afterany:")]
        for number in range(first, last + 1):
            self.waiting[f"{array}_{number}"] = (Path(script).parent, [each for ids in after for each in ids])
        return array

    def queued(self) -> set[str]:
        self.asked()
        if not self.holds:
            self.step()
        return set(self.waiting)

    def cancel(self, ids: Sequence[str]) -> None:
        for name in [name for name in self.waiting if name.partition("_")[0] in ids]:
            del self.waiting[name]

    def step(self) -> None:
        """Run the first element whose turn it is."""
        arrays = {name.partition("_")[0] for name in self.waiting}
        ready = [name for name, (_, after) in self.waiting.items() if not arrays & {*after}]
        if not ready:
            return
        folder, _ = self.waiting.pop(ready[0])
        place = Place(ready[0])
        inline.fresh()
        element = Element(Batch(folder), int(ready[0].partition("_")[2]), place, inline.installed(), self.said.append)
        started = element.watch.started

        def meet(job: Job) -> None:
            started(job)
            self.meets(ready[0], job)

        element.watch.started = meet
        before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)}
        try:
            with mock.patch.object(executors, "find", inline.find(inline.installed())):
                element.run()
        except (Killed, Exception) as error:
            self.said.append(f"{type(error).__name__}: {error}")
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def drain(self) -> None:
        """Until the queue is empty."""
        while self.waiting:
            self.step()
