"""Written for contract 0."""

from bench.hooks import hookimpl
from bench.registry import Registry

bench_contract = 0


@hookimpl
def bench_register(registry: Registry) -> None:
    registry.imputer("ancient", "gapbench_old.ancient:Ancient")
