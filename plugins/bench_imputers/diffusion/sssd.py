"""SSSD with S4: the denoiser of Lopez Alcaraz and Strodthoff (TMLR 2022, arXiv 2208.09399), variant
SSSD^S4.

Specification sssd.md. The same function as the published network with the correct S4 kernel (the
published plain-PyTorch fallback leaves half of every conjugate pair out, see `s4`), in fewer
seconds:

- kernels come from `s4` as one matrix product; in sampling their transforms are computed once and
  not once per step;
- what the conditioning adds to each block depends on neither state nor step: once per batch of
  records;
- the step embedding and its projection in each block: tabulated for all steps before sampling;
- weight normalisation is folded into plain weights before sampling;
- bins before channels throughout, so that every 1x1 convolution is one matrix product without a
  permutation.

Axes inside: b records, length bins, width channels.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from bench_imputers.diffusion.denoiser import Denoiser, Given, Shape
from bench_imputers.diffusion.engine import DiffusionImputer
from bench_imputers.diffusion.s4 import S4
from bench_imputers.diffusion.schedule import schedule
from bench_imputers.diffusion.sssd_params import SssdParams

STEP_FEATURES = 128
STEP_WIDTH = 512
"""Widths of the step embedding: 128 sines and cosines, then 512 (specification, section 2)."""


def step_features(step: torch.Tensor) -> torch.Tensor:
    """Sines, then cosines, of the step at 64 frequencies falling from 1 to 1e-4: float32 [b,
    128] for int64 [b].
    """
    half = STEP_FEATURES // 2
    exponents = torch.arange(half, dtype=torch.float64, device=step.device) / (half - 1)
    angles = step[:, None] * torch.pow(10_000.0, -exponents)
    return torch.cat([angles.sin(), angles.cos()], -1).float()


class Sssd(DiffusionImputer[SssdParams]):
    """One SSSD per target modality, conditioned on that modality's own visible entries."""

    def build(self, shape: Shape) -> Denoiser:
        return SssdDenoiser(shape, self.params)


class Convolution(nn.Conv1d):
    """A convolution along the bins with weight normalisation per output channel; inputs [b, length,
    channels].

    Starts as nn.Conv1d starts: the Kaiming call in the published source acts on a derived tensor
    and is lost.
    """

    def __init__(self, inputs: int, outputs: int, bins: int = 1):
        super().__init__(inputs, outputs, bins)
        weight_norm(self)
        self._folded: torch.Tensor | None = None

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        bins = self.kernel_size[0]
        if bins > 1:
            reach, length = bins // 2, inputs.shape[1]
            padded = functional.pad(inputs, (0, 0, reach, reach))
            inputs = torch.cat([padded[:, shift : shift + length] for shift in range(bins)], -1)
        return functional.linear(inputs, self._matrix() if self._folded is None else self._folded, self.bias)

    def _matrix(self) -> torch.Tensor:
        return self.weight.transpose(1, 2).flatten(1)

    def sampling(self) -> None:
        with torch.no_grad():
            self._folded = self._matrix().clone()

    def train(self, mode: bool = True) -> Convolution:
        self._folded = None
        return super().train(mode)


