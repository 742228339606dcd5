"""The command `bench` in this process, in an empty folder of its own, and what holds of every
command whatever it is given.

Its answer is an exit code of its own and one line, never a traceback; it changes no file outside
the folder it runs in or those that its words name, and leaves nothing among the temporary files.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from bench.cli.main import main
from bench.errors import EXIT_CODES
from support.asking import SMALL

SUITE = SMALL.replace('"made"', '"physionet2012"').replace("plain", "locf").replace("flat", "gru")
"""A suite of components that are installed, on data that need no credentials."""

LONGEST_ANSWER = 20_000

PLACES = ("out", "to", "cache", "data.root")
"""Words that say where files go; a conversion of a file of strangers lies beside it."""


@dataclass
class Ended:
    """How a command ended. faults: what of the law it broke; outside: files that it changed
    where it should not.
    """

    code: object
    out: str
    err: str
    faults: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder some levels deep, in which the command runs."""
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        deep = Path(place).resolve() / "a" / "b" / "here"
        deep.mkdir(parents=True)
        os.chdir(deep)
        (deep / "small.toml").write_text(SUITE)
        yield deep
        os.chdir(place)


def command(here: Path, *words: str) -> Ended:
    """The command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    temporary = here / "temporary"
    temporary.mkdir(exist_ok=True)
    before = _outside(here)
    environment = {
        "BENCH_CACHE": str(here / "cache"),
        "HOME": str(here),
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    code: object = None
    escaped = ""
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(tempfile, "tempdir", str(temporary)),
        mock.patch.object(sys, "argv", ["bench", *words]),
        mock.patch.object(sys, "dont_write_bytecode", True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _writes.watched(here, words) as written,
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        except BaseException as error:
            escaped = f"{type(error).__name__} escaped: {str(error)[:500]}"
    made = Ended(code, out.getvalue(), err.getvalue())
    made.faults += [escaped] if escaped else _faults(made, temporary)
    made.outside += sorted({*written, *map(str, _outside(here) ^ before)})
    made.outside += [str(path) for path in temporary.rglob("*") if path.is_file() and "bench-fault" not in path.name]
    return made


def _faults(ended: Ended, temporary: Path) -> list[str]:
    logs = "".join(path.read_text("utf-8", "replace") for path in temporary.glob("bench-fault-*"))
    lines = ended.err.splitlines()
    found = []
    if ended.code == 70 or ended.code not in EXIT_CODES:
        found.append(f"exit code {ended.code}: {ended.err[-500:]}{logs[-3000:]}")
    if "Traceback" in ended.err + ended.out:
        found.append(f"a traceback: {(ended.err + ended.out)[-3000:]}")
    if ended.code in (2, 3, 4, 5) and not (lines and lines[-1].startswith("bench: ")):
        found.append(f"exit code {ended.code} without a line that says why: {ended.err[-500:]}")
    if len(ended.err) >= LONGEST_ANSWER:
        found.append(f"an answer of {len(ended.err):,} characters: {ended.err[:300]}")
    return found


def _outside(here: Path) -> set[Path]:
    return {path for path in here.parents[1].rglob("*") if path.is_file() and not path.is_relative_to(here)}


class _Writes:
    """What this process changes on disk, by Python's audit events, also where the folder of a
    test does not reach.
    """

    def __init__(self) -> None:
        self.inside: tuple[str, ...] = ()
        self.found: list[str] | None = None
        self.hooked = False

    @contextlib.contextmanager
    def watched(self, here: Path, words: tuple[str, ...]) -> Iterator[list[str]]:
        """The paths outside of `here`, and outside of what the words name, that are changed
        inside the block.
        """
        if not self.hooked:
            sys.addaudithook(self._heard)
            self.hooked = True
        said = dict(word.split("=", 1) for word in words if "=" in word)
        named = [str(here / name) for name in ("cache", "temporary", "results")]
        named += [_whole(os.path.expanduser(said[key])) for key in PLACES if said.get(key)]  # noqa: PTH111 - of any text
        self.inside = (os.devnull, *named)
        self.found = found = []
        try:
            yield found
        finally:
            self.found = None

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.found is None:
            return
        paths: tuple[object, ...] = ()
        if event == "open":
            flags = arguments[2]
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
                paths = arguments[:1]
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod"):
            paths = arguments[:1]
        elif event in ("os.rename", "os.link", "os.symlink"):
            paths = arguments[:2] if event == "os.rename" else arguments[1:2]
        for path in paths:
            if isinstance(path, str | bytes):
                whole = _whole(os.fsdecode(path))
                relative = (
                    len(arguments) > 1 and isinstance(arguments[-1], int) and arguments[-1] > 2
                )  # to a folder held open
                if not relative and not any(whole == top or whole.startswith(f"{top}{os.sep}") for top in self.inside):
                    self.found.append(whole)


def _whole(path: str) -> str:
    """The path from the root on. Links stay as they are, and "" is the folder we are in."""
    return os.path.abspath(path)  # noqa: PTH100


_writes = _Writes()
