"""Live progress on stderr: a bar with what runs now on a terminal, one line per finished job elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.execute.job import Job
from bench.execute.local import Pool, Result
from bench.text.clean import line


def clock(seconds: float) -> str:
    """A duration in at most two units: 45s, 3m20s, 1h05m."""
    seconds = int(seconds + 0.5)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"


class Progress:
    """Cells done, what is running, time gone and time left. Use as a context manager; `started` gives it the jobs."""

    def __init__(self, workers: int):
        self.workers = max(workers, 1)
        self.live: Any = None
        self.total = self.done = self.failed = 0
        self.left: dict[str, float] = {}
        self.begun = time.monotonic()
        self.drawn = 0.0

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self.live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
            self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self.live is not None:
            self.live.__exit__(*error)

    def started(self, jobs: list[Job]) -> None:
        """The jobs of the run, before the first of them starts."""
        self.total = sum(job.kind == "fuse" for job in jobs)
        self.left = {job.id: job.estimate for job in jobs}

    def eta(self, pool: Pool | None = None) -> float:
        """Seconds left: the estimates of what is left, spread over the workers."""
        gone = {}
        if pool is not None:
            now = time.monotonic()
            gone = {w.job.id: now - w.started for w in pool.running if w.job}
        left = sum(max(estimate - gone.get(job, 0.0), 0.0) for job, estimate in self.left.items())
        return left / self.workers

    def finished(self, result: Result) -> None:
        """One job has ended."""
        self.left.pop(result.job.id, None)
        if result.job.kind == "fuse" and result.status != "not-run":
            self.done += 1
        self.failed += result.status in ("failed", "timeout", "oom")
        if result.status == "not-run":
            return
        said = f"[{self.done}/{self.total}] {result.status:>6}  {result.job.label}  {result.seconds:.1f}s"
        if result.reason:
            said += f"  ({result.reason}{f': {result.words}' * bool(result.words)})"
        self._print(said)

    def changed(self, relearn: Callable[[Job], float] | None = None) -> Callable[[Pool], None]:
        """A function for `Watch.changed`; relearn gives a job's newest estimate."""

        def draw(pool: Pool) -> None:
            now = time.monotonic()
            if self.live is None or now - self.drawn < 0.25:
                return
            self.drawn = now
            if relearn is not None:
                self.left.update({job.id: relearn(job) for job in pool.waiting})
            self.live.update(self._picture(pool))

        return draw

    def warned(self, text: str) -> None:
        """A warning of a component."""
        self._print(f"warning: {text}")

    def _print(self, text: str) -> None:
        said = line(text)
        if self.live is not None:
            self.live.console.print(said, markup=False, highlight=False)
        else:
            with contextlib.suppress(OSError):  # nobody listens, or the log's disk is full: the run is worth more
                print(said, file=sys.stderr, flush=True)

    def _picture(self, pool: Pool) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        head = Table.grid(padding=(0, 1))
        failed = f", {self.failed} not ok" if self.failed else ""
        head.add_row(
            ProgressBar(total=max(self.total, 1), completed=self.done, width=30),
            f"{self.done}/{self.total} cells{failed}, {clock(now - self.begun)} gone, about {clock(self.eta(pool))} left",
        )
        rows = [
            Text(
                f"  {clock(now - w.started):>6}  {line(f'{w.job.label}  {w.note}')}",
                style="dim",
                no_wrap=True,
                overflow="ellipsis",
            )
            for w in pool.running
            if w.job
        ]
        return Group(head, *rows)
