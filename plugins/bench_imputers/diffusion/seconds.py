"""How long a diffusion imputer takes, about, before a ledger knows better."""

from __future__ import annotations

from bench_imputers.diffusion.params import DiffusionParams

CALL_SECONDS = 0.05
"""One network call for one record of 35 channels and 48 bins at CSDI's published size, on one CPU core."""


def expected_seconds(params: DiffusionParams, records: int, draws: int) -> float:
    """Order of magnitude of a fit on `records` and of so many draws of each: training visits cost three network calls."""
    width, depth = getattr(params, "channels", 0), getattr(params, "layers", 0)
    call = (
        CALL_SECONDS * (width / 64) * (depth / 4)
        if width
        else CALL_SECONDS * 3 * (getattr(params, "width", 256) / 256) ** 2 * (getattr(params, "blocks", 36) / 36)
    )
    visits = params.steps * params.batch_size if params.steps else params.epochs * records
    return call * (3 * visits + (params.solver_steps or params.diffusion_steps) * draws * records)
