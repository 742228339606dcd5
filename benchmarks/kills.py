"""A run that is ended again and again at random moments: is anything lost that was finished, and is
the table the same?

    python benchmarks/kills.py                        # 120 ends; about ten minutes
    python benchmarks/kills.py --kills 12 --seed 3
    python benchmarks/kills.py --only "kill -9, group"

A toy suite is run, ended (kill -9, SIGTERM or Ctrl-C; the process alone, or its whole group with
the workers) at a moment drawn over the length of a whole run, and run again by the same command,
until it is done; then all begins anew. After each end every record that was in the ledger must be
there with the same bytes, each file of the ledger must be whole, and nothing that the run started
may still be alive. At the end the leaderboard must have the bytes of a run that nobody disturbed.
Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
for _place in (CHECKOUT / "tests" / "support", CHECKOUT / "tests", CHECKOUT):
    if str(_place) not in sys.path:
        sys.path.insert(0, str(_place))

import psutil  # noqa: E402

from bench.results.sealed import unseal  # noqa: E402
from support.project import Project, project_in, toy_site  # noqa: E402

WORDS = (
    "imputer=mean,around", "scenario=mcar", "scenario.mcar.rate=0.3", "draws=2", "fuser=waits,level",
    "fuser.waits.seconds=0.1", "seed=1,2", "workers=2", "task=plain",
)  # fmt: skip
"""Eight cells, four impute stages: masks, draws and predictions are written, and both workers
have something to do.
"""

WAYS: dict[str, tuple[signal.Signals, bool]] = {
    "kill -9, process": (signal.SIGKILL, False),
    "kill -9, group": (signal.SIGKILL, True),
    "SIGTERM, process": (signal.SIGTERM, False),
    "SIGTERM, group": (signal.SIGTERM, True),
    "Ctrl-C, process": (signal.SIGINT, False),
    "Ctrl-C, group": (signal.SIGINT, True),
}
"""How a run is ended -> the signal, and whether the workers get it too."""

GONE = 20.0
"""Seconds in which what a run started must be gone, once it is ended."""


@dataclass
class End:
    """One end of a run. finished: it was done before; records: how many it left; faults: what
    was wrong after it.
    """

    way: str
    moment: float
    finished: bool = False
    records: int = 0
    faults: list[str] = field(default_factory=list)


def ledger_files(project: Project) -> dict[str, bytes]:
    """Records and predictions of the ledger: name -> content."""
    cells = project.folder / "results" / "ledger" / "cells"
    found = {path.relative_to(cells): path for path in cells.rglob("*") if path.is_file()}
    whole = {place: path for place, path in found.items() if not any(part.startswith(".") for part in place.parts)}
    return {str(place): path.read_bytes() for place, path in whole.items()}


def ended(project: Project, words: tuple[str, ...], way: str, moment: float) -> End:
    """Start the run, end it so many seconds later, and look at what is left."""
    number, whole = WAYS[way]
    end = End(way, moment)
    before = ledger_files(project)
    process = project.start("run", project.suite, *words, group=True)
    time.sleep(moment)
    started: list[psutil.Process] = []
    if process.poll() is None:
        started = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if whole else os.kill)(process.pid, number)
    try:
        _, err = process.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _, err = process.communicate()
        end.faults.append(f"still running 90 s after {way}")
    end.finished = process.returncode == 0
    accepted = {0, -number, 128 + number}
    if process.returncode not in accepted:
        end.faults.append(f"exit code {process.returncode}: {err[-500:]}")
    if "Traceback" in err:
        end.faults.append(f"a traceback: {err[-2000:]}")
    _, alive = psutil.wait_procs(started, timeout=GONE)
    if alive := [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
        end.faults.append(f"{len(alive)} processes are alive {GONE:.0f} s later: {alive}")
        for one in alive:
            one.kill()
    after = ledger_files(project)
    end.records = sum(name.endswith(".json") for name in after)
    end.faults += [f"{name} is gone" for name in before if name not in after]
    end.faults += [f"{name} has other bytes" for name in before if after.get(name, before[name]) != before[name]]
    end.faults += _broken(after)
    if states := {record["status"] for record in project.records()} - {"ok"}:
        end.faults.append(f"a cell that was ended has a record: {', '.join(sorted(states))}")
    return end


def _broken(files: dict[str, bytes]) -> Iterator[str]:
    """Files of the ledger that are not whole."""
    for name, content in files.items():
        if name.endswith(".json"):
            try:
                unseal(content)
            except ValueError as error:
                yield f"{name}: {error}"


def besieged(
    project: Project, words: tuple[str, ...], chance: random.Random, ways: list[str], length: float, most: int
) -> Iterator[End]:
    """Ends of one run until it is done, at most so many. length: seconds of a whole run."""
    for _ in range(most):
        end = ended(project, words, chance.choice(ways), chance.uniform(0, length))
        yield end
        if end.finished:
            return


def siege(
    place: Path, kills: int, seed: int, ways: list[str] | None = None, words: tuple[str, ...] = WORDS
) -> Iterator[End]:
    """At least so many ends, over as many runs as that takes; each run is then finished and its
    leaderboard compared.
    """
    chance = random.Random(f"kills {seed}")
    site = toy_site(place / "site")
    quiet = _project(place / "undisturbed", site)
    begun = time.perf_counter()
    quiet.bench("run", quiet.suite, *words)
    length = time.perf_counter() - begun
    expected, cells = quiet.leaderboard(), len(quiet.records())
    done, number = 0, 0
    while done < kills:
        number += 1
        project = _project(place / f"run{number}", site)
        last: End | None = None
        for end in besieged(project, words, chance, ways or list(WAYS), length, kills - done):
            done += not end.finished
            length = min(length, end.moment) if end.finished else length  # the machine is faster than it was
            last = end
            if end.finished or done == kills:
                break
            yield end
        assert last is not None
        before = ledger_files(project)
        project.bench("run", project.suite, *words)
        after = ledger_files(project)
        last.faults += [f"{name} was not kept" for name, content in before.items() if after.get(name) != content]
        if len(project.records()) != cells:
            last.faults.append(f"{len(project.records())} of {cells} records when it is done")
        if project.leaderboard() != expected:
            last.faults.append("the leaderboard has other bytes than that of an undisturbed run")
        last.records = len(project.records()) if last.finished else last.records
        yield last


def _project(place: Path, site: str) -> Project:
    place.mkdir()
    return project_in(place, site)


def table(ends: list[End]) -> str:
    """Each way beside its goal, which is no fault at all."""
    head = [
        "how it was ended",
        "ends",
        "before a first record",
        "with some records",
        "done before",
        "records lost or changed",
        "other faults",
    ]
    rows = [head, ["---"] * len(head)]
    for way in [*WAYS, "all"]:
        of = [end for end in ends if way in ("all", end.way)]
        if not of:
            continue
        lost = [fault for end in of for fault in end.faults if fault.endswith(("is gone", "other bytes", "not kept"))]
        rows.append([
            way, str(sum(not end.finished for end in of)), str(sum(not end.finished and not end.records for end in of)),
            str(sum(not end.finished and end.records > 0 for end in of)), str(sum(end.finished for end in of)),
            str(len(lost)), str(sum(len(end.faults) for end in of) - len(lost)),
        ])  # fmt: skip
    rows.append(["goal", ">= 100", "", "", "", "0", "0"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=120, help="ends of a run that was not done yet")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=WAYS, help="this way of ending alone")
    said = parser.parse_args()
    ends = []
    with tempfile.TemporaryDirectory(prefix="bench-kills-") as place:
        for end in siege(Path(place), said.kills, said.seed, [said.only] if said.only else None):
            ends.append(end)
            print(
                f"{len(ends)}: {end.way} after {end.moment:.2f} s, {end.records} records", file=sys.stderr, flush=True
            )
            for fault in end.faults:
                print(f"  FAULT: {fault}", file=sys.stderr, flush=True)
    print(table(ends))
    return int(any(end.faults for end in ends))


if __name__ == "__main__":
    sys.exit(main())
