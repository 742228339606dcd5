"""Written for contract 0."""

from bench.hooks import hookimpl

bench_contract = 0


@hookimpl
def bench_register(registry):
    registry.imputer("ancient", "gapbench_old.ancient:Ancient")
