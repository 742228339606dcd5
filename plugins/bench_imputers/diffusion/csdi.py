"""CSDI: conditional score-based diffusion imputation (Tashiro, Song, Song and Ermon, NeurIPS 2021).

The same function as the published network, with fewer seconds. How each gain was got:

1.  The side information (embedding of the time, embedding of the channel, mask) is never laid out
    on the grid. A linear map of a concatenation of [function of bin, function of channel, mask] is
    a sum of three small products, broadcast; it depends on neither state nor step and is computed
    once per batch of records and layer, not once per call.
2.  Step embeddings: there are as many as steps. Their projections are tabulated once per sampling.
3.  Tokens are channels-last, so that every 1 × 1 convolution is one matrix product without a
    permutation. Attention over time is a reshape, attention over channels one transpose.
4.  Attention reads batch-first queries, keys and values from one array: on a GPU by the fused
    kernel; on a CPU written out, with scores as [keys, queries] and values as [width, tokens], so
    that every product has rows as long as the sequence. That beats the fused kernel with one thread
    and with several, so nothing is chosen at start-up.
5.  On a CPU every map is a 1 × 1 convolution over channels-last tokens, which torch hands to
    oneDNN, and the large arrays are allocated once (`residual_cpu`).
6.  tanh(x) = 2 sigmoid(2x) − 1: one sigmoid over both halves of the gate, which costs a fraction of
    a tanh on CPUs. The two factors 2 are folded into the weights when sampling begins, and so is
    the head's first map into the skips.
7.  The residual half of the last layer's last map never reaches the output and is not computed.
8.  Draws of a record share its conditioning, by broadcasting, in chunks whose activations stay in
    the cache.
9.  Training: 1, 3 and 7; attention written out as in 4, since the fused kernel knows no dropout on
    a CPU; and dropout decided by 16 random bits an entry in place of a double (`residual.dropout`).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from bench_imputers.diffusion.denoiser import Denoiser, Given, Shape
from bench_imputers.diffusion.engine import DiffusionImputer
from bench_imputers.diffusion.layers import time_embedding
from bench_imputers.diffusion.params import CsdiParams, CsdiSizes
from bench_imputers.diffusion.residual import ResidualLayer, pointwise
from bench_imputers.diffusion.residual_cpu import CpuBody


class Csdi(DiffusionImputer[CsdiParams]):
    """One CSDI per target modality, conditioned on that modality's own visible entries."""

    def build(self, shape: Shape) -> Denoiser:
        return CsdiDenoiser(shape, self.params)

    @property
    def pastes(self) -> bool:
        return self.params.unconditional


