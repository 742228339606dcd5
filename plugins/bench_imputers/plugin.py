"""The imputers of this package, declared by name; nothing heavy is imported here."""

from __future__ import annotations

from bench.hooks import hookimpl
from bench.registry import Registry
from bench_imputers.diffusion.plugin import register as register_diffusion
from bench_imputers.naive.plugin import register as register_naive
from bench_imputers.pypots.params import register as register_pypots
from bench_imputers.simultaneous.plugin import register as register_simultaneous

bench_contract = 1


@hookimpl
def bench_register(registry: Registry) -> None:
    """Declare them all."""
    register_naive(registry)
    register_simultaneous(registry)
    register_diffusion(registry)
    register_pypots(registry)