class Block(nn.Module):
    """One residual block (specification, section 2, step 4). The denoiser calls `conditioning`,
    once per batch.
    """

    def __init__(self, shape: Shape, params: SssdParams):
        super().__init__()
        width = params.width
        self.step = nn.Linear(STEP_WIDTH, width)
        self.widen = Convolution(width, 2 * width, 3)
        self.first = S4(2 * width, shape.length, params.states, params.powers)
        self.conditioning = Convolution(2 * shape.channels, 2 * width)
        self.second = S4(2 * width, shape.length, params.states, params.powers)
        self.residual = Convolution(width, width)
        self.skip = Convolution(width, width)

    def forward(
        self, hidden: torch.Tensor, step: torch.Tensor, conditioning: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """hidden [b, length, width], step [b, width], conditioning [b, length, 2 width] -> next
        hidden, skip.
        """
        inner = self.first(self.widen(hidden + step[:, None])) + conditioning
        left, right = self.second(inner).chunk(2, -1)
        gated = torch.tanh(left) * torch.sigmoid(right)
        return (hidden + self.residual(gated)) * math.sqrt(0.5), self.skip(gated)


class SssdDenoiser(Denoiser):
    """The noise in a grid, by residual blocks of two S4 layers each.

    At conditioning entries the network sees the clean value while sampling, whatever the state
    holds there. While training it sees the same (`observed="clean"`). As published
    (`observed="reference"`), it sees the value times sqrt(abar) + sqrt(1 - abar): the reference
    puts the clean value in the place of the noise and adds noise to it. Parameters: 47,848,448 +
    37,377 channels at the published size, of any length.
    """

    def __init__(self, shape: Shape, params: SssdParams):
        super().__init__()
        self.params = params
        self.enter = Convolution(shape.channels, params.width)
        self.embed = nn.Sequential(
            nn.Linear(STEP_FEATURES, STEP_WIDTH), nn.SiLU(), nn.Linear(STEP_WIDTH, STEP_WIDTH), nn.SiLU()
        )
        self.blocks = nn.ModuleList(Block(shape, params) for _ in range(params.blocks))
        self.gather = Convolution(params.width, params.width)
        self.leave = nn.Linear(params.width, shape.channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        bars = schedule(params.betas, params.diffusion_steps, params.beta_first, params.beta_last).alpha_bars
        scales = torch.from_numpy(bars**0.5 + (1 - bars) ** 0.5).float()
        self.register_buffer("scales", scales, persistent=False)
        self.scales: torch.Tensor
        self._steps: list[torch.Tensor] | None = None

    def condition(self, inputs: Given) -> dict[str, Any]:
        """The values and their mask, and what they add to each block, [b, length, 2 width]."""
        values = inputs.values * inputs.conditioning
        both = torch.cat([values, inputs.conditioning], 1).transpose(1, 2)
        added = [block.conditioning(both) for block in self._blocks()]
        return {"values": values, "mask": inputs.conditioning, "added": added}

    def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: dict[str, Any]) -> torch.Tensor:
        known = conditioned["values"]
        if self.training and self.params.observed == "reference":
            known = known * self.scales[step, None, None]
        state = state * (1 - conditioned["mask"]) + known
        hidden = functional.relu(self.enter(state.transpose(1, 2)))
        total = torch.zeros_like(hidden)
        for block, shift, added in zip(self._blocks(), self._shifts(step), conditioned["added"], strict=True):
            hidden, skip = block(hidden, shift, added)
            total = total + skip
        total = functional.relu(self.gather(total * len(self.blocks) ** -0.5))
        noise: torch.Tensor = self.leave(total)
        return noise.transpose(1, 2)

    def sampling(self) -> None:
        """Tabulate kernels, step projections and folded weights, until `train()` or `eval()`."""
        for module in self.modules():
            if isinstance(module, S4 | Convolution):
                module.sampling()
        with torch.no_grad():
            self._steps = self._projected(torch.arange(len(self.scales), device=self.scales.device))

    def cells(self, shape: Shape) -> int:
        """What the conditioning adds to each block, and some activations, weigh more than the
        grid.
        """
        floats = 2 * self.params.width * (self.params.blocks + 8) * shape.length
        return max(floats // 1000, super().cells(shape))

    def train(self, mode: bool = True) -> SssdDenoiser:
        self._steps = None
        return super().train(mode)

    def _blocks(self) -> list[Block]:
        return [cast(Block, block) for block in self.blocks]

    def _projected(self, step: torch.Tensor) -> list[torch.Tensor]:
        """The step embedding in each block: [b, width] each."""
        embedded = self.embed(step_features(step))
        return [block.step(embedded) for block in self._blocks()]

    def _shifts(self, step: torch.Tensor) -> list[torch.Tensor]:
        return self._projected(step) if self._steps is None else [table[step] for table in self._steps]
