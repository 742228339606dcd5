"""How well a first run is foretold: estimated seconds beside those taken, for each method of a
suite and for the whole.

    # mimic48's demo on generated records, every fuser once
    python benchmarks/estimates.py
    python benchmarks/estimates.py suite=physionet48 imputer=mean,csdi-quick \\
        fuser=linear,gru seed=42

Words are as `bench run` takes them; ledger and cache are new and empty, so nothing is known but
what plugins declare. One worker, so that jobs do not compete. What is compared with an estimate is
processor time where the system tells it (Linux): on a shared machine the clock also holds what
others do. Exit code 0 whether the goal is met or not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import CannotMeasure, seconds, timed

if TYPE_CHECKING:
    from bench.execute.api import Result
    from bench.execute.job import Job

GOAL = 3.0
"""An estimate is good that is off by no more than this factor, either way."""

SMALL = 1.0
"""Seconds that an estimate may be off whatever the factor: nobody waits for them, and importing
a library takes as long.
"""

WORDS = (
    "suite=mimic48", "data.root=synthetic", "seed=42", "imputer=locf,csdi-quick", "audits.cells=", "controls.imputer=mean",
)  # fmt: skip

SHARES = ("user", "system", "children_user", "children_system")


@dataclass(frozen=True)
class Foretold:
    """Seconds of the jobs of one method, estimated and taken: on the clock, and of the processor
    where that is known.

    number: of jobs. worst: the factor by which the worst of their estimates is off, 1 where all are
            right.
    """

    what: str
    number: int
    estimated: float
    wall: float
    cpu: float | None
    worst: float

    @property
    def taken(self) -> float:
        """What is compared: processor seconds where they are known."""
        return self.wall if self.cpu is None else self.cpu

    @property
    def ok(self) -> bool:
        """Whether every estimate is within the goal."""
        return self.worst <= GOAL

    def cells(self) -> list[str]:
        cpu = "" if self.cpu is None else seconds(self.cpu)
        ratio = f"{self.estimated / max(self.taken, 1e-9):.2f}"
        return [
            self.what, str(self.number), seconds(self.estimated), seconds(self.wall), cpu, ratio, f"{self.worst:.2f}",
            "ok" if self.ok else "MISSED",
        ]  # fmt: skip


def off(estimated: float, taken: float) -> float:
    """The factor between an estimate and what was taken, at least 1; 1 where they differ by less
    than `SMALL`.
    """
    if abs(estimated - taken) <= SMALL:
        return 1.0
    small, large = sorted((max(estimated, 1e-9), max(taken, 1e-9)))
    return large / small


def measure(words: Sequence[str]) -> Iterator[Foretold]:
    """Run a suite in a new folder: a row for each method of each stage, then the whole run."""
    from bench.config.request import request
    from bench.execute.api import Watch
    from bench.registry import discover
    from bench.run.execute import execute
    from bench.run.prepare import prepare
    from bench.run.schedule import jobs_of
    from bench.stages.order import BY_NAME

    registry = discover()
    with tempfile.TemporaryDirectory(prefix="bench-estimates-") as folder:
        places = (f"out={folder}/results", f"cache={folder}/cache", "workers=1")
        prepared = prepare(request((*words, *places), registry), registry, fetch=lambda text: None)
        jobs = jobs_of(prepared, prepared.todo())
        begun: dict[str, float | None] = {}
        spent: dict[tuple[str, str], list[tuple[float, float, float | None]]] = defaultdict(list)

        def started(job: Job) -> None:
            begun[job.id] = processor()

        def finished(result: Result) -> None:
            if result.status != "ok":
                raise CannotMeasure(f"{result.job.label}: {result.status} {result.reason}")
            now, before = processor(), begun[result.job.id]
            cpu = None if now is None or before is None else now - before
            job = result.job
            method = BY_NAME[job.stage].variant(job.cell).label
            spent[job.stage, method].append((job.estimate, result.seconds, cpu))
            last = row(job.label, spent[job.stage, method][-1:])
            print("  ".join(last.cells()), file=sys.stderr, flush=True)

        wall, before = time.monotonic(), ended()
        execute(prepared, Watch(finished=finished, started=started), remember=False)
        wall, cpu = time.monotonic() - wall, ended() - before
    for (stage, method), each in sorted(spent.items()):
        yield row(f"{stage} {method}", each)
    whole = sum(job.estimate for job in jobs)
    yield row("whole run", [(whole, wall, cpu or None)], len(jobs))


def row(what: str, jobs: Sequence[tuple[float, float, float | None]], number: int = 0) -> Foretold:
    """What the jobs of a method come to; each is its estimate, its wall time and its processor
    time. number: if not of these.
    """
    cpu = [cpu for _, _, cpu in jobs if cpu is not None]
    worst = max(off(estimated, wall if cpu is None else cpu) for estimated, wall, cpu in jobs)
    known = sum(cpu) if len(cpu) == len(jobs) else None
    return Foretold(
        what, number or len(jobs), sum(each[0] for each in jobs), sum(each[1] for each in jobs), known, worst
    )


def processor() -> float | None:
    """Processor seconds of the workers so far, with those of processes that they waited for;
    None where nothing tells.
    """
    import psutil

    try:
        children = psutil.Process().children()
        return sum(sum(getattr(child.cpu_times(), name) for name in SHARES) for child in children)
    except (psutil.Error, AttributeError):
        return None


def ended() -> float:
    """Processor seconds of all processes that this one has waited for; 0 where the system does
    not tell.
    """
    times = os.times()
    return times.children_user + times.children_system


def machine() -> float:
    """Seconds of a fixed loop and a fixed matrix product: how fast this machine is today."""
    import numpy as np

    matrix = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)

    def fixed() -> None:
        total = 0
        for number in range(1_000_000):
            total += number * number
        for _ in range(10):
            matrix @ matrix

    return min(each.cpu or each.wall for each in timed(fixed, 5))


def table(rows: Sequence[Foretold]) -> str:
    """All rows as a Markdown table."""
    from tabulate import tabulate

    header = ["what", "jobs", "estimated", "taken", "CPU", "ratio", f"worst (goal <= {GOAL:g})", "ok"]
    return tabulate([row.cells() for row in rows], header, tablefmt="github", disable_numparse=True)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="as `bench run` takes them")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    asked = parser.parse_args(words)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"this machine: {seconds(machine())} for a fixed loop and matrix product", file=sys.stderr)
    try:
        rows = list(measure(asked.words or WORDS))
    except CannotMeasure as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 1
    print(json.dumps([asdict(each) | {"ok": each.ok} for each in rows], indent=2) if asked.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
