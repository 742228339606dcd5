"""Parameters of `sssd`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.train_params import IN_LABEL, AboveZero, NotNegative, Positive
from bench_imputers.diffusion.params import Betas, DiffusionParams, Mask, Rate, Whole


class SssdParams(DiffusionParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SSSD with S4; the defaults are its published configuration (MuJoCo, 90 % missing)."""

    blocks: Annotated[Positive, msgspec.Meta(description="Residual blocks, of two S4 layers each.")] = 36
    width: Annotated[Positive, IN_LABEL, msgspec.Meta(description="Channels of a block.")] = 256
    states: Annotated[
        Positive,
        msgspec.Meta(description="Size of the state space of each S4 feature, of which a layer has 2 · `width`."),
    ] = 64
    observed: Annotated[
        Literal["reference", "clean"],
        msgspec.Meta(
            description="What the network sees at conditioning entries while training: the clean value times √ᾱ + √(1 − "
            "ᾱ), as published (reference), or the clean value (clean). In sampling it sees the clean value in "
            "either case."
        ),
    ] = "reference"
    powers: Annotated[
        Literal["stored", "recomputed"],
        msgspec.Meta(
            description="The matrix that makes kernels of weights is kept (stored: 16 · `blocks` · `width` · `states` · "
            "length bytes) or computed again in each training step (recomputed). Changes rounding only."
        ),
    ] = "stored"
    diffusion_steps: Annotated[int, msgspec.Meta(ge=2)] = 200
    betas: Annotated[Betas, IN_LABEL] = "linear"
    beta_first: Annotated[Rate, IN_LABEL] = 1e-4
    beta_last: Annotated[Rate, IN_LABEL] = 0.02
    mask: Mask = "points"
    mask_ratio: Rate = 0.9
    steps: Annotated[Positive | None, IN_LABEL] = 150_000
    batch_size: Positive = 50
    learning_rate: AboveZero = 2e-4
    clip: NotNegative = 0.0
    patience: Whole = 0
