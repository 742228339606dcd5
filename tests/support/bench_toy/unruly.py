"""Components that change, leave behind or break something of the process they run in."""

from __future__ import annotations

import locale
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from bench.components import Interrupted
from bench.errors import DataError, StorageError
from bench_toy.parts import Level

SLEEPS = "import time; time.sleep(600)"


def helper() -> None:
    """A process that sleeps for ten minutes, unless somebody ends it."""
    subprocess.Popen([sys.executable, "-c", SLEEPS, "helper-of-a-cell"])


def daemon() -> None:
    """A process that forked away: its parent has ended, and it has a session of its own."""
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}, 'forked-away'], start_new_session=True)"
    subprocess.run([sys.executable, "-c", code], check=True)


def hold(path: str) -> None:
    Unruly.kept.append(Path(path).open("w"))  # noqa: SIM115


def lower_a_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft // 2, hard))


CHANGES = {
    "environment": lambda: os.environ.update(GAP_TEST="changed", OMP_NUM_THREADS="7"),
    "folder": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o777),
    "limits": lower_a_limit,
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "gradients": lambda: torch.set_grad_enabled(False),
    "deterministic": lambda: torch.use_deterministic_algorithms(True),
    "errors": lambda: np.seterr(all="raise"),
    "warnings": lambda: warnings.simplefilter("error"),
    "path": lambda: sys.path.insert(0, "/nowhere"),
    "streams": lambda: setattr(sys, "stdout", None),
    "handlers": lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    "alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 3600),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C"),
    "process": helper,
    "random": lambda: (random.seed(1), np.random.seed(1), torch.manual_seed(1)),  # noqa: NPY002
}
"""What can be put back, and how it is changed."""

LEAVINGS = {
    "thread": lambda: threading.Thread(target=time.sleep, args=(600,)).start(),
    "file": lambda: hold("kept-open.txt"),
}
"""What cannot be put back, and how it is left behind."""

ERRORS = {"Interrupted": Interrupted, "DataError": DataError, "StorageError": StorageError, "SystemExit": SystemExit}


class Unruly(Level):
    """Does as told in `fit`. `state.txt` gets a line from every fit: what the surroundings are
    when it begins.
    """

    kept: list[object] = []  # noqa: RUF012 - what must outlive the cell

    def fit(self, train, valid, task, context):
        super().fit(train, valid, task, context)
        if self.params.log:
            with Path(self.params.log).open("a") as file:
                file.write(
                    f"{os.getpid()} {random.random()} {np.random.random()} {torch.rand(1).item()} "  # noqa: NPY002
                    f"{torch.get_default_dtype()} {Path.cwd()} {os.environ.get('GAP_TEST', '')}\n"
                )
        if self.params.does:
            (CHANGES | LEAVINGS | {"daemon": daemon})[self.params.does]()
        if self.params.raises:
            raise ERRORS[self.params.raises]("of its own")
        if self.params.then == "die":
            os._exit(5)
        if self.params.then == "wait":
            Path(self.params.beacon).touch()
            time.sleep(600)
        if self.params.then == "print":
            for _ in range(400):
                print("x" * 2**16)
            time.sleep(0.5)
        if self.params.then == "load":
            data = torch.utils.data.DataLoader(torch.arange(8).float(), batch_size=2, num_workers=2)
            self.offset = float(sum(batch.sum() for batch in data)) * 0
        if self.params.then == "grow":
            self.helper = subprocess.Popen(
                [sys.executable, "-c", f"x = bytearray({self.params.megabytes} * 2**20); import time; time.sleep(600)"]
            )
            time.sleep(30)
