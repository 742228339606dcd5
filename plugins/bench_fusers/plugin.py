"""The fusers that come with the harness, declared; their code is imported when one is built."""

from __future__ import annotations

from bench.hooks import hookimpl
from bench.registry import Registry
from bench_fusers.flexmoe.plugin import register as register_flexmoe
from bench_fusers.fusemoe.plugin import register as register_fusemoe
from bench_fusers.gbm.plugin import register as register_gbm
from bench_fusers.gru.plugin import register as register_gru
from bench_fusers.haim.plugin import register as register_haim
from bench_fusers.linear.plugin import register as register_linear
from bench_fusers.maestro.plugin import register as register_maestro
from bench_fusers.mag.plugin import register as register_mag
from bench_fusers.mists.plugin import register as register_mists
from bench_fusers.mult.plugin import register as register_mult
from bench_fusers.tfn.plugin import register as register_tfn

bench_contract = 1


@hookimpl
def bench_register(registry: Registry) -> None:
    """Declare them all."""
    register_linear(registry)
    register_gbm(registry)
    register_gru(registry)
    register_flexmoe(registry)
    register_fusemoe(registry)
    register_haim(registry)
    register_maestro(registry)
    register_mag(registry)
    register_mists(registry)
    register_mult(registry)
    register_tfn(registry)
