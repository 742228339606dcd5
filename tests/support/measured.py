"""A reader or a command in a process of its own: what it says, how it ends, and how much memory
it took at most.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30

_MEASURE = """
import atexit, pathlib, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (64 * 2**30, 64 * 2**30))
resource.setrlimit(resource.RLIMIT_DATA, (6 * 2**30, 6 * 2**30))
from bench.execute.memory import peak
atexit.register(lambda: pathlib.Path(sys.argv.pop()).write_text(str(peak())))
"""
"""Limits so that what is not bounded ends in an error, and not in a machine without memory."""

_COMMAND = "from bench.cli.start import main\nargs = sys.argv[-1]\nsys.argv.pop()\nsys.argv[0] = 'bench'\n"
_COMMAND += "try:\n    main()\nfinally:\n    sys.argv.append(args)\n"


@dataclass
class Measured:
    """code: how it ended; out, err: what it said; peak: bytes of resident memory."""

    code: int
    out: str
    err: str
    peak: int

    @property
    def last(self) -> str:
        """The last line of what it said."""
        return (self.err.strip().splitlines() or [""])[-1]


def command(*words: str | bytes, folder: Path, **environment: str) -> Measured:
    """The command `bench` in that folder."""
    return _run(_MEASURE + _COMMAND, *words, folder=folder, **environment)


def source(text: str, *words: str | bytes, folder: Path, **environment: str) -> Measured:
    """A Python source in that folder; its words are sys.argv[1:-1]."""
    return _run(_MEASURE + text, *words, folder=folder, **environment)


def _run(text: str, *words: str | bytes, folder: Path, **environment: str) -> Measured:
    mark = folder / "peak"
    mark.unlink(missing_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BENCH_")}
    kept |= {"BENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", text, *words, str(mark)], cwd=folder, env=kept, capture_output=True, timeout=240
    )
    out, err = (each.decode("utf-8", "replace") for each in (done.stdout, done.stderr))
    return Measured(done.returncode, out, err, int(mark.read_text()) if mark.is_file() else 0)
