"""Datasets that come with the harness. Light: nothing here reads data."""

from __future__ import annotations

from bench.hooks import hookimpl
from bench.registry import Registry
from bench_datasets.affect.plugin import register as register_affect
from bench_datasets.beijing_air.plugin import register as register_beijing_air
from bench_datasets.longcsv.plugin import register as register_longcsv
from bench_datasets.meds.plugin import register as register_meds
from bench_datasets.mimic4.plugin import register as register_mimic4
from bench_datasets.physionet2012.plugin import register as register_physionet2012
from bench_datasets.ptbxl.plugin import register as register_ptbxl
from bench_datasets.sleepedf.plugin import register as register_sleepedf
from bench_datasets.trace_motivational.plugin import register as register_trace_motivational

bench_contract = 1


@hookimpl
def bench_register(registry: Registry) -> None:
    """Declare them all."""
    register_affect(registry)
    register_physionet2012(registry)
    register_mimic4(registry)
    register_trace_motivational(registry)
    register_beijing_air(registry)
    register_ptbxl(registry)
    register_sleepedf(registry)
    register_longcsv(registry)
    register_meds(registry)
