"""Ctrl-C, answered from a command's first moment on; see `bench.cli.start`. Light: what it
imports is not protected.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

STOPPED = "stopped by Ctrl-C; the same command goes on"


class Interrupts:
    """Whether Ctrl-C came since the command began."""

    came = False


def leave(number: int, frame: FrameType | None) -> None:
    os.write(2, f"bench: {STOPPED}\n".encode())
    os._exit(130)


def notice(number: int, frame: FrameType | None) -> None:
    Interrupts.came = True
    raise KeyboardInterrupt


def answer_with(handler: Callable[[int, FrameType | None], object]) -> None:
    """A process that was told to ignore Ctrl-C (nohup, a script's background) goes on ignoring
    it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def unraisable(fault: sys.UnraisableHookArgs) -> None:
    """Python reports what is raised where it cannot be caught; an interrupt is reported once, by
    its own line.
    """
    if not isinstance(getattr(fault, "exc_value", None), KeyboardInterrupt):
        sys.__unraisablehook__(fault)


def interrupted() -> bool:
    """Whether Ctrl-C came while the command ran, and the command did not answer it by itself."""
    return Interrupts.came


def may_be_ctrl_c() -> bool:
    """Whether a KeyboardInterrupt of this moment can come from Ctrl-C, and not only from the code
    that raised it.
    """
    answered_by = signal.getsignal(signal.SIGINT)
    return Interrupts.came if answered_by is notice else answered_by is not signal.SIG_IGN
