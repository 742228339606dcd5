"""Measures how long chartevents of 5, 10 and 20 million rows take to become a cached cohort, and
how much memory.

    python benchmarks/etl.py                 about three minutes on two free cores; raw tables are
                                             removed
    python benchmarks/etl.py --keep DIR      keep the raw tables in DIR; a second run finds them
                                             there
    python benchmarks/etl.py --full          the size of MIMIC-IV 2.2 too: some 314 million rows,
                                             half an hour, 9 GB of disk
    python benchmarks/etl.py --quick         tiny tables, judged by no goal; tries the script, not
                                             the reader

All data are generated. Exit code 1 when a goal is missed or something cannot be measured.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.etl_tables import Tables, make, rows
from benchmarks.measuring import CannotMeasure

CORES = 2
ROWS, SECONDS, BYTES = 20_000_000, 90.0, 3e9
"""The goal: a table of so many rows is a cached cohort after so many seconds, and no process
held more memory.
"""

EXPONENT = 1.1
"""The goal of linearity: seconds grow with the rows to a power of at most this."""

RELEASE_ROWS, RELEASE_STAYS = 313_645_063, 73_181
"""icu/chartevents and icu/icustays of MIMIC-IV 2.2 (`bench_datasets.mimic4.verify.RELEASES`)."""

LIKE, OTHERS = 2.0, 2.02
"""Density and rows of other items per row with which a generated stay has about the release's
4,286 rows.
"""

SIZES = (1_250, 2_400, 4_750)
"""Stays of about 5, 10 and 20 million rows at that density."""

DENSE = Tables(2_950, 10.0)
"""20 million rows as the generator writes them: three in four are of the variables, ten times as
often as usual.
"""


@dataclass(frozen=True)
class Measured:
    """One table become a cohort.

    rows: of chartevents; used: those of items of the 30 variables; kept: values in the cohort.
    seconds, cpu: from the request to the cohort on disk. peak: bytes the preparing process held at
    most. size: bytes of the cohort's file.
    reload: seconds until every byte of it was read back, its digest compared. goal: whether that of
    time and memory is one for this size.
    """

    what: str
    stays: int
    rows: int
    used: int
    kept: int
    seconds: float
    cpu: float
    peak: float
    size: int
    reload: float
    repetitions: int = 1
    slowest: float = 0.0
    goal: bool = False

    @property
    def ok(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        return self.seconds <= SECONDS and self.peak <= BYTES if self.goal else None

    def cells(self) -> list[str]:
        return [
            self.what,
            f"{self.stays:,}",
            f"{self.rows:,}",
            f"{self.used / self.rows:.0%}",
            f"{self.seconds:.1f}",
            f"{self.slowest:.1f}" if self.repetitions > 1 else "",
            f"{self.cpu:.1f}",
            f"{self.rows / self.seconds:,.0f}",
            f"{self.peak / 2**20:,.0f}",
            f"<= {SECONDS:g} s, <= {BYTES / 2**20:,.0f} MiB" if self.goal else "",
            {True: "ok", False: "MISSED", None: ""}[self.ok],
            f"{self.size / 2**20:,.0f}",
            f"{1000 * self.reload:,.0f} ms",
        ]


HEADER = [
    "chartevents", "stays", "rows", "of the variables", "seconds", "slowest", "CPU", "rows/s", "peak MiB", "goal", "ok",
    "cohort MiB", "reload",
]  # fmt: skip


@dataclass(frozen=True)
class Line:
    """value = constant + slope * rows, by least squares; off: how far each point lies from it,
    as a share of the line.
    """

    constant: float
    slope: float
    off: list[float]

    def at(self, rows: float) -> float:
        return self.constant + self.slope * rows


def line(rows: Sequence[float], values: Sequence[float]) -> Line:
    """The straight line nearest to the points."""
    import numpy as np

    slope, constant = np.polyfit(rows, values, 1)
    fitted = constant + slope * np.asarray(rows)
    return Line(float(constant), float(slope), ((np.asarray(values) - fitted) / fitted).tolist())


def exponent(rows: Sequence[float], seconds: Sequence[float]) -> float:
    """k of seconds = c * rows**k, by least squares of the logarithms: 1 is linear growth."""
    import numpy as np

    return float(np.polyfit(np.log(rows), np.log(seconds), 1)[0])


def prepare(root: Path, place: Path) -> Measured:
    """Make the tables in `root` a cached cohort, as `bench run suite=mimic48` does: in a worker
    process that is new.

    place: an empty folder for the cache. Raises CannotMeasure when the worker does not end well.
    """
    import psutil

    from bench.arrays import forget_checks
    from bench.config.request import request
    from bench.execute.api import Aborted, Limits, Options, Result, Watch
    from bench.execute.executors.local import Executor
    from bench.registry import discover
    from bench.run.prepare import prepare as look_up
    from bench.run.schedule import jobs_of, setup_of
    from bench.stages import artifacts
    from bench.stages.preparing import load

    words = ("suite=mimic48", f"data.root={root}", f"cache={place / 'cache'}", f"out={place / 'out'}")
    registry = discover()
    asked = request(words, registry)
    results: list[Result] = []
    here = psutil.Process()
    begun, before = time.perf_counter(), here.cpu_times()
    prepared = look_up(asked, registry)
    (job,) = (job for job in jobs_of(prepared, prepared.todo()) if job.stage == "cohort")
    options = Options(workers=1, limits=Limits(time=math.inf, memory=sys.maxsize), logs=place / "logs")
    try:
        Executor(options).run([job], setup_of(prepared), Watch(finished=results.append))
    except Aborted as aborted:
        raise CannotMeasure(aborted.reason) from None
    seconds, after = time.perf_counter() - begun, here.cpu_times()
    (result,) = results
    if result.status != "ok":
        raise CannotMeasure(f"{job.label}: {result.status} {result.reason}")
    path = prepared.store.open(artifacts.cohort(job.id))
    reloads = []
    for _ in range(3):
        forget_checks()
        begun = time.perf_counter()
        cohort = load(path)
        for series in cohort.modalities.values():
            for array in (series.grid, series.observed, series.events.values, series.events.times):
                array.reshape(-1).view("u1").sum()
        reloads.append(time.perf_counter() - begun)
    spent = [getattr(after, name) - getattr(before, name) for name in after._fields if name != "iowait"]
    return Measured(
        what="",
        stays=cohort.counts["icu/icustays: stays"].number,
        rows=0,
        used=cohort.counts["icu/chartevents: rows of the variables"].number,
        kept=cohort.counts["icu/chartevents: values kept"].number,
        seconds=seconds,
        cpu=sum(spent),
        peak=result.peak_memory,
        size=path.stat().st_size,
        reload=sorted(reloads)[1],
    )


def best(what: str, rows: int, taken: Sequence[Measured], goal: bool) -> Measured:
    """The fastest of some repetitions, since what others do on the machine only adds; with the
    highest peak of all.
    """
    fastest = min(taken, key=lambda each: each.seconds)
    return Measured(
        **asdict(fastest)
        | {
            "what": what,
            "rows": rows,
            "goal": goal,
            "peak": max(each.peak for each in taken),
            "slowest": max(each.seconds for each in taken),
            "repetitions": len(taken),
        }
    )


def measure(
    plan: Sequence[tuple[str, Tables, bool]], folder: Path, repetitions: int, say: Callable[[str], None]
) -> Iterator[Measured]:
    """Make every table, then prepare all of them in turn so many times: noise of the machine meets
    all sizes alike.

    plan: a name, what to make, and whether the goal is one for it; then it must have the rows of
          the goal.
    """
    roots = [make(tables, folder, say) for _, tables, _ in plan]
    counted = [rows(root) for root in roots]
    for (_, tables, goal), number in zip(plan, counted, strict=True):
        if goal and number < ROWS:
            raise CannotMeasure(f"{tables.name} has {number:,} rows, the goal is for {ROWS:,}; give it more stays")
    taken: list[list[Measured]] = [[] for _ in plan]
    for repetition in range(repetitions):
        for (what, _, _), root, number, found in zip(plan, roots, counted, taken, strict=True):
            with tempfile.TemporaryDirectory(prefix="bench-etl-") as place:
                found.append(prepare(root, Path(place)))
            say(f"{what}, {number:,} rows, time {repetition + 1}: {found[-1].seconds:.1f} s")
    for (what, _, goal), number, found in zip(plan, counted, taken, strict=True):
        yield best(what, number, found, goal)


def verdict(sizes: Sequence[Measured], full: Measured | None, judged: bool) -> tuple[list[str], bool]:
    """What the sizes say of larger ones, in sentences, and whether no goal is missed.

    The cohort grows with the rows. What is held beside it does not: DuckDB has a limit, and more
    goes to disk. So memory is estimated as the cohort plus the most that any size held beside its
    own.
    """
    at = [each.rows for each in sizes]
    seconds, cpu = line(at, [each.seconds for each in sizes]), line(at, [each.cpu for each in sizes])
    size, beside = line(at, [each.size for each in sizes]), max(each.peak - each.size for each in sizes)
    power = exponent(at, [each.seconds for each in sizes])
    ok = not judged or power <= EXPONENT

    def said_of(count: int) -> str:
        return (
            f"{seconds.at(count) / 60:.1f} minutes ({cpu.at(count) / 60:.1f} of CPU) and "
            f"{(size.at(count) + beside) / 2**30:.1f} GiB"
        )

    off = ", ".join(f"{share:+.1%}" for share in seconds.off)
    judgement = f" (goal <= {EXPONENT}: {'ok' if ok else 'MISSED'})" if judged else ""
    said = [
        f"fitted line: seconds = {seconds.constant:.2f} + {seconds.slope * 1e6:.3f} per million rows; off by {off}",
        f"growth: seconds ~ rows^{power:.2f}{judgement}",
        f"estimate, not measured: {RELEASE_ROWS:,} rows (MIMIC-IV 2.2) take {said_of(RELEASE_ROWS)}",
    ]
    if full:
        said.append(
            f"measured, generated: {full.rows:,} rows took {full.seconds / 60:.1f} minutes ({full.cpu / 60:.1f} of CPU) and "
            f"{full.peak / 2**30:.1f} GiB; the estimate for so many is {said_of(full.rows)}"
        )
    return said, ok


def main() -> int:
    import argparse
    import json

    from tabulate import tabulate

    from bench.errors import BenchError

    parser = argparse.ArgumentParser(description="Time the way from generated tables of MIMIC-IV to a cached cohort.")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="where the raw tables stay, and are looked for")
    parser.add_argument("--full", action="store_true", help="measure the size of MIMIC-IV 2.2 too")
    parser.add_argument("--quick", action="store_true", help="tiny tables, judged by no goal")
    parser.add_argument("--repetitions", type=int, default=2, help="the fastest counts (default: 2)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    asked = parser.parse_args()
    if asked.repetitions < 1:
        parser.error("--repetitions takes a number from 1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    scale, judged = (50, False) if asked.quick else (1, True)
    like = [
        ("as in the release", Tables(stays // scale, LIKE, OTHERS), judged and stays == SIZES[-1]) for stays in SIZES
    ]
    dense = ("mostly of the variables", Tables(DENSE.stays // scale, DENSE.density), judged)
    whole = ("the release's size", Tables(RELEASE_STAYS // scale, LIKE, OTHERS), False)
    full: list[Measured] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-etl-") as temporary:
            folder = (asked.keep or Path(temporary)).absolute()
            found = list(measure([*like, dense], folder, asked.repetitions, say))
            if asked.full:
                full = list(measure([whole], folder, 1, say))
    except (CannotMeasure, BenchError) as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 1
    said, linear = verdict(found[: len(like)], full[0] if full else None, judged)
    found += full
    if asked.json:
        print(json.dumps({"rows": [asdict(row) | {"ok": row.ok} for row in found], "said": said}, indent=2))
    else:
        print(tabulate([row.cells() for row in found], HEADER, tablefmt="github", disable_numparse=True))
        print("\nAll data are generated.", *said, sep="\n- ")
    return 0 if linear and all(row.ok is not False for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
