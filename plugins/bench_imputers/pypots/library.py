"""PyPOTS without its side effects: imported without its banner and its folder, its log read instead
of printed, and seeded.

What the package does by itself (1.5):

- Importing it takes about 8 s, prints a banner on stdout and creates `.pypots` in the home.
- Building a model logs to stderr.
- Training swallows every exception after its first better epoch, KeyboardInterrupt included.
- Random numbers come from the global generators of Python, NumPy and torch.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import random
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from bench.clock import Clock
from bench.components import Context
from bench.errors import PluginError

LOGGERS = ("PyPOTS running log", "TSDB running log", "PyGrinder running log", "BenchPOTS running log", "ai4ts")


class Stopped(BaseException):
    """Leaves a training of PyPOTS, which lets nothing that is an Exception or a
    KeyboardInterrupt pass.
    """


def imputation(imputer: str) -> ModuleType:
    """`pypots.imputation`. Raises PluginError, naming the imputer, where it is not installed or
    cannot be imported.
    """
    try:
        with _quietly(), _other_home():
            module = importlib.import_module("pypots.imputation")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "pypots":
            raise PluginError(f"imputer {imputer} needs PyPOTS; type: pip install 'gapbench[pypots]'") from None
        raise PluginError(f"imputer {imputer}: PyPOTS cannot be imported: {error}") from error
    except ImportError as error:
        raise PluginError(f"imputer {imputer}: PyPOTS cannot be imported: {error}") from error
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.handlers = [handler for handler in logger.handlers if type(handler) is not logging.StreamHandler]
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    return module


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What is printed goes nowhere: to a real stream, since the banner asks for the encoding of
    stdout.
    """
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _other_home() -> Iterator[None]:
    """The part of the package that creates `.pypots` in the home is imported with another home,
    unless it is there.
    """
    if (Path.home() / ".pypots").exists():
        yield
        return
    names = ("HOME", "USERPROFILE")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="bench-pypots-") as folder:
        try:
            os.environ |= dict.fromkeys(names, folder)
            with contextlib.suppress(ImportError):
                importlib.import_module("tsdb.utils.config")
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        yield


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Inside, models that load weights look for them on this machine alone, instead of asking a
    model hub again and again.
    """
    switches = (("huggingface_hub.constants", "HF_HUB_OFFLINE"), ("transformers.utils.hub", "_is_offline_mode"))
    loaded_switches = [
        (sys.modules[module], name) for module, name in switches if hasattr(sys.modules.get(module), name)
    ]
    before = [getattr(module, name) for module, name in loaded_switches]
    try:
        for module, name in loaded_switches:
            setattr(module, name, True)
        yield
    finally:
        for (module, name), value in zip(loaded_switches, before, strict=True):
            setattr(module, name, value)


@contextlib.contextmanager
def seeded(seed: int, context: Context) -> Iterator[None]:
    """Inside, all global generators follow `seed` and Python's warnings are silent; outside,
    nothing has changed.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  what PyPOTS draws from
    devices = [torch.cuda.current_device()] if context.device == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reseed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def reseed(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch; for use inside `seeded`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


@dataclass
class Budget:
    """What the training of one model may take: steps of each optimiser, or calibrated seconds.
    Neither: its epochs decide.
    """

    steps: int | None
    seconds: float | None
    device: str
    clock: Clock | None = None

    def begin(self) -> None:
        """To be called when a training begins."""
        self.clock = Clock(self.device) if self.seconds else None

    def tick(self) -> None:
        """Count the time since the last call."""
        if self.clock:
            self.clock.tick()

    def is_over(self, taken: int) -> bool:
        """Whether an optimiser that took so many steps takes no more."""
        if self.clock:
            return self.clock.spent >= (self.seconds or 0.0)
        return self.steps is not None and taken >= self.steps


class Listener(logging.Handler):
    """Hears the package's log during one training: epochs done, early stopping, and the
    exception it swallowed. It ends a training whose seconds are over.
    """

    def __init__(self, context: Context, name: str, model: Any, budget: Budget):
        super().__init__(logging.INFO)
        self.context, self.training, self.model, self.budget = context, name, model, budget
        self.epochs: int = model.epochs
        self.done = 0
        self.ended_early = False
        self.failure = ""

    @property
    def place(self) -> str:
        """How far the training is, in words."""
        return f"epoch {self.done}" + ("" if self.budget.seconds else f" of {self.epochs}")

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if epoch := re.match(r"Epoch (\d+)", text):
            self.done = int(epoch[1])
            self.budget.tick()
            if self.budget.seconds and self.budget.is_over(0):
                # The package counts patience down after this line, or sets it back; in both cases
                # it now comes to 0, where training ends.
                self.model.patience, self.model.original_patience = 1, 0
            self.context.report(f"{self.training}: {self.place}")
        elif "Exceeded the training patience" in text:
            self.ended_early = True
        elif record.levelno >= logging.ERROR and "Exception:" in text:
            self.failure = text.partition("Exception:")[2].strip()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Read what is logged inside, at any level that the package was set to."""
        logger = logging.getLogger(LOGGERS[0])
        level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.setLevel(level)


def optimizer(learning_rate: float, weight_decay: float, context: Context, budget: Budget) -> Any:
    """The package's Adam, which leaves the training (`Stopped`) when the run is being stopped.

    Once its budget is over it changes no weight any more, so that the last epoch ends, is validated
    and can be chosen as any other. `taken`: how many steps it took.
    """
    from pypots.optim import Adam

    class Watching(Adam):  # type: ignore[misc]  # the package has no types
        taken = 0

        def step(self, closure: Any = None) -> None:
            if context.should_stop():
                raise Stopped
            if not budget.is_over(self.taken):
                super().step(closure)
                self.taken += 1
                budget.tick()

    return Watching(lr=learning_rate, weight_decay=weight_decay)


class OwnNoise(TorchFunctionMode):
    """Inside, `torch.randn_like` of a batch draws each record's noise from that record's own
    generator (on the CPU).
    """

    def __init__(self, seeds: Sequence[int]):
        super().__init__()
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.randn_like:
            like = args[0]
            rows = [torch.randn(like.shape[1:], generator=generator) for generator in self.generators]
            return torch.stack(rows).to(like)
        return func(*args, **(kwargs or {}))
