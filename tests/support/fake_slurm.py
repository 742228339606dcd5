"""Stand-ins for `sbatch`, `squeue` and `scancel`: jobs of arrays as processes of this machine, with
the variables that SLURM sets.

The state of the queue is a folder: `ID.json` for an array, `ID_N` for each of its jobs that is in
the queue, with the number of its process once it runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAMS = ("sbatch", "squeue", "scancel")


def install(folder: Path) -> dict[str, str]:
    """Put the stand-ins into a folder. Returns the variables with which they are found."""
    (folder / "bin").mkdir(parents=True)
    (folder / "state").mkdir()
    for name in PROGRAMS:
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        program.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "FAKE_SLURM": str(folder / "state")}


class Queue:
    """The queue, as a test sees it."""

    def __init__(self, state: Path):
        self.state = state

    def jobs(self) -> dict[str, int]:
        """The jobs in the queue -> their process, 0 for one that waits."""
        found = {}
        for path in self.state.glob("*_*"):
            with contextlib.suppress(OSError):
                found[path.name] = int(path.read_text() or 0)
        return found

    def arrays(self) -> list[dict[str, object]]:
        """What was submitted, in order."""
        paths = sorted(self.state.glob("*.json"), key=lambda path: int(path.stem))
        return [json.loads(path.read_text()) for path in paths]

    def wait(self, seconds: float = 240) -> None:
        """Until the queue is empty."""
        end = time.monotonic() + seconds
        while self.jobs():
            assert time.monotonic() < end, self.jobs()
            time.sleep(0.1)

    def running(self, seconds: float = 120) -> dict[str, int]:
        """The jobs that run, once there is one."""
        end = time.monotonic() + seconds
        while not (found := {name: pid for name, pid in self.jobs().items() if pid}):
            assert time.monotonic() < end
            time.sleep(0.05)
        return found


def sbatch(state: Path, words: list[str]) -> None:
    options = dict(re.match(r"--([\w-]+)=?(.*)", word).groups() for word in words if word.startswith("--"))  # type: ignore[union-attr]
    (script,) = [word for word in words if not word.startswith("--")]
    first, last = map(int, options["array"].split("-"))
    number = 100 + len(list(state.glob("*.json")))
    asked = {"options": options, "script": script, "first": first, "last": last}
    (state / f"{number}.json").write_text(json.dumps(asked))
    for element in range(first, last + 1):
        (state / f"{number}_{element}").touch()
    subprocess.Popen(
        [sys.executable, __file__, "run", str(number)], start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    print(f"{number};cluster" if "parsable" in options else f"Submitted batch job {number}")


def run(state: Path, number: str) -> None:
    """What the queue does with an array: two jobs at a time, once those before are over."""
    asked = json.loads((state / f"{number}.json").read_text())
    before = asked["options"].get("dependency", "").split(":")[1:]
    while any(path for each in before for path in state.glob(f"{each}_*")):
        time.sleep(0.1)
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(lambda element: _element(state, number, element, asked), range(asked["first"], asked["last"] + 1))
        )


def _element(state: Path, number: str, element: int, asked: dict) -> None:
    place = state / f"{number}_{element}"
    if not place.exists():
        return  # cancelled
    output = Path(asked["options"]["output"].replace("%A", number).replace("%a", str(element)))
    variables = {
        "SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": str(element), "SLURM_JOB_ID": number, "SLURM_NTASKS": "4",
        "SLURM_CPUS_PER_TASK": "1", "SLURM_PROCID": "0", "WORLD_SIZE": "4", "RANK": "0", "MASTER_ADDR": "nowhere",
    }  # fmt: skip
    with output.open("ab") as log:
        process = subprocess.Popen(
            [asked["script"]] if os.access(asked["script"], os.X_OK) else ["/bin/sh", asked["script"]],
            env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        place.write_text(str(process.pid))
        process.wait()
    place.unlink(missing_ok=True)


def squeue(state: Path, words: list[str]) -> None:
    assert {"--noheader", "--array", "--me", "--format=%i"} <= set(words), words
    print("\n".join(sorted(path.name for path in state.glob("*_*"))))


def scancel(state: Path, words: list[str]) -> None:
    for word in words:
        for path in [*state.glob(f"{word}_*"), *state.glob(word)]:
            pid = int(path.read_text() or 0)
            if pid:
                os.kill(pid, signal.SIGTERM)
            else:
                path.unlink()


if __name__ == "__main__":
    place = Path(os.environ["FAKE_SLURM"])
    if sys.argv[1] == "run":
        run(place, sys.argv[2])
    else:
        {"sbatch": sbatch, "squeue": squeue, "scancel": scancel}[sys.argv[1]](place, sys.argv[2:])
