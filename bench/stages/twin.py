"""A twin: a fitted component as it was before its first call, which answers the audits of
independence.

A component may remember: in itself, in its class, in a variable of its module, in a cache of a
function, in a closure. Asked again it could then answer from memory what it made of all records
together. So the twin lives in a process of its own, split off (`os.fork`) before the first call. It
holds all that the component had then, locks and caches too, and nothing that came later.

Sometimes a process cannot be split off (other systems than Linux, models on a GPU). Or the
component does not work in one that was: its answer is an exception, or none comes. Then the twin is
a fresh process that gets the component as a pickle. An imputer that cannot be pickled is built from
its parameters and its `state_dict`. Without any of these there is no twin, and an audit that has
none fails: what cannot be tested is no promise.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from bench import seeds
from bench.cohort import Cohort
from bench.components import Context, Fuser, Imputer, Interrupted
from bench.execute import memory
from bench.execute.failure import class_of, text_of
from bench.registry import Spec

SHARE, LEAST = 0.02, 1.0
"""What audits of independence may cost: this share of a stage's seconds, or so many seconds
where that is less.
"""

PATIENCE, START = 60.0, 60.0
"""Seconds after which a twin counts as lost: so many, or those of the stage where it took longer. A
fresh process, which loads libraries before its first answer, gets so many more.
"""

FORKS = sys.platform == "linux"
"""Whether a process can be split off safely. The system libraries of macOS do not allow it."""

NO_TWIN = (
    "no copy of it could be made before its first call, so nothing was tested: it can be neither split off by fork "
    "nor pickled{state}; give it __getstate__ and __setstate__"
)


@dataclass(frozen=True)
class _Rebuilt:
    """What a fresh process needs to build a fitted imputer that cannot be pickled. path:
    `module:attribute`.
    """

    path: str
    params: Any
    state: dict[str, np.ndarray]

    def build(self) -> Imputer[Any]:
        module, _, name = self.path.partition(":")
        imputer: Imputer[Any] = getattr(importlib.import_module(module), name)(self.params)
        imputer.load_state_dict(self.state)
        return imputer


class Twin:
    """The twin of a component that was fitted and has not been called since; a context manager,
    which ends its process.

    seconds: how long the stage's own calls took, once it is known.
    """

    def __init__(self, component: Imputer[Any] | Fuser[Any], spec: Spec, context: Context):
        self.seconds = 0.0
        self._context = Context(context.seed, context.device, context.precision, context.scratch)
        self._connection: Connection | None = None
        self._forked = False
        self._end: Callable[[], None] = _nothing
        self._state = " nor rebuilt from its state_dict" if isinstance(component, Imputer) else ""
        self._spare = _packed(component, spec.path)
        if FORKS and not (context.device == "cuda" and "torch" in spec.tags):
            self._split(component, context)

    def ask(self, part: Cohort, draws: int = 1) -> tuple[Any, str]:
        """What it gives for these records (draws: of imputers), and "" or, in words, why it gives
        nothing.

        Raises Interrupted where the component does, MemoryError where it has not enough memory.
        """
        problem = ""
        while self._connection is not None or self._wake():
            how, content = self._exchange(part, draws)
            if how == "done":
                return content, ""
            if how == "interrupted":
                raise Interrupted(content)
            if how == "memory":
                raise MemoryError(content)
            problem = content
            if not self._forked:
                return None, problem
            if how == "raised" and self._spare is None:
                return None, problem
            self.close()
        no_twin = NO_TWIN.format(state=self._state)
        return None, f"{problem}; {no_twin}" if problem else no_twin

    def _split(self, component: Imputer[Any] | Fuser[Any], context: Context) -> None:
        """Fork a process that holds the component. Where the system refuses another process,
        none is there.
        """
        here, there = multiprocessing.Pipe()
        quiet = replace(self._context, should_stop=context.should_stop)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads, none of which the child needs
                pid = os.fork()
        except OSError:
            here.close()
            there.close()
            return
        else:
            if not pid:
                try:
                    here.close()
                    _settle()
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
                    # In a thread of its own, since OpenMP waits for ever for the threads that the
                    # parent's main thread had.
                    thread = threading.Thread(target=_serve, args=(component, quiet, there))
                    thread.start()
                    thread.join()
                finally:
                    os._exit(0)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        there.close()

        def end() -> None:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.waitpid(pid, 0)

        self._connection, self._end, self._forked = here, end, True

    def _wake(self) -> bool:
        """Start a fresh process with the component; False where it cannot be handed over."""
        if self._spare is None:
            return False
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_serve_fresh, args=(self._spare, self._context, there)
        )
        process.start()
        there.close()

        def end() -> None:
            process.kill()
            process.join()
            process.close()

        self._connection, self._end, self._forked = here, end, False
        return True

    def _exchange(self, part: Cohort, draws: int) -> tuple[str, Any]:
        assert self._connection is not None
        patience = max(PATIENCE, self.seconds) + (0 if self._forked else START)
        try:
            self._connection.send((part, draws))
            if not self._connection.poll(patience):
                return "lost", f"it gave no answer within {patience:.0f} s"
            how, content = pickle.loads(self._connection.recv_bytes())
            return how, content
        except (EOFError, OSError):
            return "lost", "its process ended"

    def close(self) -> None:
        """End its process."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._end()
        self._end = _nothing

    def __enter__(self) -> Twin:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _nothing() -> None:
    return None


