"""Ways to run jobs. Every module here is one, called by its name (`executor=NAME`): it has a class
`Executor`, as `bench.execute.api` describes it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from bench.config.words import ORIGIN
from bench.errors import unknown


def check(name: str) -> str:
    """The name. Raises UsageError, with the nearest, where there is no such executor."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    if name not in names:
        raise unknown("executor", name, names, ORIGIN)
    return name


def find(name: str) -> Any:
    """The class `Executor` of the module of that name. Raises UsageError like `check`."""
    return importlib.import_module(f"{__name__}.{check(name)}").Executor
