"""A worker and all that it started, seen from outside: what they hold in memory, and their end.

A component may start processes: to load data, to run another program. They count as the worker's
own, and end with it, also those that forked away from the process that started them.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from multiprocessing import resource_tracker
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36
"""Linux, prctl(2)."""


def keep_orphans() -> None:
    """From now on a process whose parent ended becomes a child of this one, and not of the system's
    first process.

    Linux only; elsewhere a process that forked away is out of reach.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[psutil.Process]:
    """The processes that this one started or took over, but for the helper that Python keeps for
    shared memory.
    """
    helper = getattr(resource_tracker._resource_tracker, "_pid", None)
    return [child for child in psutil.Process().children() if child.pid != helper]


def descendants(pid: int | None) -> list[psutil.Process]:
    """All processes below one; none where it is gone."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def end(processes: list[psutil.Process]) -> None:
    """Kill processes; each is stopped first, so that none starts another one in between."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.suspend()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def memory(pid: int | None, limit: int) -> int:
    """Bytes that a process and all below it hold: their own pages and the memory they share, but no
    pages of files.

    Pages that several of them share count once. Exact only where it matters, since that takes a
    look at every page: a cheap upper bound is returned where it is not above `limit`.
    """
    processes = [pid, *(process.pid for process in descendants(pid))] if pid else []
    bound = sum(_resident(one) for one in processes)
    if bound <= limit or len(processes) == 1:
        return bound
    return sum(_proportional(one) for one in processes)


def _resident(pid: int) -> int:
    """Anonymous and shared memory that is in RAM; elsewhere than on Linux what is resident less
    what is shared.
    """
    fields = _fields(Path(f"/proc/{pid}/status"))
    if fields:
        return fields.get("RssAnon", 0) + fields.get("RssShmem", 0)
    with contextlib.suppress(psutil.Error):
        info = psutil.Process(pid).memory_info()
        return int(info.rss - getattr(info, "shared", 0))
    return 0


def _proportional(pid: int) -> int:
    """The same, with a page that n processes share counted as 1/n of a page."""
    fields = _fields(Path(f"/proc/{pid}/smaps_rollup"))
    return fields["Pss_Anon"] + fields["Pss_Shmem"] if "Pss_Shmem" in fields else _resident(pid)


def _fields(path: Path) -> dict[str, int]:
    """`Name:  123 kB` lines of a file below /proc, in bytes; none where there is no such file
    any more.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    words = [line.split() for line in lines]
    return {word[0].rstrip(":"): int(word[1]) * 1024 for word in words if len(word) == 3 and word[2] == "kB"}
