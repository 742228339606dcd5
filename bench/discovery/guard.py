"""While code of others is loaded: what it prints, how it ends and how long it takes do not decide
what the command does.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from bench.execute.interrupts import may_be_ctrl_c
from bench.text.clean import line

PATIENCE = 5.0
"""Seconds after which the person who waits is told for what."""

LONGEST = 60.0
"""Seconds that a plugin may take to be loaded in a trial. It is a light module: some
milliseconds are usual.
"""


@contextlib.contextmanager
def stdout_aside() -> Iterator[None]:
    """What is written to stdout meanwhile goes to stderr, from Python or beneath it: stdout
    holds nothing but the answer.
    """
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # a process that has no stdout or no stderr
        kept = None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.__stdout__.flush()  # type: ignore[union-attr]  # what was written to the stream itself goes aside too
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


@contextlib.contextmanager
def loading(what: str, advice: str = "") -> Iterator[None]:
    """Load code of others: its output goes aside, and it is named once it takes long. advice: how
    to do without it.
    """

    timer = threading.Timer(PATIENCE, _tell, (what, advice))
    timer.daemon = True
    timer.start()
    try:
        with stdout_aside():
            yield
    finally:
        timer.cancel()
        timer.join()


def _tell(what: str, advice: str) -> None:
    print(f"still loading {line(what)} after {PATIENCE:g} s{advice}; Ctrl-C stops", file=sys.stderr, flush=True)


def trial(what: str, load: Callable[[], object], advice: str = "") -> str:
    """Load code of others in a copy of this process first. Returns in words how that ended, where
    it ended the process or took longer than LONGEST. Else returns "", whatever was raised: the load
    that follows meets it too.

    So what cannot be caught (`os._exit`, a crash of a library, a call that never returns) ends the
    copy alone, and Ctrl-C is answered by this process. Not tried where other threads run, since a
    copy has none of them and may wait for one for ever.
    """
    if threading.active_count() > 1 or not hasattr(os, "fork"):
        return ""
    there, here = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _try(load, here)
    os.close(here)
    try:
        if not select.select([there], [], [], PATIENCE)[0]:
            _tell(what, advice)
        if not select.select([there], [], [], LONGEST - PATIENCE)[0]:
            return f"it was not loaded within {LONGEST:g} s"
        whole = os.read(there, 1) == b"."
    finally:
        os.close(there)
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if whole:
        return ""
    how = f"exit code {code}" if code >= 0 else signal.strsignal(-code) or f"signal {-code}"
    return f"it ended the process while it was loaded ({how})"


def _try(load: Callable[[], object], write_end: int) -> NoReturn:
    """In the copy: load, tell that this is still alive, and end without any clean-up of the
    original.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 2 * LONGEST)  # nothing else ends the copy where the original is killed
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    with contextlib.suppress(BaseException):
        load()
    os.write(write_end, b".")
    os._exit(0)


def error_line(error: BaseException) -> str:
    """What an exception from a component's code says, in one line. Raises it again where it is
    Ctrl-C, which belongs to the command.
    """
    if isinstance(error, KeyboardInterrupt) and may_be_ctrl_c():
        raise error
    try:
        text = line(str(error))
    except Exception:
        text = "(a text that cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def value_line(value: object) -> str:
    """Whatever a component's code handed over, short and in one line."""
    try:
        text = ascii(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
