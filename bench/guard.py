"""While code of strangers is loaded: what it prints, how it ends and how long it takes do not decide what the command does."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from bench.clean import line
from bench.start import may_be_ctrl_c

PATIENCE = 5.0
"""Seconds after which the person who waits is told for what."""


@contextlib.contextmanager
def stdout_aside() -> Iterator[None]:
    """What is written to stdout meanwhile goes to stderr, from Python or beneath it: stdout holds nothing but the answer."""
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
    """Load code of strangers: its output goes aside, and it is named once it takes long. advice: how to do without it."""

    def tell() -> None:
        print(f"still loading {line(what)} after {PATIENCE:g} s{advice}; Ctrl-C stops", file=sys.stderr, flush=True)

    timer = threading.Timer(PATIENCE, tell)
    timer.daemon = True
    timer.start()
    try:
        with stdout_aside():
            yield
    finally:
        timer.cancel()


def said_by(error: BaseException) -> str:
    """What a stranger's exception says, in one line. Raises it again where it is Ctrl-C, which belongs to the command."""
    if isinstance(error, KeyboardInterrupt) and may_be_ctrl_c():
        raise error
    try:
        text = line(str(error))
    except Exception:
        text = "(a text that cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def said_of(value: object) -> str:
    """Whatever a stranger handed over, short and in one line."""
    try:
        text = ascii(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
