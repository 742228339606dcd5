"""Jobs that were not started yet: in the order given, as far as their needs allow. Every step
costs next to nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from bench.execute.api import Result
from bench.execute.job import Job


class Waiting:
    """Knows who waits for whom, so that ten thousand jobs are handed out as fast as ten.

    A job is ready when all its needs among the jobs given are done. One that does not fit when its
    turn comes is passed over for good: what is left of a budget only shrinks.
    """

    def __init__(self, jobs: Iterable[Job] = ()):
        self.jobs = {job.id: job for job in jobs}
        self._place = {key: place for place, key in enumerate(self.jobs)}
        self._unmet: dict[str, set[str]] = {}
        self._dependents: dict[str, list[str]] = {}
        self._ready: dict[str, list[tuple[int, str]]] = {}
        for key, job in self.jobs.items():
            self._unmet[key] = {need for need in job.needs if need in self.jobs}
            for need in self._unmet[key]:
                self._dependents.setdefault(need, []).append(key)
            self._if_ready(key)

    def __len__(self) -> int:
        return len(self.jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs.values())

    def _if_ready(self, key: str) -> None:
        if not self._unmet[key]:
            heapq.heappush(self._ready.setdefault(self.jobs[key].device, []), (self._place[key], key))

    @property
    def any_ready(self) -> bool:
        """Whether some job could be taken, if it fits."""
        return any(self._ready.values())

    def take(self, device: str, fits: Callable[[Job], bool]) -> Job | None:
        """Hand out the first ready job for a device ("cpu" or "cuda") that fits; None when there
        is none.
        """
        ready = self._ready.get(device, [])
        while ready:
            _, key = heapq.heappop(ready)
            if fits(self.jobs[key]):
                return self.jobs.pop(key)
        return None

    def ended(self, key: str, well: bool) -> list[Job]:
        """Note the end of a job that was taken. Returns the jobs that can no longer be done;
        they wait no more.
        """
        lost = []
        for dependent in self._dependents.pop(key, []):
            if dependent in self.jobs and well:
                self._unmet[dependent].discard(key)
                self._if_ready(dependent)
            elif dependent in self.jobs:
                lost.append(self.jobs.pop(dependent))
        return lost

    def settle(self, result: Result) -> Iterator[Result]:
        """A result, and how those jobs end that needed it and cannot be done: the same way, with
        the reason.
        """
        yield result
        for job in self.ended(result.job.id, well=result.status == "ok"):
            reason = result.reason if result.status == "not-run" else f"{result.job.label}: {result.reason}"
            yield from self.settle(
                Result(job=job, status=result.status, reason=reason, surroundings=result.surroundings)
            )  # fmt: skip

    def give_up(self) -> list[Job]:
        """All that is left; nothing waits any more."""
        left = list(self.jobs.values())
        self.jobs.clear()
        return left
