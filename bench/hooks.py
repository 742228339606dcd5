"""The plugin door: one hook.

A plugin is a light module, named under the entry-point group `bench`, that says which contract it was written for and
implements the hook:

    from bench.hooks import hookimpl

    bench_contract = 1

    @hookimpl
    def bench_register(registry):
        registry.imputer("mymean", "my_package.mymean:MyMean", params=MyMeanParams, summary="...")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from bench.registry import Registry

hookspec = pluggy.HookspecMarker("bench")
hookimpl = pluggy.HookimplMarker("bench")


class Hooks:
    """The hook specifications of the project `bench`."""

    @hookspec
    def bench_register(self, registry: Registry) -> None:
        """Declare components. Called once per process, when a command first needs a name.

        registry: has one method per kind of component; each checks its arguments and raises PluginError at once.
        """
