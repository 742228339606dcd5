"""What one job may leave behind for the next in the same worker: put back where that is possible,
named where it is not.

Workers stay warm, so a component that changes something of its process would change the cells after
it, which depend then on the order of cells. A job begins with the surroundings in which the worker
began: `Surroundings.restore` puts back what it can, and says what it could not; the worker is then
replaced.
"""

from __future__ import annotations

import contextlib
import gc
import locale
import logging
import os
import random
import resource
import signal
import socket
import stat
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.execute import tree
from bench.execute.signals import OF_THE_PARENT

SEED = 0
"""Of the global generators at the begin of every job. Components draw from their own, which the
harness seeds.
"""

RESOURCES = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]
"""How a setting is read, and how it is put back."""


def _set_environment(wanted: Mapping[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if os.environ.get(name) != value})


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _limits() -> dict[str, tuple[int, int]]:
    return {name: resource.getrlimit(number) for name, number in RESOURCES.items()}


def _set_limits(wanted: Mapping[str, tuple[int, int]]) -> None:
    for name, limit in wanted.items():
        if resource.getrlimit(RESOURCES[name]) != limit:
            with contextlib.suppress(OSError, ValueError):  # a lowered hard limit cannot be raised by everyone
                resource.setrlimit(RESOURCES[name], limit)


def _handlers() -> dict[int, Any]:
    numbers = {
        *OF_THE_PARENT,
        signal.SIGALRM,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGCHLD,
        signal.SIGPIPE,
    }
    return {number: signal.getsignal(number) for number in sorted(numbers)}


def _set_handlers(wanted: Mapping[int, Any]) -> None:
    for number, handler in wanted.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _logging() -> tuple[int, list[logging.Handler], int]:
    return logging.root.level, list(logging.root.handlers), logging.root.manager.disable


def _set_logging(wanted: tuple[int, list[logging.Handler], int]) -> None:
    logging.root.level, logging.root.handlers[:], logging.root.manager.disable = wanted
    logging.root.manager._clear_cache()  # type: ignore[attr-defined]  # what `Logger.setLevel` calls


def _set_streams(wanted: tuple[Any, Any, Any]) -> None:
    sys.stdin, sys.stdout, sys.stderr = wanted


def _set_collection(wanted: tuple[bool, tuple[int, int, int]]) -> None:
    (gc.enable if wanted[0] else gc.disable)()
    gc.set_threshold(*wanted[1])


SETTINGS: dict[str, Setting] = {
    "working folder": (os.getcwd, os.chdir),
    "environment": (lambda: dict(os.environ), _set_environment),
    "umask": (_umask, os.umask),
    "resource limits": (_limits, _set_limits),
    "module search path": (lambda: list(sys.path), lambda wanted: sys.path.__setitem__(slice(None), wanted)),
    "recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "warning filters": (lambda: list(warnings.filters), lambda wanted: warnings.filters.__setitem__(slice(None), wanted)),  # type: ignore[index]  # a list
    "standard streams": (lambda: (sys.stdin, sys.stdout, sys.stderr), _set_streams),
    "signal handlers": (_handlers, _set_handlers),
    "alarm": (lambda: signal.getitimer(signal.ITIMER_REAL), lambda wanted: signal.setitimer(signal.ITIMER_REAL, *wanted)),
    "logging": (_logging, _set_logging),
    "locale": (lambda: locale.setlocale(locale.LC_ALL), lambda wanted: locale.setlocale(locale.LC_ALL, wanted)),
    "garbage collection": (lambda: (gc.isenabled(), gc.get_threshold()), _set_collection),
    "socket timeout": (socket.getdefaulttimeout, socket.setdefaulttimeout),
}  # fmt: skip
"""What of the process can be read and put back, whatever is loaded."""


def _numpy() -> dict[str, Setting]:
    import numpy as np

    return {
        "NumPy's handling of floating-point errors": (np.geterr, lambda wanted: np.seterr(**wanted)),
        "NumPy's print options": (np.get_printoptions, lambda wanted: np.set_printoptions(**wanted)),
    }


