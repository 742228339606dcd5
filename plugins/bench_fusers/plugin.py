"""The fusers that come with the harness, declared; their code is imported when one is built."""

from __future__ import annotations

from bench.hooks import hookimpl
from bench.registry import Registry
from bench_fusers.condi.plugin import register as condi
from bench_fusers.fedinmm.plugin import register as fedinmm
from bench_fusers.fedmac.plugin import register as fedmac
from bench_fusers.fedmm.plugin import register as fedmm
from bench_fusers.fedmsplit.plugin import register as fedmsplit
from bench_fusers.flexmoe.plugin import register as flexmoe
from bench_fusers.fusemoe.plugin import register as fusemoe
from bench_fusers.gbm.plugin import register as gbm
from bench_fusers.gru.plugin import register as gru
from bench_fusers.haim.plugin import register as haim
from bench_fusers.linear.plugin import register as linear
from bench_fusers.maestro.plugin import register as maestro
from bench_fusers.mag.plugin import register as mag
from bench_fusers.mifl.plugin import register as mifl
from bench_fusers.mists.plugin import register as mists
from bench_fusers.mult.plugin import register as mult
from bench_fusers.pepsy.plugin import register as pepsy
from bench_fusers.tfn.plugin import register as tfn

bench_contract = 1


@hookimpl
def bench_register(registry: Registry) -> None:
    """Declare them all."""
    for register in (
        linear,
        gbm,
        gru,
        condi,
        fedinmm,
        fedmac,
        fedmm,
        fedmsplit,
        flexmoe,
        fusemoe,
        haim,
        maestro,
        mag,
        mifl,
        mists,
        mult,
        pepsy,
        tfn,
    ):
        register(registry)
