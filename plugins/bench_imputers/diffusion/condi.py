"""CondI as an imputer: phase A of Zheng et al. (2026), a CSDI over all target modalities at once.
Specification condi.md.

The condition (`condi_context`) joins the side information of each layer as vectors of a record, or
of its channels. Their part of each map is computed once per record. Without the table and without
the experts it is CSDI.

Paper and code describe two models; a result carries its profile. `released` is what the public code
computes, with four differences, each where it is done:

- The condition is made of the conditioning entries alone, not of the targets they should predict
  (`condi_context`).
- The encoder behind it is trained by the loss of the diffusion: phase B, with its labels, is no
  part of an imputer (`condi_context.OtherModalities`).
- Optimiser and budget are those of the profile `paper`: one step per round of a fresh AdamW, 70 in
  all, trains no diffusion.
- An absent modality has the encoding 0, not the encoder's answer to a series of zeros
  (`condi_context.OtherModalities`). So its own draws differ, and those of no other modality: theirs
  never reads an absent one.

Series by themselves (`joint=false`): the network is built for one channel, so that it has one
embedding for all and no attention over channels. It is applied to a grid of several channels, which
then meet in the condition alone.

The embedding of time reads the number of the bin, as the code does, and not its hours: 250 samples
of a signal lie within a thousandth of an hour.

In a federation (section 7), what is a modality's own goes to the clients that have it
(`condi_context.own_group`). An entry W[i, m] of the table goes to those that have both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from bench_imputers.diffusion.condi_context import TABLE, CondiContext, context_width, own_group, pairs
from bench_imputers.diffusion.condi_params import CONDI_PROFILES, CondiParams
from bench_imputers.diffusion.csdi import CsdiDenoiser, csdi_sizes
from bench_imputers.diffusion.denoiser import Denoiser, Shape
from bench_imputers.diffusion.presets import PresetImputer


class Condi(PresetImputer[CondiParams]):
    """One network for all targets, stacked."""

    @property
    def joint(self) -> bool:
        return True

    def build(self, shape: Shape) -> Denoiser:
        choice = CONDI_PROFILES.over(self.params)
        width = context_width(shape.parts, self.params, choice)
        context = CondiContext(shape.parts, self.params, choice) if width else None
        bins = replace(shape, times=tuple(float(place) for place in range(shape.length)))
        return CsdiDenoiser(
            bins if choice.joint else replace(bins, channels=1), csdi_sizes(self.params), context, width
        )

    def pieces(self, module: str, weight: str, tensor: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """See `Learner.pieces`."""
        parts = list(self.networks[module].shape.parts)
        return pairs(parts, tensor) if weight.endswith(TABLE) else super().pieces(module, weight, tensor)

    def group(self, module: str, weight: str) -> str:
        """See `Learner.group`."""
        group = super().group(module, weight)
        return (group == "shared" and own_group(self.networks[module].shape.parts, weight)) or group
