"""Thousands of mutations of all that strangers hand over: is each one accepted, or refused in one
line?

    python benchmarks/fuzz.py                                        # all kinds, 2,000 mutations
                                                                     # each; about an hour
    python benchmarks/fuzz.py --kind suites --count 2000 --seed 1
    python benchmarks/fuzz.py --kind suites --seed 1 --first 500     # goes on with number 500
    python benchmarks/fuzz.py --kind suites --seed 1 --only 1234     # that one alone, and what
                                                                     # the command says of it
    python benchmarks/fuzz.py --kind suites --seed 1 --only 1234 --keep DIR

Commands are done many in a process, which has a limit of memory and a clock that ends it where a
case never does. A number and a seed give the same mutation every time. Exit code 1 when a goal is
missed.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import functools
import gc
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT)]

from bench.registry import discover  # noqa: E402
from benchmarks.doors import KINDS, Case  # noqa: E402

SLOW = 10.0
"""Seconds of processor time that no case may take."""

MOST_MEMORY = 2**30
"""Bytes by which a process, or a child of it, may grow."""

ROOM = 6 * 2**30
"""Bytes of address space that a process may reserve beside what it has: a mutation that asks for
more is told so.
"""

HUNG = 120
"""Seconds of the clock after which a case is ended: it waits for something, or never ends."""

BATCH = 1000
"""Cases that one process does, so that what grows from case to case shows, and does not grow for
ever.
"""


@dataclass
class Result:
    """How a case ended. ended: accepted, refused or broken; faults: what of the law it broke, in
    words.
    """

    number: int
    ended: str
    faults: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0


@dataclass
class Total:
    """What became of all cases of a kind."""

    kind: str
    results: list[Result] = field(default_factory=list)

    @property
    def failed(self) -> list[Result]:
        return [
            one for one in self.results if one.faults or one.outside or one.seconds > SLOW or one.memory > MOST_MEMORY
        ]

    def row(self) -> list[str]:
        ended = [one.ended for one in self.results]
        return [
            self.kind, f"{len(ended):,}", f"{ended.count('accepted'):,}", f"{ended.count('refused'):,}",
            str(sum(bool(one.faults) for one in self.results)), str(sum(bool(one.outside) for one in self.results)),
            str(sum(one.seconds > SLOW for one in self.results)),
            f"{max((one.seconds for one in self.results), default=0):.1f} s",
            f"{max((one.memory for one in self.results), default=0) / 2**20:,.0f} MiB",
        ]  # fmt: skip


HEAD = [
    "kind",
    "mutations",
    "accepted",
    "refused",
    "tracebacks",
    "files outside",
    "over 10 s",
    "slowest",
    "peak memory",
]
GOALS = ["goal", "", "", "", "0", "0", "0", "<= 10 s", "<= 1,024 MiB"]


def made(kind: str, seed: int, number: int) -> Case:
    """A case; the same one every time."""
    return KINDS[kind](random.Random(f"{kind} {seed} {number}"))


def tried(case: Case, number: int = 0, shown: Any = None) -> Result:
    """Do the commands of a case in an empty folder of its own."""
    from support.commanding import command, folder

    result = Result(number, "accepted")
    before = _processor()
    with folder() as here, _converting(case.converted_here), mock.patch("bench.registry.discover", _known):
        for name, content in case.files.items():
            path = here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for words in case.commands:
            ended = command(here, *words)
            if shown:
                print(
                    f"$ bench {' '.join(words)[:500]!a}\n{ended.out[-3000:]}{ended.err[-3000:]}exit code {ended.code}",
                    file=shown,
                )
            result.faults += ended.faults
            result.outside += ended.outside
            if ended.faults:
                result.ended = "broken"
            elif ended.code != 0 and result.ended == "accepted":
                result.ended = "refused"
    result.seconds = _processor() - before
    return result


def _processor() -> float:
    """Seconds that this process and children of it that ended have computed: other work on the
    machine does not count.
    """
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


@functools.cache
def _known(**how: Any) -> Any:
    """What is installed, looked for once: it is not what is fuzzed."""
    return discover(**how)


@contextlib.contextmanager
def _converting(here: bool) -> Iterator[None]:
    """Pickles are converted in this process, without the limits of the child, which other cases
    start.
    """
    from bench.errors import DataError
    from bench_datasets.safe_pickle import convert

    def run(job: Any) -> None:
        try:
            convert._child(job)
        except DataError as error:
            raise convert.Refused(str(error)) from error

    if not here:
        yield
        return
    with mock.patch.object(convert, "run", run), mock.patch.object(resource, "setrlimit"):
        yield


def _peak() -> int:
    """Bytes of this process, or of a child of it, at their highest."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(which).ru_maxrss for which in who) * (1 if sys.platform == "darwin" else 1024)


