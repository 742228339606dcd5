"""Ctrl-C and SIGTERM end a run cleanly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.execute.api import Watch


@contextmanager
def stopping(watch: Watch, say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run cleanly; a second Ctrl-C ends it at once.

    Outside of the main thread, which alone receives signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: object) -> None:
        if watch.stop:
            raise KeyboardInterrupt
        watch.stop = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        say(f"{watch.stop}: finishing cleanly; nothing done is lost (again to stop at once)")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
