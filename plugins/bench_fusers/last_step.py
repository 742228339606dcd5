"""One step of what a transformer makes of a sequence, without making the others in its last layer."""

from __future__ import annotations

import torch

from bench_fusers.encoders.transformer import CrossEncoder


def last_step(mask: torch.Tensor) -> torch.Tensor:
    """mask [b, n], 1 = readable -> int64 [b], the last readable step; 0 where there is none."""
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    return ((mask > 0) * places).argmax(dim=1)


def encode_step(
    encoder: CrossEncoder,
    x: torch.Tensor,
    step: torch.Tensor,
    mask: torch.Tensor | None = None,
    allowed: torch.Tensor | None = None,
) -> torch.Tensor:
    """[b, width]: step `step` [b] of encoder(x [b, n, width], None, mask, allowed), a transformer of self-attention.

    The same up to rounding, since in the last layer nothing but that step's query is asked for. With few layers that is most
    of the work.
    """
    rows = torch.arange(len(x), device=x.device)
    *below, top = encoder.layers
    for layer in below:
        x = layer(x, None, mask, allowed)
    if allowed is not None:
        allowed = allowed.expand(len(x), -1, -1)[rows, step][:, None]
    made: torch.Tensor = encoder.norm(top(x[rows, step][:, None], x, mask, allowed))
    return made[:, 0]
