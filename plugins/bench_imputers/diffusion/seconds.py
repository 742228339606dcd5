"""How long a diffusion imputer takes with one CPU core, about, before a ledger knows better.

What was measured is the network: of one visit of a record in training, and of one network call of a
draw. A network that reads one channel of 48 bins is the unit; time grows with the channels.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.workload import Workload, effort
from bench_imputers.diffusion.condi_params import CondiParams
from bench_imputers.diffusion.csdi_quick_params import CsdiQuickParams
from bench_imputers.diffusion.params import CsdiSizes, DiffusionParams
from bench_imputers.diffusion.sssd_params import SssdParams
from bench_imputers.diffusion.trace_params import TraceParams
from bench_imputers.targets import target_widths

STEP = 6e-3
"""Of an optimiser step, however small batch and network."""

CONTEXT = 1.4
"""What reading the other modalities adds, as a factor."""


def csdi_seconds(params: CsdiSizes, work: Workload) -> float:
    """Of `csdi`, with a network for each modality."""
    size = params.channels * params.layers
    per_visit, per_call = 2e-5 + 1.1e-5 * size, 5e-5 + 2e-6 * size
    return sum(
        _seconds(params, work, visit=per_visit * width, call=per_call * width) for width in _widths(params, work)
    )


def trace_seconds(params: TraceParams, work: Workload) -> float:
    """Of `trace`: that of CSDI, with the context of the other modalities."""
    return CONTEXT * csdi_seconds(params, work)


def condi_seconds(params: CondiParams, work: Workload) -> float:
    """Of `condi`: that of CSDI, with one network for all modalities."""
    return CONTEXT * csdi_seconds(params, work)


def quick_seconds(params: CsdiQuickParams, work: Workload) -> float:
    """Of `csdi-quick`, whose draws share the attention: a call costs its head alone."""
    grown, draws = params.channels / 16, work.draws * _calls(params)
    per_visit = (8e-5 + 1e-4 * params.layers) * grown
    completing = work.records * (5.5e-5 * params.layers * grown + 6e-6 * draws)
    widths = _widths(params, work)
    return sum(_seconds(params, work, visit=per_visit * width, call=0.0) + completing * width for width in widths)


def sssd_seconds(params: SssdParams, work: Workload) -> float:
    """Of `sssd`, whose network mixes channels in its first map: their number hardly counts."""
    visit = params.blocks * (4e-4 + 1e-5 * params.width + 1e-7 * params.width**2)
    return len(_widths(params, work)) * _seconds(params, work, visit=visit, call=visit / 2.5)


def _seconds(params: DiffusionParams, work: Workload, *, visit: float, call: float) -> float:
    """Of one network: its training, validation where it is asked for, and all draws of all
    records.
    """
    called = work.records * work.draws * _calls(params)
    if params.seconds:
        return params.seconds + call * called
    whole = effort(work.train, epochs=params.epochs, batch_size=params.batch_size, steps=params.steps)
    validated = whole.passes * min(params.validation_records, work.valid) if params.validate else 0
    return STEP * whole.steps + visit * (whole.visits + validated / 3) + call * called


def _calls(params: DiffusionParams) -> int:
    """Network calls of a draw."""
    return params.solver_steps or params.diffusion_steps


def _widths(params: DiffusionParams, work: Workload) -> Sequence[int]:
    return target_widths(work.channels, params.targets, params.widest)
