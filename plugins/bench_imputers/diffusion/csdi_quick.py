"""csdi-quick: a diffusion imputer for minutes on a CPU, in place of CSDI cut down to them. No
paper's method; decided here.

1.  It predicts the clean value, as a difference to the linear interpolation of the visible entries:
    a shift plus a gain times the noisy state, both 0 at the start. So before the first step of
    training every draw is that interpolation, whatever the noise, and training improves on it; an
    under-trained noise predictor diverges.
2.  Attention over time and channels sees what is given (values, interpolated; what was visible; how
    near it is), and not the noisy state. It runs once per record, not once per step and draw. A
    small head reads the noisy state, entry by entry, beside what attention left there. That makes
    training visits and draws cheap, and it takes away what draws of CSDI suffer from after a short
    training: at entries never observed the network sees noise around 0 in training and a state of
    its own making in sampling, and attention spreads the difference; with x0 predicted, draws then
    hardly spread.
3.  As the head costs little, a training visit draws several steps and noises (`noises`).
4.  Errors count squared up to half a standard deviation and absolutely beyond (`loss`): the clean
    value, unlike the noise, has typing errors in it, which rule a squared loss.

The price of 2: given the record, the entries of a draw are independent. Each entry's median and
interval mean what they say; a sum or a trend over several entries of one draw has too little
spread.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bench_imputers.diffusion.csdi_quick_params import CsdiQuickParams
from bench_imputers.diffusion.denoiser import Denoiser, Given, Shape
from bench_imputers.diffusion.engine import DiffusionImputer
from bench_imputers.diffusion.guess import interpolated, nearness
from bench_imputers.diffusion.layers import time_embedding
from bench_imputers.diffusion.residual import TransformerLayer, pointwise
from bench_imputers.diffusion.schedule import schedule


class CsdiQuick(DiffusionImputer[CsdiQuickParams]):
    """One quick network per target modality, conditioned on that modality's own visible entries."""

    def build(self, shape: Shape) -> Denoiser:
        return QuickDenoiser(shape, self.params)


class QuickDenoiser(Denoiser):
    """Attention over what is given, once; a head over the noisy state, entry by entry."""

    def __init__(self, shape: Shape, size: CsdiQuickParams):
        super().__init__()
        width, head = size.channels, size.step_width
        self.features = nn.Parameter(torch.randn(shape.channels, size.feature_width))
        self.given = pointwise(3, width)
        self.time = nn.Linear(size.time_width, width)
        self.channel = nn.Linear(size.feature_width, width)
        self.over_time, self.over_channels = (
            nn.ModuleList(TransformerLayer(size) for _ in range(size.layers)) for _ in range(2)
        )
        self.known = nn.Linear(width + 1, head)
        self.step = nn.Sequential(nn.Linear(1, head), nn.SiLU(), nn.Linear(head, 2 * head))
        self.middle = nn.Linear(head, head)
        self.output = nn.Linear(head, 2)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        alpha_bars = torch.from_numpy(
            schedule(size.betas, size.diffusion_steps, size.beta_first, size.beta_last).alpha_bars
        )
        # A third of log √(ᾱ / (1 − ᾱ)), so that it stays within about ±2: what a step is to the
        # head.
        self.level: torch.Tensor
        self.register_buffer("level", (torch.logit(alpha_bars) / 6).float()[:, None], persistent=False)
        self.register_buffer("times", time_embedding(torch.tensor(shape.times), size.time_width), persistent=False)

    def condition(self, inputs: Given) -> Any:
        """float32 [b, channels, length, head]: what is known of every entry."""
        visible = inputs.conditioning
        fill = torch.zeros(visible.shape[1], device=visible.device)
        values = interpolated(inputs.values, visible, fill)
        x = self.given(torch.stack([values, visible, nearness(visible)], dim=-1))
        x = x + self.time(self.times) + self.channel(self.features)[:, None]
        b, channels, length, width = x.shape
        for over_time, over_channels in zip(self.over_time, self.over_channels, strict=True):
            y = over_time(x.reshape(b * channels, length, width)).view(b, channels, length, width).transpose(1, 2)
            x = over_channels(y.reshape(b * length, channels, width)).view(b, length, channels, width).transpose(1, 2)
        return self.known(torch.cat([x, values[..., None]], dim=-1))

    def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: Any) -> torch.Tensor:
        shift, scale = self.step(self.level[step])[:, None, None].chunk(2, dim=-1)
        known = torch.relu(conditioned + torch.addcmul(shift, scale, state[..., None]))
        shift, scale = self.output(torch.relu(self.middle(known))).unbind(dim=-1)
        return torch.addcmul(shift, scale, state)

    def cells(self, shape: Shape) -> int:
        """A network call is the head alone, several times narrower than what a thousand per grid
        cell allows.
        """
        return max(shape.channels * shape.length // 4, 1)
