"""Whether a run was of the suite that somebody names: two suite files may have one name, and so
one place for their runs.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from bench.config.layers import read
from bench.config.words import halves
from bench.errors import UsageError
from bench.results.records import Export


def typed_suite(export: Export) -> str:
    """How the command of a run named its suite: by its name or as a file."""
    values = (value for key, _, value in map(halves, shlex.split(export.command)) if key == "suite")
    return next(values, export.suite)


def file_of(export: Export) -> str:
    """The suite of a run without its folders: a run from another folder is of the same one."""
    return Path(typed_suite(export)).name


def check_named(export: Export, typed: str) -> None:
    """UsageError where the last run was of another suite file than the one that is named.

    A file of equal content is the same suite. So is a file that has moved.
    """
    ran = typed_suite(export)
    if ran == typed:
        return
    try:
        there = read(ran)[0]
    except UsageError:
        if Path(ran).name == Path(typed).name or typed.endswith(".toml"):
            return
        again = f"which is not here; name its file with suite=FILE, or type bench run suite={typed}"
    else:
        if read(typed)[0] == there:
            return
        again = f"type {shlex.quote(f'suite={ran}')}"
    raise UsageError(
        f"the last run of {export.suite} was of {ran}; {again}; an earlier run is shown with run=NAME, see: bench runs"
    )
