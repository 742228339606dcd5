"""The console script. From its first moment on, Ctrl-C ends a command with one line and exit code
130, whatever it interrupts.

An interrupt may come while a library is imported, inside a callback, or where code catches every
exception. So the answer depends on the moment:

- Before the command begins, the process ends at once.
- While it runs, `KeyboardInterrupt` is raised as usual, so that files are closed and removed. That
  it came is remembered, whatever becomes of the exception.
- Once the answer is complete, it comes too late to matter.

This module stays light: what it imports is not protected.
"""

from __future__ import annotations

import signal
import sys

from bench.execute import interrupts


def main() -> None:
    """Run the command that the words of this process ask for, and end the process with its exit
    code.
    """
    interrupts.answer_with(interrupts.leave)
    sys.unraisablehook = interrupts.unraisable
    from bench.cli.main import outcome
    from bench.text.clean import line

    interrupts.Interrupts.came = False
    interrupts.answer_with(interrupts.notice)
    try:
        code, message = outcome()
    except BaseException:
        if not interrupts.interrupted():
            raise
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if interrupts.interrupted():
        code, message = 130, interrupts.STOPPED
    if message:
        print(f"bench: {line(message)}", file=sys.stderr)
    sys.exit(code)