def _packed(component: Imputer[Any] | Fuser[Any], path: str) -> bytes | None:
    """A component for another process, None where it cannot be handed over."""
    with contextlib.suppress(Exception):
        return pickle.dumps(component)
    if isinstance(component, Imputer):
        with contextlib.suppress(Exception):
            return pickle.dumps(_Rebuilt(path, component.params, dict(component.state_dict())))
    return None


def _settle() -> None:
    """First in the process of a twin: it ends when its parent does, and says nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    logging.root.handlers.clear()
    sys.stdout = sys.stderr = nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    for stream in (1, 2):
        os.dup2(nowhere.fileno(), stream)


def _serve_fresh(spare: bytes, context: Context, connection: Connection) -> None:
    _settle()
    try:
        component = pickle.loads(spare)
        component = component.build() if isinstance(component, _Rebuilt) else component
    except Exception as error:
        with contextlib.suppress(EOFError, OSError):
            connection.recv()
            connection.send_bytes(
                pickle.dumps(("raised", f"handed to a fresh process it raised {class_of(type(error))}"))
            )
        return
    _serve(component, context, connection)


def _serve(component: Imputer[Any] | Fuser[Any], context: Context, connection: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        while True:
            part, draws = connection.recv()
            connection.send_bytes(_answer(component, part, draws, context))


def _answer(component: Imputer[Any] | Fuser[Any], part: Cohort, draws: int, context: Context) -> bytes:
    try:
        if isinstance(component, Imputer):
            return pickle.dumps(("done", component.impute(part, draws, context)))
        return pickle.dumps(("done", component.predict(part, context)))
    except Interrupted:
        return pickle.dumps(("interrupted", "stopped while it was audited"))
    except BaseException as error:
        if memory.exhausted(error, text_of(error)):
            return pickle.dumps(("memory", "it had not enough memory while it was audited"))
        return pickle.dumps(("raised", f"it raised {class_of(type(error))}"))


def sample(cohort: Cohort, most: int, kind: str, key: str) -> np.ndarray:
    """Places of up to so many records, at random by the key; after the first one, one record
    that lacks each modality.
    """
    order = seeds.generator(0, "audit", kind, key).permutation(len(cohort))
    lacking = [order[~series.available[order]][:1] for series in cohort.modalities.values()]
    chosen = np.concatenate([order[:1], *lacking, order]).tolist()
    return np.array(list(dict.fromkeys(chosen))[:most], int)
