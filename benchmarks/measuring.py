"""What the measurements share: rows, repetitions, and a place of their own to run commands in."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SUPPORT = Path(__file__).parent / "support"
CHECKOUT = Path(__file__).resolve().parents[1]
IDLE = f"suite={SUPPORT / 'idle.toml'}"
"""A suite whose methods do next to nothing: what it costs is the harness."""


class CannotMeasure(Exception):
    """A command did not do what was to be timed."""


@dataclass(frozen=True)
class Taken:
    """Seconds of one repetition: on the clock, and of the processor (user and system) where that is
    known. peak: bytes of memory that a command held at most, where that is known.
    """

    wall: float
    cpu: float | None = None
    peak: float | None = None


@dataclass(frozen=True)
class Row:
    """One number beside its goal.

    wall, cpu: seconds, medians over `repetitions`; None where nothing was measured (see note).
    goal: seconds, None for a number that has none. answer: what was found where the number is no
    time.
    """

    what: str
    goal: float | None = None
    wall: float | None = None
    cpu: float | None = None
    repetitions: int = 0
    note: str = ""
    answer: bool | None = None

    @property
    def ok(self) -> bool | None:
        """Whether the goal is met; None where there is no goal or no measurement."""
        if self.answer is not None:
            return self.answer
        return None if self.goal is None or self.wall is None else self.wall <= self.goal

    def cells(self) -> list[str]:
        measured = "not measured" if self.wall is None else seconds(self.wall)
        if self.answer is not None:
            measured = "yes" if self.answer else "no"
        cpu = "" if self.cpu is None else seconds(self.cpu)
        repetitions = str(self.repetitions) if self.repetitions else ""
        ok = {True: "ok", False: "MISSED", None: ""}[self.ok]
        goal = "" if self.goal is None else f"<= {seconds(self.goal)}"
        return [self.what, "yes" if self.answer is not None else goal, measured, ok, cpu, repetitions, self.note]

    def line(self) -> str:
        """The row as a person waiting for the table reads it."""
        return "  ".join(cell for cell in self.cells() if cell)


def seconds(value: float) -> str:
    """Seconds with the digits that mean something; milliseconds below a tenth."""
    return f"{1000 * value:.3g} ms" if value < 0.1 else f"{value:.3g} s"


def table(rows: Sequence[Row]) -> str:
    """All rows as a Markdown table."""
    from tabulate import tabulate

    header = ["what", "goal", "measured", "ok", "CPU", "repetitions", "what is in it"]
    return tabulate([row.cells() for row in rows], header, tablefmt="github", disable_numparse=True)


def median(what: str, goal: float | None, taken: Sequence[Taken], note: str = "") -> Row:
    """A row with the medians of some repetitions."""
    cpu = [each.cpu for each in taken if each.cpu is not None]
    wall = statistics.median(each.wall for each in taken)
    return Row(what, goal, wall, statistics.median(cpu) if cpu else None, len(taken), note)


def timed(function: Callable[[], object], repetitions: int) -> list[Taken]:
    """Call a function of this process so many times; its first call is not counted when there
    are several.
    """
    if repetitions > 1:
        function()
    taken = []
    for _ in range(repetitions):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        taken.append(Taken(time.perf_counter() - wall, time.process_time() - cpu))
    return taken


class Workplace:
    """A temporary folder with the idle plugin installed, a cache and ledgers of its own. A context
    manager.

    quick: everything is small and done once. data: the folder that holds physionet2012/, or None.
    """

    def __init__(self, quick: bool):
        self.quick = quick
        self.data = _data()

    def __enter__(self) -> Workplace:
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-numbers-")
        self.folder = Path(self._temporary.name)
        site = self.folder / "site"
        info = site / "bench_idle-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-idle\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[bench]\nidle = bench_idle.plugin\n")
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_") and k != "PYTHONPATH"}
        plugin = [str(site), str(SUPPORT)]
        self.environment = kept | {"PYTHONPATH": os.pathsep.join(plugin), "BENCH_CACHE": str(self.folder / "cache")}
        sys.path[1:1] = plugin
        os.environ["BENCH_CACHE"] = self.environment["BENCH_CACHE"]
        return self

    def __exit__(self, *error: object) -> None:
        self._temporary.cleanup()

    def pick(self, full: int, quick: int) -> int:
        """A size: the full one, or the quick one."""
        return quick if self.quick else full

    def command(self, *words: str, code: int = 0, says: str = "") -> Taken:
        """Time one `bench` command, from its start to its end. Raises CannotMeasure when it does
        not end as expected.
        """
        script = Path(sys.executable).with_name("bench")
        line = [str(script)] if script.is_file() else [sys.executable, "-m", "bench"]
        output = self.folder / "output.txt"
        with output.open("w") as file:
            begun = time.perf_counter()
            process = subprocess.Popen([*line, *words], cwd=self.folder, env=self.environment, stdout=file, stderr=file)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        said = output.read_text()
        if process.returncode != code or says not in said:
            raise CannotMeasure(f"bench {' '.join(words)}: exit {process.returncode}, said: {said[-1500:]}")
        return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024.0)

    def commands(self, repetitions: int, *words: str, code: int = 0, says: str = "") -> list[Taken]:
        """Time a command so many times, after one time that is not counted (compiled code, the
        disk's cache).
        """
        if repetitions > 1:
            self.command(*words, code=code, says=says)
        return [self.command(*words, code=code, says=says) for _ in range(repetitions)]


def _data() -> Path | None:
    for candidate in (os.environ.get("BENCH_DATA_ROOT"), CHECKOUT.parent / "shared" / "data"):
        if candidate and (Path(candidate) / "physionet2012").is_dir():
            return Path(candidate).resolve()
    return None
