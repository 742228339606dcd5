"""Attention and pre-norm transformer layers, to oneself and across sequences; masked keys are never
read.

The layout is that of the transformer that MulT, MISTS and FuseMoE share (Tsai et al. 2019).
Starting weights are those of MulT's
code: every matrix Xavier-uniform, biases 0. The code of MISTS starts attention so too, its
      feed-forward parts as torch does.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention of x to itself or to a source.

        forward(x [b, q, width], source, mask, allowed) -> [b, q, width]

    - source: [b, k, width] or None.
    - mask: [b, k], 1 = readable.
    - allowed: bool [q, k] or [b, q, k], True = this query may read this key.

    A query without any key it may read gets exactly 0, the bias of the output map included. One
    packed matrix maps queries, keys and values (Xavier-uniform as one, biases 0). Dropout acts on
    the weights.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads, self.dropout = heads, dropout
        self.packed, self.out = _xavier(nn.Linear(width, 3 * width)), _xavier(nn.Linear(width, width))

    def forward(
        self,
        x: torch.Tensor,
        source: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
    ) -> torch.Tensor:
        width = x.shape[2]
        if source is None:
            query, key, value = self.packed(x).split(width, dim=2)
        else:
            query = functional.linear(x, self.packed.weight[:width], self.packed.bias[:width])
            packed = functional.linear(source, self.packed.weight[width:], self.packed.bias[width:])
            key, value = packed.split(width, dim=2)
        readable = _readable(mask, allowed)
        # Where nothing may be read, everything is, and what comes of it is dropped: a softmax of
        # nothing is NaN.
        some = None if readable is None else readable.any(dim=-1, keepdim=True)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        dropout = self.dropout if self.training else 0.0
        attn_mask = None if readable is None or some is None else readable | ~some
        read = functional.scaled_dot_product_attention(query, key, value, attn_mask=attn_mask, dropout_p=dropout)
        mixed: torch.Tensor = self.out(read.transpose(1, 2).flatten(2))
        return mixed if some is None else mixed * some[:, 0]


class FeedForward(nn.Module):
    """drop(W2 drop(relu(W1 x))), Xavier-uniform, biases 0. inner: width of the hidden layer,
    default 4 width.
    """

    def __init__(self, width: int, dropout: float = 0.0, inner: int | None = None):
        super().__init__()
        inner = 4 * width if inner is None else inner
        self.first, self.second = _xavier(nn.Linear(width, inner)), _xavier(nn.Linear(inner, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.dropout(self.second(self.dropout(torch.relu(self.first(x)))))
        return outputs


class CrossLayer(nn.Module):
    """u = x + drop(attention(LN0 x, LN0 source)); u + feed_forward(LN1 u). One LN0 serves queries,
    keys and values.

    Without a source x attends to itself. attention_dropout: of the attention's weights, default
    dropout.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float = 0.0,
        inner: int | None = None,
        attention_dropout: float | None = None,
    ):
        super().__init__()
        self.attention = Attention(width, heads, dropout if attention_dropout is None else attention_dropout)
        self.feed_forward = FeedForward(width, dropout, inner)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        source: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """x: [b, q, width]. source: [b, k, width]. mask, allowed: see `Attention`. -> [b, q,
        width].
        """
        read = None if source is None else self.norms[0](source)
        x = x + self.dropout(self.attention(self.norms[0](x), read, mask, allowed))
        outputs: torch.Tensor = x + self.feed_forward(self.norms[1](x))
        return outputs


class CrossEncoder(nn.Module):
    """Layers that read the same source at each depth, then a LayerNorm. Arguments as
    `CrossLayer`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        dropout: float = 0.0,
        inner: int | None = None,
        attention_dropout: float | None = None,
    ):
        super().__init__()
        self.layers = nn.ModuleList(CrossLayer(width, heads, dropout, inner, attention_dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        x: torch.Tensor,
        source: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """x: [b, q, width]. source: [b, k, width]. mask, allowed: see `Attention`. -> [b, q,
        width].
        """
        for layer in self.layers:
            x = layer(x, source, mask, allowed)
        outputs: torch.Tensor = self.norm(x)
        return outputs

    def at(
        self,
        step: torch.Tensor,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """[b, width]: step `step` [b] of what it makes of x [b, n, width] by self-attention.

        The same up to rounding, since in the last layer nothing but that step's query is asked for.
        With few layers that is most of the work.
        """
        rows = torch.arange(len(x), device=x.device)
        *below, top = self.layers
        for layer in below:
            x = layer(x, None, mask, allowed)
        if allowed is not None:
            allowed = allowed.expand(len(x), -1, -1)[rows, step][:, None]
        outputs: torch.Tensor = self.norm(top(x[rows, step][:, None], x, mask, allowed))
        return outputs[:, 0]


def last_step(mask: torch.Tensor) -> torch.Tensor:
    """mask [b, n], 1 = readable -> int64 [b], the last readable step; 0 where there is none."""
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    return ((mask > 0) * places).argmax(dim=1)


class ResidualHead(nn.Module):
    """The head that MulT, MISTS and FuseMoE end with: h + W2 drop(relu(W1 h)), then a linear map.

    forward(h [b, width]) -> logits [b, outputs].
    """

    def __init__(self, width: int, outputs: int, dropout: float = 0.0):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(width, outputs)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(h + self.second(self.dropout(torch.relu(self.first(h)))))
        return logits


def _xavier(layer: nn.Linear) -> nn.Linear:
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _readable(mask: torch.Tensor | None, allowed: torch.Tensor | None) -> torch.Tensor | None:
    """bool [b or 1, 1, q or 1, k], None = everything."""
    keys = None if mask is None else mask[:, None, None] > 0
    if allowed is None:
        return keys
    pairs = allowed[None, None] if allowed.dim() == 2 else allowed[:, None]
    return pairs if keys is None else keys & pairs
