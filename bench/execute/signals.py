"""Signals of a run belong to the parent: `timeout`, SLURM, containers and terminals send them to
the whole process group.

The parent asks its workers to stop, and gives them time for a checkpoint; a worker that a signal
reached by itself would end without one. Between the start of a process and its first line of ours
it has no handler yet, so it is born with these signals blocked.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker

OF_THE_PARENT = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Processes started inside are born with the parent's signals blocked. What comes meanwhile
    is delivered at the end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its first start would unblock them again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_the_parent() -> None:
    """Called first in a worker. Its own children have the usual handlers: a library ends its
    helpers with SIGTERM.
    """
    for number in OF_THE_PARENT:
        signal.signal(number, _ignore)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_THE_PARENT)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_as_usual)


def _ignore(number: int, frame: object) -> None:
    """Not SIG_IGN, which programs that a component starts would inherit."""


def _as_usual() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
