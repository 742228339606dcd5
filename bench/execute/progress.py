"""Live progress on stderr: a bar with what runs now on a terminal, one line per finished job
elsewhere.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.execute.api import Result, Watch
from bench.execute.job import Job
from bench.results.short_keys import PRINTED
from bench.stages.order import LAST
from bench.text.clean import line

DAY = 86_400
"""Seconds."""

YEAR = 365.25
"""Days."""

WIDTH = 30
"""Characters of the bar."""

SHORT = 40
"""Characters of a reason, from the second time on."""


def clock(seconds: float) -> str:
    """A duration in at most two units: 45s, 3m20s, 1h05m, 12 days, 3 years."""
    seconds = int(seconds + 0.5)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    if seconds < 2 * DAY:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
    days = round(seconds / DAY)
    return f"{days:,} days" if days < 2 * YEAR else f"{days / YEAR:,.0f} years"


def bar(share: float, width: int) -> str:
    """A bar of signs, for a terminal without colour."""
    done = round(share * (width - 2))
    return f"[{'#' * done}{'.' * (width - 2 - done)}]"


@dataclass
class Running:
    """A job that a worker does now. since: `time.monotonic()` of its begin."""

    label: str
    since: float
    note: str = ""


class Progress:
    """Cells done, what is running, time gone and time left. Use as a context manager; `expect`
    gives it the jobs.

    - quiet: no bar; lines only for what did not end well, and warnings.
    - verbose: a line also where a job begins. Elsewhere than on a terminal, one also for what
      components report of their progress.
    """

    def __init__(self, workers: int, quiet: bool = False, verbose: bool = False):
        self.workers = max(workers, 1)
        self.quiet, self.verbose = quiet, verbose
        self.reasons: Counter[str] = Counter()
        self.live: Any = None
        self.total = self.done = self.failed = 0
        self.left: dict[str, Job] = {}
        self.running: dict[str, Running] = {}
        self.estimate: Callable[[Job], float] = lambda job: job.estimate
        self.begun = time.monotonic()
        self.drawn = 0.0

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and not self.quiet:
            from rich.console import Console
            from rich.live import Live

            self.live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
            self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self.live is not None:
            self.live.__exit__(*error)

    def expect(self, jobs: list[Job]) -> None:
        """The jobs of the run, before the first of them starts."""
        self.total = sum(job.stage == LAST.name for job in jobs)
        self.left = {job.id: job for job in jobs}

    def watch(self, estimate: Callable[[Job], float]) -> Watch:
        """What an executor is given. estimate: the newest one of a job's seconds."""
        self.estimate = estimate
        return Watch(
            finished=self.finished, started=self.started, progress=self.noted, warned=self.warned, news=self._print,
            turned=self.draw, estimate=estimate,
        )  # fmt: skip

    def eta(self) -> float:
        """Seconds left: the estimates of what is left, spread over the workers."""
        now = time.monotonic()
        gone = {key: now - running.since for key, running in self.running.items()}
        left = sum(max(self.estimate(job) - gone.get(key, 0.0), 0.0) for key, job in self.left.items())
        return left / self.workers

    def started(self, job: Job) -> None:
        """A worker has begun a job."""
        self.running[job.id] = Running(job.label, time.monotonic())
        if self.verbose:
            self._print(f"begins: {job.stage}  {job.label}, about {clock(self.estimate(job))}")

    def noted(self, job: Job, text: str) -> None:
        """What a component says of its progress."""
        if job.id in self.running:
            if self.verbose and self.live is None and text != self.running[job.id].note:
                self._print(f"  {job.label}  {text}")
            self.running[job.id].note = text

    def finished(self, result: Result) -> None:
        """One job has ended."""
        self.left.pop(result.job.id, None)
        self.running.pop(result.job.id, None)
        if result.job.stage == LAST.name and result.status != "not-run":
            self.done += 1
        self.failed += result.status in ("failed", "timeout", "oom")
        if result.status == "not-run":
            return
        if self.quiet and result.status == "ok":
            return
        key = result.job.id[:PRINTED] if result.job.stage == LAST.name else ""
        what = f"{key} {result.job.label}".strip()
        text = f"[{self.done}/{self.total}] {result.status:>6}  {what}  {result.seconds:.1f}s"
        if result.reason:
            text += f"  ({self._reason(result)})"
        self._print(text)

    def _reason(self, result: Result) -> str:
        """Why a job did not end well; of one that others had before, how many have it now."""
        reason = f"{result.reason}{f': {result.words}' * bool(result.words)}"
        self.reasons[reason] += 1
        if self.reasons[reason] == 1 or len(reason) <= SHORT:
            return reason
        return f"{reason[:SHORT].rsplit(' ', 1)[0]} …: as before, {self.reasons[reason]} now"

    def draw(self) -> None:
        """The bar, on a terminal, at most four times a second."""
        now = time.monotonic()
        if self.live is not None and now - self.drawn >= 0.25:
            self.drawn = now
            self.live.update(self._picture())

    def warned(self, text: str) -> None:
        """A warning of a component."""
        self._print(f"warning: {text}")

    def _print(self, text: str) -> None:
        text = line(text)
        if self.live is not None:
            self.live.console.print(text, markup=False, highlight=False)
        else:
            with contextlib.suppress(OSError):  # a closed terminal or a full disk does not end the run
                print(text, file=sys.stderr, flush=True)

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        head = Table.grid(padding=(0, 1))
        failed = f", {self.failed} not ok" if self.failed else ""
        share = self.done / max(self.total, 1)
        plain = self.live.console.no_color  # without colour the two parts of a drawn bar look alike
        head.add_row(
            Text(bar(share, WIDTH))
            if plain
            else ProgressBar(total=max(self.total, 1), completed=self.done, width=WIDTH),
            f"{self.done}/{self.total} cells{failed}, {clock(now - self.begun)} gone, about {clock(self.eta())} left",
        )
        rows = [
            Text(
                f"  {clock(now - each.since):>6}  {line(f'{each.label}  {each.note}')}",
                style="dim",
                no_wrap=True,
                overflow="ellipsis",
            )
            for each in self.running.values()
        ]
        return Group(head, *rows)