def _torch() -> dict[str, Setting]:
    import torch

    cudnn = torch.backends.cudnn
    return {
        "torch's default dtype": (lambda: str(torch.get_default_dtype()), lambda wanted: torch.set_default_dtype(torch.float32)),
        "torch's default device": (lambda: str(torch.get_default_device()), lambda wanted: torch.set_default_device(None)),
        "torch's threads": (torch.get_num_threads, torch.set_num_threads),
        "torch's gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
        "torch's matrix precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "torch's anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        "torch's cuDNN flags": (
            lambda: (cudnn.enabled, cudnn.benchmark, cudnn.deterministic),
            lambda wanted: cudnn.set_flags(wanted[0], None, wanted[1], wanted[2]),
        ),
    }  # fmt: skip


def torch_at_first() -> dict[str, Any]:
    """The settings of torch in a process that has just loaded it.

    Not read from the process: a component may be the one that loads torch, and change it before
    anybody looks.
    """
    return {
        "torch's default dtype": "torch.float32",
        "torch's default device": "cpu",
        "torch's threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        "torch's gradients": True,
        "torch's deterministic algorithms": False,
        "torch's matrix precision": "highest",
        "torch's anomaly detection": False,
        "torch's cuDNN flags": (True, False, False),
    }


def seed_generators() -> None:
    """Give the global generators a state that no job before has touched; after the component's
    module was imported.
    """
    import numpy as np

    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


class Surroundings:
    """The surroundings in which a worker began. Made before any component's code runs, with
    NumPy loaded.
    """

    def __init__(self) -> None:
        self._settings = SETTINGS | _numpy()
        self._wanted = {name: read() for name, (read, _) in self._settings.items()}
        self._threads = set(threading.enumerate())
        self._files = _files()

    def restore(self) -> tuple[list[str], list[str]]:
        """Put back what a job changed: (what was put back, what could not be)."""
        settings, wanted = self._settings, self._wanted
        if "torch" in sys.modules:
            settings, wanted = settings | _torch(), wanted | torch_at_first()
        changed: list[str] = []
        lost: list[str] = []
        for name, (read, write) in settings.items():
            if _differs(read, wanted[name]):
                with contextlib.suppress(Exception):
                    write(wanted[name])
                (lost if _differs(read, wanted[name]) else changed).append(name)
        if left := [process for child in tree.children() for process in (*tree.descendants(child.pid), child)]:
            tree.end(left)
            for process in left:
                with contextlib.suppress(OSError):
                    os.waitpid(process.pid, 0)
            changed.append(f"processes that still ran ({len(left)})")
        if threads := [thread for thread in threading.enumerate() if thread not in self._threads and _counts(thread)]:
            lost.append(f"threads that still run ({len(threads)})")
        if written := [number for number, path in _files().items() if self._files.get(number) != path]:
            lost.append(f"files that are still open for writing ({len(written)})")
        return changed, lost


def _counts(thread: threading.Thread) -> bool:
    """Whether a thread is more than the one with which tqdm watches its bars, which does nothing
    else.
    """
    return thread.is_alive() and not type(thread).__module__.startswith("tqdm.")


def _files() -> dict[str, str]:
    """Descriptor -> path of every regular file that this process may write to (Linux; elsewhere
    none is seen).
    """
    files = {}
    with contextlib.suppress(OSError):
        for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names alone, as fast as can be
            with contextlib.suppress(OSError, ValueError, IndexError):
                path = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
                flags = int(Path(f"/proc/self/fdinfo/{number}").read_text().split("flags:")[1].split()[0], 8)
                if flags & os.O_ACCMODE != os.O_RDONLY and stat.S_ISREG(os.stat(f"/proc/self/fd/{number}").st_mode):  # noqa: PTH116
                    files[number] = path
    return files


def _differs(read: Callable[[], Any], wanted: Any) -> bool:
    try:
        return bool(read() != wanted)
    except Exception:
        return True
