"""Ways to run jobs. Every module here is one, called by its name (`executor=NAME`): it has a class
`Executor`, as `bench.execute.api` describes it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from bench.config.words import ORIGIN
from bench.errors import UsageError, unknown
from bench.execute import device

if TYPE_CHECKING:
    from bench.config.command import Settings

HERE = "local"
"""The executor of this machine."""


def names() -> list[str]:
    """The names of all executors."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def check(settings: Settings) -> None:
    """Raises UsageError, with the nearest, where there is no such executor; and for settings that
    it cannot work with, or that are another one's.
    """
    name = settings.executor
    if name not in names():
        raise unknown("executor", name, names(), ORIGIN)
    for owner in names():
        table = getattr(settings, owner, {})
        if table and name != owner:
            raise UsageError(f'"{owner}.{min(table)}" (from {ORIGIN}) has no effect without executor={owner}')
    if settings.address != "auto" and name != "ray":
        raise UsageError(f'"address" = {settings.address} (from {ORIGIN}) has no effect without executor=ray')
    if name != HERE:
        find(name).check(settings)


def check_here(settings: Settings) -> None:
    """Raises UsageError where this machine cannot reach what the executor hands its jobs to. Asked
    before a run writes anything; a machine that only plans, or does a part, need not reach it.
    """
    check = getattr(find(settings.executor), "check_here", None)
    if check is not None:
        check()


def device_of(settings: Settings) -> str:
    """The device, "cpu" or "cuda", that keys are made for. Raises UsageError where it is not
    there.
    """
    if settings.executor == HERE:
        return device.resolve(settings.device)
    kind: str = find(settings.executor).device(settings)
    return kind


def find(name: str) -> Any:
    """The class `Executor` of the module of that name, which is one of them."""
    return importlib.import_module(f"{__name__}.{name}").Executor
