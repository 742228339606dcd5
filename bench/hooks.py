"""The plugin door: one hook.

A plugin is a light module, named under the entry-point group `bench`, that says which contract it
was written for and implements the hook:

    from bench.hooks import hookimpl

    bench_contract = 1

    @hookimpl
    def bench_register(registry):
        registry.imputer("mymean", "my_package.mymean:MyMean", params=MyMeanParams, summary="...")
"""

from __future__ import annotations

import pluggy

__all__ = ["hookimpl"]

hookspec = pluggy.HookspecMarker("bench")
hookimpl = pluggy.HookimplMarker("bench")
