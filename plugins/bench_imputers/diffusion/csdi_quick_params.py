"""Parameters of `csdi-quick`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.train_params import IN_LABEL, AboveZero, Positive, Share
from bench_imputers.diffusion.params import CsdiSizes, Mask, Rate, Whole


class CsdiQuickParams(CsdiSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A diffusion model for minutes on a CPU; no published configuration. `steps` is what six CPU
    minutes buy on the grid of the CSDI evaluation (35 channels, 48 bins).
    """

    channels: Annotated[Positive, IN_LABEL] = 16
    heads: Positive = 2
    layers: Annotated[Positive, msgspec.Meta(description="Pairs of transformer layers: over time, over channels.")] = 2
    feedforward: Positive = 32
    step_width: Annotated[
        Positive,
        msgspec.Meta(description="Width of the head that reads the noisy state, where the diffusion step enters."),
    ] = 16
    time_width: Positive = 32
    feature_width: Positive = 8
    dropout: Share = 0.0
    predict: Literal["noise", "x0", "v"] = "x0"
    residual: bool = True
    mask: Mask = "ratio"
    mask_ratio: Rate = 0.3
    loss: Literal["squared", "absolute", "huber"] = "huber"
    noises: Positive = 4
    solver: Literal["ancestral", "ddim", "dpm++"] = "ddim"
    solver_steps: Annotated[Whole, IN_LABEL] = 10
    steps: Annotated[Positive | None, IN_LABEL] = 3800
    batch_size: Positive = 8
    learning_rate: AboveZero = 8e-3
    schedule: Literal["constant", "cosine", "milestones"] = "cosine"
    patience: Whole = 0

    @property
    def paired(self) -> tuple[str, ...]:
        return ("time_width",)
