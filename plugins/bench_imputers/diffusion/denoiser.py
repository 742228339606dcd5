"""What a diffusion method writes: a denoiser and how it is conditioned. The engine does the rest.

Axes: `b` records (or records x draws), `channels` of the target, `length` bins. Inside this package
the grid is (channels, length), as in CSDI; cohorts hold (length, channels), and the engine
transposes once, when it reads them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Shape:
    """What a denoiser is built for.

    - channels, length: of the target grid.
    - parts: target modality -> its number of channels, in the order in which they are stacked. One
      modality, except where a method is joint over several.
    - context: other modality -> its number of channels.
    - times: hours of the bins, float [length].
    """

    channels: int
    length: int
    parts: Mapping[str, int]
    context: Mapping[str, int]
    times: tuple[float, ...]


@dataclass(frozen=True)
class Pooled:
    """Another modality of b records as one vector each: the mean over its visible entries in the
    window, per channel.

    - values: float32 [b, channels], 0 where a channel has no visible entry.
    - available: bool [b], the modality has any. It is an input of its own and never inferred from
      zeros.
    """

    values: torch.Tensor
    available: torch.Tensor


@dataclass(frozen=True)
class SingleEvents:
    """Another modality of b records event by event: those in the window with a visible value, in
    order of time, padded.

    - values: float32 [b, n, channels], 0 where a channel of an event is not visible.
    - times: float32 [b, n], hours.
    - visible: bool [b, n], there is such an event. Where it is False the other arrays mean nothing.
    """

    values: torch.Tensor
    times: torch.Tensor
    visible: torch.Tensor


@dataclass(frozen=True)
class Given:
    """What a denoiser may look at: b records.

    - values: float32 [b, channels, length], 0 where `conditioning` is 0.
    - conditioning: float32 [b, channels, length], 1 where the value may be looked at. In training a
      part of the observed entries, in sampling all of them.
    - context: other modality -> Pooled.
    - events: other modality -> SingleEvents, for methods that ask for them
      (`DiffusionImputer.uses_events`).
    """

    values: torch.Tensor
    conditioning: torch.Tensor
    context: Mapping[str, Pooled]
    events: Mapping[str, SingleEvents] = field(default_factory=dict)


class Denoiser(nn.Module):
    """Predicts the noise (or what `predict` names) in a noisy grid.

    Result independent of batch mates: no term of one record may touch another.
    """

    @abstractmethod
    def condition(self, inputs: Given) -> Any:
        """All that depends on neither the noisy state nor the step, computed once per batch and not
        once per step.

        Returns any nest of dicts, lists and tuples of tensors. Their first axis is b, or 1 where
        all records share a tensor; the engine repeats those of b for several draws. In training
        gradients flow through it.
        """

    @abstractmethod
    def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: Any) -> torch.Tensor:
        """The network's answer for a noisy grid: [b, channels, length].

        - state: float32 [b, channels, length], the noisy grid. The method decides what happens to
          its values at conditioning entries: mask them out or keep them.
        - step: int64 [b], 0 to diffusion steps - 1.
        """

    def sampling(self) -> None:
        """Called once in eval mode before a sampling: the place to tabulate what depends on weights
        alone (kernels, step embeddings). `train()` must forget it.
        """

    def cells(self, shape: Shape) -> int:
        """How large one unit (a record's draw) is in a network call, in thousands of float32; the
        engine chooses its chunk by it. The default is a network of about a thousand per grid cell.
        """
        return shape.channels * shape.length
