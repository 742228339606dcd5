"""What the imputers share that add a context to the network of CSDI: presets, and its sizes."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from bench_imputers.diffusion.params import CsdiParams, CsdiSizes

T = TypeVar("T", bound=msgspec.Struct)

Betas = Literal["quadratic", "linear"]


def csdi_sizes(params: CsdiSizes, unconditional: bool = False) -> CsdiParams:
    """The parameters of the network of CSDI at these sizes."""
    names = (*CsdiSizes.__annotations__, "diffusion_steps")
    return CsdiParams(unconditional=unconditional, **{name: getattr(params, name) for name in names})


def over(choice: T, params: CsdiSizes) -> T:
    """A preset's choice, with what was given over it."""
    given = {name: getattr(params, name, None) for name in choice.__struct_fields__}
    return msgspec.structs.replace(choice, **{name: value for name, value in given.items() if value is not None})
