"""A modality as a sequence of steps, with what is readable: its completed grid, or its events as
recorded.

The rule of every fuser here: every step of the completed grid of a present modality is readable, so
that an imputed value can reach the prediction. The mask of what was recorded enters as further
channels. Raw events keep their own mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from bench.torch_fuser import ModalityView


@dataclass(frozen=True)
class Steps:
    """values: [b, n, channels]. times: [b, n], hours. mask: [b, n], 1 = the step is readable, 0 =
    padding or absent.

    values and times are 0 where mask is 0.
    """

    values: torch.Tensor
    times: torch.Tensor
    mask: torch.Tensor


def grid_steps(view: ModalityView, points: int | None = None) -> Steps:
    """The completed grid and its mask side by side: values [b, length, 2 D], every step of a
    present modality readable.

    points: where given, the grid is averaged over that many consecutive parts ([b, points, 2 D]; a
            shorter grid repeats its steps), so that any length comes to one number of steps and
            every imputed value still counts. A step's time is then the mean time of its part.
    """
    values = torch.cat([view.values, view.observed], dim=2)
    times = view.times
    if points is not None and points != len(times):
        values = functional.adaptive_avg_pool1d(values.transpose(1, 2), points).transpose(1, 2)
        times = functional.adaptive_avg_pool1d(times[None, None], points)[0, 0]
    mask = view.present[:, None].expand(-1, len(times))
    # Chosen, not multiplied: whatever an absent modality holds, NaN included, is gone.
    return Steps(torch.where(mask[..., None] > 0, values, 0.0), torch.where(mask > 0, times, 0.0), mask)


def readable_steps(view: ModalityView, which: Literal["all", "observed"]) -> Steps:
    """`grid_steps` of the view; with `observed` a step in which no channel was recorded is padding.

    The published step masks are of that kind; then what an imputer put into such a step is not
    read. Of a modality that is present without a single recorded step (filled, or recorded outside
    the grid) all steps are read.
    """
    steps = grid_steps(view)
    if which == "all":
        return steps
    recorded = view.observed.amax(dim=2) * steps.mask
    mask = torch.where(recorded.amax(dim=1, keepdim=True) > 0, recorded, steps.mask)
    return Steps(torch.where(mask[..., None] > 0, steps.values, 0.0), torch.where(mask > 0, steps.times, 0.0), mask)


def event_steps(view: ModalityView) -> tuple[Steps, torch.Tensor]:
    """The rows as recorded: values [b, rows, D], 0 where not observed; and `observed` [b, rows, D].

    A row is readable where a channel was observed and the modality is present. A batch without any
    row gets one that is not readable, so that nothing has to treat an empty axis. Raises ValueError
    where the view holds no events (`uses_events`).
    """
    if view.events is None:
        raise ValueError("the view holds no events: the fuser's class attribute uses_events must be True")
    times, values, observed = view.events.times, view.events.values, view.events.observed
    if times.shape[1] == 0:
        times = functional.pad(times, (0, 1))
        values, observed = (functional.pad(each, (0, 0, 0, 1)) for each in (values, observed))
    observed = torch.where(view.present[:, None, None] > 0, observed, 0.0)
    mask = observed.amax(dim=2)
    return Steps(torch.where(observed > 0, values, 0.0), torch.where(mask > 0, times, 0.0), mask), observed
