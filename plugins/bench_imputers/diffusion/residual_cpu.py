"""The layers of CSDI for sampling on a CPU: the function of `residual.ResidualLayer` in evaluation,
rearranged.

- Every map of tokens is written as a 1 x 1 convolution over channels-last sequences, which torch
  hands to oneDNN. A matrix product goes to the BLAS, which leaves half of the vector unit idle on
  processors of some makers.
- Scores are laid out as [keys, queries] and values as [width, tokens]. The softmax then runs down
  columns. The second product has rows as long as the sequence, not as a head is wide (8): vector
  units are made for that.
- Constants are folded into weights: the scale of the queries, the factors of tanh(f) = 2 sigmoid(2
  f) − 1, √½ of the next state. The head's first map is folded into the skips.
- The large arrays of a call are allocated once and used again by all layers and calls.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from bench_imputers.diffusion.residual import ResidualLayer, TransformerLayer


class Map:
    """y @ weight.T + bias for tokens in sequences: [sequences, tokens, inputs] to [sequences,
    tokens, outputs].
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None):
        self.weight = weight[:, :, None, None].contiguous(memory_format=torch.channels_last)
        self.bias = bias

    def __call__(self, y: torch.Tensor) -> torch.Tensor:
        planes = y[:, :, None].permute(0, 3, 1, 2)
        return functional.conv2d(planes, self.weight, self.bias).permute(0, 2, 3, 1)[:, :, 0]


class Workspace:
    """Arrays that are used again: for queries, keys, values, their mixture, and scores."""

    def __init__(self, tokens: int, width: int, heads: int, longest: int):
        self.query, self.key, self.value, self.mixed, self.attended = (torch.empty(tokens * width) for _ in range(5))
        self.scores = torch.empty(tokens * heads * longest)


class CpuTransformerLayer:
    """`residual.TransformerLayer` in evaluation."""

    def __init__(self, layer: TransformerLayer):
        self.heads, self.head = layer.heads, layer.merge.in_features // layer.heads
        # Scores = scaled queries · keys; the bias of the keys cancels in the softmax and is left
        # out with no effect.
        scale = (
            torch.ones(3).index_fill(0, torch.tensor([0]), self.head**-0.5).repeat_interleave(layer.merge.in_features)
        )
        self.packed = Map(layer.packed.weight * scale[:, None], layer.packed.bias * scale)
        self.merge, self.up, self.down = (Map(m.weight, m.bias) for m in (layer.merge, layer.up, layer.down))
        self.norms = layer.norm_attended, layer.norm_fed

    def __call__(self, y: torch.Tensor, work: Workspace) -> torch.Tensor:
        """[sequences, tokens, C] to the same; y is written to."""
        y = self.norms[0](self.merge(self._attend(y, work)).add_(y))
        fed = self.down(functional.gelu(self.up(y)))
        encoded: torch.Tensor = self.norms[1](fed.add_(y))
        return encoded

    def _attend(self, y: torch.Tensor, work: Workspace) -> torch.Tensor:
        sequences, tokens, _ = y.shape
        heads, head = self.heads, self.head
        query, key, value = self.packed(y).view(sequences, tokens, 3, heads, head).permute(2, 0, 3, 1, 4)
        queries = work.query.view(sequences, heads, tokens, head).copy_(query).flatten(0, 1)
        keys = work.key.view(sequences, heads, tokens, head).copy_(key).flatten(0, 1)
        values = work.value.view(sequences, heads, head, tokens).copy_(value.transpose(2, 3)).flatten(0, 1)
        scores = work.scores[: sequences * heads * tokens**2].view(-1, tokens, tokens)
        torch.bmm(keys, queries.transpose(1, 2), out=scores)
        torch.softmax(scores, 1, out=scores)
        mixed = torch.bmm(values, scores, out=work.mixed.view(-1, head, tokens))
        attended = work.attended.view(sequences, tokens, heads, head)
        return attended.copy_(mixed.view(sequences, heads, head, tokens).permute(0, 3, 1, 2)).flatten(2)


