"""What the imputers share that add a context to the network of CSDI."""

from __future__ import annotations

from typing import Literal

from bench_imputers.diffusion.params import CsdiParams, CsdiSizes

Betas = Literal["quadratic", "linear"]


def csdi_sizes(params: CsdiSizes, unconditional: bool = False) -> CsdiParams:
    """The parameters of the network of CSDI at these sizes."""
    names = (*CsdiSizes.__annotations__, "diffusion_steps")
    return CsdiParams(unconditional=unconditional, **{name: getattr(params, name) for name in names})
