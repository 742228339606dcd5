"""Parameters of `sssd`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.train_params import (
    IN_LABEL,
    AboveZero,
    NotNegative,
    Positive,
)
from bench_imputers.diffusion.params import DiffusionParams, Mask, Rate, Whole


class SssdParams(DiffusionParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SSSD with S4; the defaults are its published configuration (MuJoCo, 90 % missing).

    blocks:        residual blocks, of two S4 layers each.
    width:         channels of a block.
    states:        of the state space of each S4 feature, of which a layer has 2 · width.
    observed:      what the network sees at conditioning entries while training: the clean value scaled by √ᾱ + √(1 − ᾱ)
                   (reference, as published) or the clean value (clean), which is what it sees in sampling in either case.
    powers:        the matrix that turns trained numbers into kernels: kept (stored: 16 · blocks · width · states · length
                   bytes) or computed again in each training step (recomputed). Changes rounding only.
    """

    blocks: Positive = 36
    width: Annotated[Positive, IN_LABEL] = 256
    states: Positive = 64
    observed: Literal["reference", "clean"] = "reference"
    powers: Literal["stored", "recomputed"] = "stored"
    diffusion_steps: Annotated[int, msgspec.Meta(ge=2)] = 200
    betas: Annotated[Literal["quadratic", "linear"], IN_LABEL] = "linear"
    beta_first: Annotated[Rate, IN_LABEL] = 1e-4
    beta_last: Annotated[Rate, IN_LABEL] = 0.02
    mask: Mask = "points"
    mask_ratio: Rate = 0.9
    steps: Annotated[Positive | None, IN_LABEL] = 150_000
    batch_size: Positive = 50
    learning_rate: AboveZero = 2e-4
    clip: NotNegative = 0.0
    patience: Whole = 0