class CpuLayer:
    """`residual.ResidualLayer` in evaluation. step: its step embeddings, [steps, C]. head: [C,
    C], the map of the skips.
    """

    def __init__(self, layer: ResidualLayer, step: torch.Tensor, head: torch.Tensor):
        self.step = step
        self.time = CpuTransformerLayer(layer.time) if layer.over_time else None
        self.feature = CpuTransformerLayer(layer.feature) if layer.over_channels else None
        self.middle = Map(layer.middle.weight * doubled(len(head))[:, None], None)
        (residual, skip), (residual_bias, skip_bias) = layer.out.weight.chunk(2), layer.out.bias.chunk(2)
        residual, residual_bias = residual * math.sqrt(0.5), residual_bias * math.sqrt(0.5)
        self.out = Map(torch.cat([2 * residual, 2 * head @ skip]), torch.cat([residual_bias, head @ skip_bias]))
        self.only_skip = Map(2 * head @ skip, head @ skip_bias)

    def __call__(
        self, x: torch.Tensor, skips: torch.Tensor, step: torch.Tensor, side: torch.Tensor, last: bool, work: Workspace
    ) -> None:
        """x, skips: [b, length, channels, C], updated in place. step: [b]. side: [b or 1, length,
        channels, 2C], from `CpuBody.sides`.
        """
        b, length, channels, width = x.shape
        embedded = self.step[step][:, None, None]
        if self.time:
            y = torch.add(x.transpose(1, 2), embedded).contiguous()
            y = self.time(y.flatten(0, 1), work).view(b, channels, length, width).transpose(1, 2).contiguous()
        else:
            y = x + embedded
        y = y.flatten(0, 1)
        if self.feature:
            y = self.feature(y, work)
        gates = self.middle(y).view(b, length, channels, 2 * width).add_(side).sigmoid_()
        gate, filtered = gates.chunk(2, dim=3)
        gated = torch.sub(filtered, 0.5).mul_(gate).flatten(0, 1)
        if last:
            skips += self.only_skip(gated).view(x.shape)
            return
        residual, skip = self.out(gated).view(b, length, channels, 2 * width).chunk(2, dim=3)
        skips += skip
        torch.add(residual, x, alpha=math.sqrt(0.5), out=x)


def doubled(width: int) -> torch.Tensor:
    """Factors of the two halves of a gate before one sigmoid: the half that stands for a tanh is
    doubled.
    """
    return torch.cat([torch.ones(width), torch.full((width,), 2.0)])


class CpuBody:
    """All layers and the head of a `CsdiDenoiser` in evaluation. Built from its weights when
    sampling begins.
    """

    def __init__(self, layers: list[ResidualLayer], skips: nn.Linear, output: nn.Linear, steps: list[torch.Tensor]):
        head = skips.weight / math.sqrt(len(layers))
        self.layers = [CpuLayer(layer, step, head) for layer, step in zip(layers, steps, strict=True)]
        self.bias, self.output, self.heads = skips.bias, output, layers[0].time.heads
        self._work: dict[tuple[int, ...], Workspace] = {}

    def sides(self, sides: list[torch.Tensor]) -> list[torch.Tensor]:
        """The side information as the layers take it."""
        factor = doubled(self.output.in_features)
        return [side * factor for side in sides]

    def __call__(self, x: torch.Tensor, step: torch.Tensor, sides: list[torch.Tensor]) -> torch.Tensor:
        """x: [b, length, channels, C] after the input map, written to -> [b, channels, length]."""
        b, length, channels, width = x.shape
        if x.shape not in self._work:
            self._work = {x.shape: Workspace(b * length * channels, width, self.heads, max(length, channels))}
        skips = self.bias.expand_as(x).contiguous()
        for number, (layer, side) in enumerate(zip(self.layers, sides, strict=True)):
            layer(x, skips, step, side, number == len(self.layers) - 1, self._work[x.shape])
        noise: torch.Tensor = self.output(skips.relu_())
        return noise[..., 0].transpose(1, 2)
