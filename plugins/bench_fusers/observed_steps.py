"""The steps of a completed grid that a fuser reads: all of them, or only those with something recorded."""

from __future__ import annotations

from typing import Literal

import torch

from bench.torch_fuser import ModalityView
from bench_fusers.encoders.steps import Steps, grid_steps


def readable_steps(view: ModalityView, which: Literal["all", "observed"]) -> Steps:
    """`grid_steps` of the view; with `observed` a step in which no channel was recorded is padding.

    The published step masks are of that kind; then what an imputer put into such a step is not read. Of a modality that is
    present without a single recorded step (filled, or recorded outside the grid) all steps are read.
    """
    steps = grid_steps(view)
    if which == "all":
        return steps
    recorded = view.observed.amax(dim=2) * steps.mask
    mask = torch.where(recorded.amax(dim=1, keepdim=True) > 0, recorded, steps.mask)
    return Steps(torch.where(mask[..., None] > 0, steps.values, 0.0), torch.where(mask > 0, steps.times, 0.0), mask)