class CsdiDenoiser(Denoiser):
    """The network of CSDI; shapes, gate order and starting values as in the authors' code.

    context: maps a `Given` to vectors that enter the side information of every layer; None, as in
    CSDI, for none. One vector per record is [b, width], per channel [b, channels, width], per bin
    [b, length, 1, width].
    """

    def __init__(self, shape: Shape, size: CsdiParams, context: nn.Module | None = None, width: int = 0):
        super().__init__()
        self.unconditional, self.compiled = size.unconditional, size.compile
        self.widths = [size.time_width, size.feature_width, 0 if size.unconditional else 1, width]
        self.context = context
        self.features = nn.Parameter(torch.randn(shape.channels, size.feature_width))
        self.step_embedding = nn.Sequential(
            nn.Linear(size.step_width, size.step_width),
            nn.SiLU(),
            nn.Linear(size.step_width, size.step_width),
            nn.SiLU(),
        )
        self.input = pointwise(1 if size.unconditional else 2, size.channels)
        self.layers = nn.ModuleList(
            ResidualLayer(size, sum(self.widths), shape.length > 1, shape.channels > 1) for _ in range(size.layers)
        )
        self.skips = pointwise(size.channels, size.channels)
        self.output = pointwise(size.channels, 1)
        nn.init.zeros_(self.output.weight)
        self.register_buffer("times", time_embedding(torch.tensor(shape.times), size.time_width), persistent=False)
        self.register_buffer("table", step_table(size.diffusion_steps, size.step_width), persistent=False)
        self._projected: list[torch.Tensor] | None = None
        self._body: CpuBody | None = None

    def condition(self, inputs: Given) -> dict[str, Any]:
        """values, open: the two inputs' fixed halves, [b, channels, length]. side: per layer [b
        or 1, length, channels, ·].
        """
        return self.sided(inputs, None if self.context is None else self.context(inputs))

    def sided(self, inputs: Given, vectors: torch.Tensor | None) -> dict[str, Any]:
        """`condition` where the vectors of the context are known already."""
        visible = inputs.conditioning
        sides = [self._side(layer, visible, vectors) for layer in self._each()]
        return {
            "values": inputs.values,
            "open": 1 - visible,
            "side": self._body.sides(sides) if self._body else sides,
        }

    def _side(self, layer: ResidualLayer, visible: torch.Tensor, vectors: torch.Tensor | None) -> torch.Tensor:
        weight, bias = layer.side_weights()
        time, feature, mask, context = weight.split(self.widths, dim=1)
        side = (self.times @ time.T)[None, :, None] + (self.features @ feature.T)[None, None] + bias
        if mask.shape[1]:
            side = torch.addcmul(side, visible.transpose(1, 2)[..., None], mask[:, 0])
        if vectors is not None:
            mapped = vectors @ context.T
            side = side + (mapped if mapped.dim() == 4 else mapped.reshape(len(mapped), 1, -1, len(bias)))
        sided: torch.Tensor = side
        return sided

    def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: Any) -> torch.Tensor:
        inputs = (
            [state] if self.unconditional else [conditioned["values"].expand_as(state), conditioned["open"] * state]
        )
        stacked = torch.stack(inputs, dim=-1)
        if self._body:
            return self._body(torch.relu(self.input(stacked.transpose(1, 2))), step, conditioned["side"])
        x = torch.relu(self.input(stacked))
        skips = None
        projected = self._projections()
        for number, (layer, side) in enumerate(zip(self.layers, conditioned["side"], strict=True)):
            last = number == len(self.layers) - 1
            x, skip = layer(x, projected[number][step][:, None, None], side, last)
            skips = skip if skips is None else skips + skip
        skips = torch.relu(self.skips(skips / len(self.layers) ** 0.5))
        noise: torch.Tensor = self.output(skips)
        return noise[..., 0].transpose(1, 2)

    def _each(self) -> list[ResidualLayer]:
        return [cast(ResidualLayer, layer) for layer in self.layers]

    def _projections(self) -> list[torch.Tensor]:
        """The step embeddings as every layer adds them, [steps, C] each."""
        if self._projected is not None:
            return self._projected
        embedded = self.step_embedding(self.table)
        return [layer.step(embedded) for layer in self._each()]

    def sampling(self) -> None:
        self._projected = self._projections()
        if self.features.device.type == "cpu" and not self.compiled:
            self._body = CpuBody(self._each(), self.skips, self.output, self._projected)

    def train(self, mode: bool = True) -> CsdiDenoiser:
        self._projected = self._body = None
        super().train(mode)
        return self


def csdi_sizes(params: CsdiSizes, unconditional: bool = False) -> CsdiParams:
    """The parameters of the network of CSDI at these sizes, for methods that add a context to
    it.
    """
    names = (*CsdiSizes.__annotations__, "diffusion_steps")
    return CsdiParams(unconditional=unconditional, **{name: getattr(params, name) for name in names})


def step_table(steps: int, width: int) -> torch.Tensor:
    """float32 [steps, width]: sin, then cos, of step x 10^(4 j / (width / 2 − 1)): frequencies
    that grow from 1 to 10⁴.
    """
    half = width // 2
    frequencies = 10.0 ** (torch.arange(half) / max(half - 1, 1) * 4.0)
    angle = torch.arange(steps)[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=1)
