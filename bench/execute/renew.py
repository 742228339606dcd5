"""A worker does many cells; each finds the component's own modules as Python loads them, with no
memory of the cell before.

What a component keeps in a variable of its module, in a class or in the cache of a function would
else reach the next cell of the same worker. Its numbers would then depend on what ran before, and
an audit could be answered from memory.
"""

from __future__ import annotations

import sys
from types import ModuleType

from bench.errors import PluginError
from bench.registry import Spec


class Renewal:
    """Made after plugins were discovered: modules that are loaded by then (the light ones) stay
    as they are.
    """

    def __init__(self) -> None:
        self._kept = frozenset(sys.modules)

    def load(self, spec: Spec) -> None:
        """Import the module of a component again, with all of its package that it imports.

        Where that fails the second time (a module that can be loaded only once in a process), those
        loaded before stay. Raises PluginError when it cannot be imported at all.
        """
        package = spec.path.partition(":")[0].partition(".")[0]
        old = {} if package == "bench" else self._take(package)
        try:
            spec.load()
        except PluginError:
            if not old:
                raise
            self._take(package)
            for name, module in old.items():
                sys.modules[name] = module
                _attach(name, module)
            spec.load()

    def _take(self, package: str) -> dict[str, ModuleType]:
        """Forget the modules of a package that came after discovery; which they were."""
        names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
        taken = {name: sys.modules.pop(name) for name in names if name not in self._kept}
        for name, module in taken.items():
            parent, _, last = name.rpartition(".")
            if parent in sys.modules and vars(sys.modules[parent]).get(last) is module:
                delattr(sys.modules[parent], last)
        return taken


def _attach(name: str, module: ModuleType) -> None:
    parent, _, last = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, module)
