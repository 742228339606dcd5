"""The console script. From its first moment on, Ctrl-C ends a command with one line and exit code 130, whatever it interrupts.

An interrupt may come while a library is imported, inside a callback, or where somebody catches every exception. So three
things answer it: before the command begins, the process ends at once; while it runs, `KeyboardInterrupt` is raised as
usual, so that files are closed and removed, and that it came is remembered, whatever becomes of the exception; once the
answer is complete, it comes too late to matter. This module stays light: what it imports is not protected.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

STOPPED = "stopped by Ctrl-C; the same command goes on"


class _Interrupts:
    """Whether Ctrl-C came since the command began."""

    came = False


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, f"bench: {STOPPED}\n".encode())
    os._exit(130)


def _notice(number: int, frame: FrameType | None) -> None:
    _Interrupts.came = True
    raise KeyboardInterrupt


def _answer_with(handler: object) -> None:
    """A process that was told to ignore Ctrl-C (nohup, a script's background) goes on ignoring it."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]


def _unraisable(fault: object) -> None:
    """Python reports what is raised where nobody can catch it; an interrupt is reported once, by its own line."""
    if not isinstance(getattr(fault, "exc_value", None), KeyboardInterrupt):
        sys.__unraisablehook__(fault)  # type: ignore[arg-type]


def interrupted() -> bool:
    """Whether Ctrl-C came while the command ran, and the command did not answer it by itself."""
    return _Interrupts.came


def may_be_ctrl_c() -> bool:
    """Whether a KeyboardInterrupt of this moment can come from Ctrl-C, and not only from whoever raised it."""
    answered_by = signal.getsignal(signal.SIGINT)
    return _Interrupts.came if answered_by is _notice else answered_by is not signal.SIG_IGN


def main() -> None:
    """Run the command that the words of this process ask for, and end the process with its exit code."""
    _answer_with(_leave)
    sys.unraisablehook = _unraisable
    from bench.clean import line
    from bench.cli import outcome

    _Interrupts.came = False
    _answer_with(_notice)
    try:
        code, message = outcome()
    except BaseException:
        if not interrupted():
            raise
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if interrupted():
        code, message = 130, STOPPED
    if message:
        print(f"bench: {line(message)}", file=sys.stderr)
    sys.exit(code)