def work(kind: str, seed: int, first: int, last: int) -> None:
    """Do cases one after another; a line of JSON on stdout before and after each."""
    answer = sys.stdout
    _warm(kind, seed)
    gc.freeze()  # libraries are looked through no more
    if sys.platform == "linux":
        reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (reserved + ROOM, resource.RLIM_INFINITY))
    start = _peak()
    for number in range(first, last):
        print(json.dumps({"number": number}), file=answer, flush=True)
        faulthandler.dump_traceback_later(HUNG, exit=True)
        result = tried(made(kind, seed, number), number)
        faulthandler.cancel_dump_traceback_later()
        gc.enable()  # a command may have put it off
        result.memory = max(0, _peak() - start)
        print(json.dumps(vars(result)), file=answer, flush=True)


def _warm(kind: str, seed: int) -> None:
    """What libraries cost once is no growth: one case that is read whole, and one of each of the
    first mutations.
    """
    for number in range(3):
        tried(made(kind, seed, number))


def fuzz(kind: str, seed: int, first: int, count: int) -> Iterator[Result]:
    """All cases of a kind, each in a process that does many."""
    number, last = first, first + count
    with tempfile.TemporaryDirectory(prefix="bench-fuzz-") as place:
        while number < last:
            words = [sys.executable, __file__, "--kind", kind, "--seed", str(seed), "--first", str(number)]
            words += ["--worker", str(min(last, number + BATCH))]
            errors = Path(place) / "stderr"
            begun = number - 1
            with errors.open("wb") as stderr:
                environment = {
                    "TMPDIR": place,
                    "OMP_NUM_THREADS": "1",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "MPLCONFIGDIR": place,
                }
                process = subprocess.Popen(
                    words, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**_surroundings(), **environment}
                )
                assert process.stdout
                started = time.perf_counter()
                for line in process.stdout:
                    said = json.loads(line)
                    if "ended" in said:
                        yield Result(**said)
                        number = said["number"] + 1
                    else:
                        begun, started = said["number"], time.perf_counter()
                process.wait()
            if begun >= number:  # it ended in the middle of a case
                why = errors.read_text("utf-8", "replace")[-3000:]
                yield Result(
                    begun,
                    "broken",
                    [f"the process ended with {process.returncode}: {why}"],
                    seconds=time.perf_counter() - started,
                )
                number = begun + 1
            elif process.returncode:
                sys.exit(f"the cases of {kind} cannot be made: {errors.read_text('utf-8', 'replace')[-3000:]}")


def _surroundings() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("BENCH_")}


def table(totals: list[Total]) -> str:
    """All kinds beside the goals."""
    rows = [HEAD, ["---"] * len(HEAD), *(total.row() for total in totals), GOALS]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kind", type=lambda text: text.split(","), default=list(KINDS), help=f"some of: {','.join(KINDS)}"
    )
    parser.add_argument("--count", type=int, default=2000, help="mutations of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number to begin or go on with")
    parser.add_argument("--only", type=int, help="this number alone, here, with what the command says")
    parser.add_argument("--keep", type=Path, help="with --only: write its files there and do nothing")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if strange := set(said.kind) - KINDS.keys():
        parser.error(f"--kind knows {', '.join(KINDS)}; not {', '.join(sorted(strange))}")
    if said.worker is not None:
        work(said.kind[0], said.seed, said.first, said.worker)
        return 0
    if said.only is not None:
        return alone(said.kind[0], said.seed, said.only, said.keep)
    totals: list[Total] = []
    with contextlib.suppress(KeyboardInterrupt):
        for kind in said.kind:
            totals.append(Total(kind))
            for result in fuzz(kind, said.seed, said.first, said.count):
                totals[-1].results.append(result)
                told(totals[-1], result, said.seed)
    print(table(totals))
    return int(any(total.failed for total in totals))


def told(total: Total, result: Result, seed: int) -> None:
    """On stderr: how far it is, and of each failure the command that makes it again."""
    if result in total.failed:
        again = f"python benchmarks/fuzz.py --kind {total.kind} --seed {seed} --only {result.number}"
        what = [*result.faults, *(f"changed {path}" for path in result.outside)] or [
            f"{result.seconds:.1f} s, {result.memory / 2**20:.0f} MiB"
        ]
        print(f"\n{again}\n  {what[0]}", file=sys.stderr, flush=True)
    if (result.number + 1) % 100 == 0:
        print(f"{total.kind}: {result.number + 1:,}, {len(total.failed)} failed", file=sys.stderr, flush=True)


def alone(kind: str, seed: int, number: int, keep: Path | None) -> int:
    """One case in this process."""
    case = made(kind, seed, number)
    if keep:
        for name, content in case.files.items():
            (keep / name).parent.mkdir(parents=True, exist_ok=True)
            (keep / name).write_bytes(content)
        print("\n".join(f"bench {' '.join(words)!a}" for words in case.commands))
        return 0
    result = tried(case, number, sys.stdout)
    print(json.dumps(vars(result), indent=2))
    total = Total(kind, [result])
    return int(bool(total.failed))


if __name__ == "__main__":
    code = main()
    with contextlib.suppress(OSError):
        from benchmarks.doors.physionet import stand_in

        if stand_in.cache_info().currsize:
            shutil.rmtree(stand_in().parent)
    sys.exit(code)
