"""What the queue of SLURM is asked: `sbatch`, `squeue` and `scancel`, as programs on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, MutableMapping, Sequence

from bench.config.words import ORIGIN, duration
from bench.errors import StorageError, UsageError

OURS = (
    "array",
    "chdir",
    "dependency",
    "error",
    "job-name",
    "open-mode",
    "output",
    "parsable",
    "requeue",
    "signal",
    "wrap",
)
"""Options of sbatch that the harness sets by itself; `array` says at most how many elements."""

OF_A_JOB = re.compile(
    r"(SLURM|SBATCH|SRUN|SALLOC|PMI|PMIX|OMPI|TORCHELASTIC)_.*|WORLD_SIZE|(LOCAL_|GROUP_)?(RANK|WORLD_SIZE)|MASTER_(ADDR|PORT)"
)
"""Variables by which libraries take a process for one of a distributed training."""


def scrub(environment: MutableMapping[str, str]) -> None:
    """Remove what makes a cell look like a part of a distributed training."""
    for name in [name for name in environment if OF_A_JOB.fullmatch(name)]:
        del environment[name]


def options(table: Mapping[str, str], device: str, component: str) -> list[str]:
    """The options of sbatch for jobs of a device and a component: those for all, above them those
    of the device (`cpu.partition`), above them those of the component (`csdi.mem`).

    A job of the CPU asks for no GPU.
    """
    chosen: dict[str, str] = {}
    for group in ("", device, component):
        inside = {key.rpartition(".")[2]: value for key, value in table.items() if key.rpartition(".")[0] == group}
        chosen |= {key: value for key, value in inside.items() if group or device != "cpu" or not asks_gpu(key, value)}
    chosen.pop("array", None)
    return [_option(key, value) for key, value in sorted(chosen.items())]


def asks_gpu(key: str, value: str) -> bool:
    """Whether an option asks for a GPU."""
    return key.startswith("gpus") or (key in ("gres", "tres-per-task", "tres-per-node") and "gpu" in value)


def _option(key: str, value: str) -> str:
    if value == "true":
        return f"--{key}"
    return f"--{key}={minutes(value) if key in ('time', 'time-min') else value}"


def minutes(value: str) -> str:
    """`2h` as SLURM writes it, in minutes. What SLURM writes by itself (`2:00:00`, `1-12`, `90`)
    stays.
    """
    if re.fullmatch(r"[\d:-]+|UNLIMITED|INFINITE", value):
        return value
    return str(max(1, -int(-duration(value, "slurm.time") // 60)))


def check(table: Mapping[str, str]) -> None:
    """Raises UsageError for an option that the harness sets by itself, or that is none."""
    for key, value in table.items():
        option = key.rpartition(".")[2]
        if option in OURS and key != "array":
            raise UsageError(f'"slurm.{key}" (from {ORIGIN}) is not accepted: bench sets it')
        if not re.fullmatch(r"[a-z][a-z0-9-]*", option) or not value:
            raise UsageError(
                f'"slurm.{key}" = {value} (from {ORIGIN}) is no option of sbatch; for example: slurm.partition=gpu'
            )
        if key == "array" and not re.fullmatch(r"[1-9]\d{0,5}", value):
            raise UsageError(f'"slurm.array" = {value} (from {ORIGIN}) is not accepted: at most how many jobs, from 1')
        if option == "cpus-per-task" and not value.isdecimal():
            raise UsageError(f'"slurm.{key}" = {value} (from {ORIGIN}) is not accepted: a number of cores')
        if option in ("time", "time-min"):
            minutes(value)


def is_here() -> bool:
    """Whether arrays can be submitted from this machine."""
    return shutil.which("sbatch") is not None


def submit(script: str, numbers: str, words: Sequence[str]) -> str:
    """Submit an array of those numbers. Returns its id. Raises StorageError with what sbatch
    says.
    """
    return _ask(["sbatch", "--parsable", f"--array={numbers}", *words, script]).strip().partition(";")[0]


def queued() -> set[str]:
    """All jobs of this user in the queue: `ID_NUMBER`. Raises StorageError where the queue does
    not answer.
    """
    return set(_ask(["squeue", "--noheader", "--array", "--me", "--format=%i"]).split())


def cancel(ids: Iterable[str]) -> None:
    """Remove jobs from the queue."""
    _ask(["scancel", *ids])


def _ask(line: Sequence[str]) -> str:
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        raise StorageError(f"{line[0]} is not on PATH: is this a machine of a SLURM cluster?") from None
    except subprocess.TimeoutExpired:
        raise StorageError(f"{line[0]} has not answered for two minutes; try again later") from None
    if done.returncode:
        raise StorageError(f"{line[0]} refused: {' '.join(done.stderr.split()) or f'exit status {done.returncode}'}")
    return done.stdout
