"""The S4-LegS layer in plain PyTorch and real arithmetic: no Cauchy kernel, no CUDA extension, no
complex parameter.

Source: Gu, Goel and Re 2022 (S4), as used by SSSD (Lopez Alcaraz and Strodthoff 2022);
specification sssd.md, section 3. State space of feature h: x' = A x + B u, y = c x, HiPPO-LegS,
bilinear with step width delta_h:

    A[i, j] = -sqrt((2i+1)(2j+1)) for i > j, -(i+1) for i = j, else 0
    B[i] = sqrt(2i+1);   i, j = 0 ... states-1
    Ab = (I - delta/2 A)^-1 (I + delta/2 A),   Bb = delta (I - delta/2 A)^-1 B
    kernel k[l] = c Ab^l Bb

A, B and delta are frozen in the published code, so the kernel is linear in the only trained part:
k = c V. V = [Bb, Ab Bb, Ab^2 Bb, ...] is computed once in double precision. The published code
trains c in another basis (complex, that of the eigenvectors of A + P P^T) and multiplied by (I -
Ab^L). That is the same function. Since the basis is unitary, the distribution of kernels at the
start is the same too, but Adam walks in other coordinates. `tests/support/nplr.py` has the
published form.

V needs no matrix power: the resolvent of LegS is a product,

    ((s I - A)^-1 B)[n] = sqrt(2n+1) s (s-1) ... (s-n+1) / ((s+1)(s+2) ... (s+n+1)),

so that, with s = 2/delta (1-z)/(1+z), row n of V is row n-1 put through a filter of first order:
three multiplications per entry in place of 2 states^2. All entries with the same n + l are computed
at once.

The convolution runs over the past with one kernel and over the future with another, by an FFT of
length 2 `length`. A product with the Toeplitz matrix is slower at every length of
`benchmarks/sssd.py`, which prints both. D is added to the kernel's first entry instead of being a
term of its own.

Axes: b records, length bins, features (each has a state space of its own), states of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.nn import functional

STATES = 64
"""Of every state space (specification, section 3)."""

DELTAS = (0.001, 0.1)
"""Step widths are drawn log-uniformly between these, one per feature (specification, section 3)."""

BLOCK = 64
"""Features whose V is computed, in double precision, at once."""

Keep = Literal["stored", "recomputed"]


def legs(states: int = STATES) -> tuple[torch.Tensor, torch.Tensor]:
    """HiPPO-LegS: A float64 [states, states] and B float64 [states]."""
    root = torch.sqrt(2 * torch.arange(states, dtype=torch.float64) + 1)
    lower = torch.tril(root[:, None] * root[None, :], -1)
    return -(lower + torch.diag(torch.arange(1, states + 1, dtype=torch.float64))), root


def krylov(delta: torch.Tensor, length: int, states: int = STATES) -> torch.Tensor:
    """V: float64 [features, states, length], column l being Ab^l Bb, for the step widths `delta`
    [features].

    Independent of `length` column by column: a longer series needs more columns and nothing else.
    """
    a = 2 / delta.double()[:, None]
    n = torch.arange(states, dtype=torch.float64, device=delta.device)
    below = a + n + 1
    same, before, earlier = (a - n - 1) / below, (a - n + 1) / below, -(a + n - 1) / below
    # diagonals[d + 1][:, n] is entry (n, l = d - n). Those before the first bin are 0, and the
    # recursion keeps them so.
    diagonals = torch.zeros(states + length, len(delta), states, dtype=torch.float64, device=delta.device)
    diagonals[1, :, 0] = 2 / below[:, 0]
    for older, old, new in zip(diagonals, diagonals[1:], diagonals[2:], strict=False):
        torch.mul(same, old, out=new)
        new[:, 1:] += before[:, 1:] * old[:, :-1] + earlier[:, 1:] * older[:, :-1]
    plane = len(delta) * states
    entries = diagonals.as_strided((len(delta), states, length), (states, plane + 1, plane), plane)
    # Contiguous: as it lies, a diagonal view, the product that makes kernels would take many times
    #             as long.
    return entries.contiguous() * torch.sqrt(2 * n + 1)[:, None]


def spectrum(causal: torch.Tensor, anticausal: torch.Tensor) -> torch.Tensor:
    """What `convolve` multiplies by: the transform of two kernels [..., length], complex [...,
    length + 1].
    """
    transformed: torch.Tensor = torch.fft.rfft(torch.cat([causal, anticausal.flip(-1)], -1))
    return transformed


def convolve(inputs: torch.Tensor, transformed: torch.Tensor) -> torch.Tensor:
    """y[l] = sum over j <= l of causal[l-j] u[j], plus sum over j > l of anticausal[j-l-1] u[j].

    inputs: [..., length]; transformed: `spectrum` of the kernels, whose leading axes broadcast
    against those of the inputs. The past includes the present; the future begins one bin later, so
    both kernels start at full strength.
    """
    length = inputs.shape[-1]
    convolved: torch.Tensor = torch.fft.irfft(torch.fft.rfft(inputs, n=2 * length) * transformed, n=2 * length)
    return convolved[..., :length]


class Recomputed(torch.autograd.Function):
    """c V without keeping V: computed again in each pass, `BLOCK` features at a time, forwards and
    backwards.

    c: [features, directions, states]; delta: [features]. Returns [features, directions, length].
    """

    @staticmethod
    def forward(ctx: Any, c: torch.Tensor, delta: torch.Tensor, length: int) -> torch.Tensor:
        ctx.save_for_backward(delta)
        ctx.length, ctx.states = length, c.shape[-1]
        parts = zip(c.split(BLOCK), delta.split(BLOCK), strict=True)
        return torch.cat([some @ krylov(widths, length, c.shape[-1]).to(c.dtype) for some, widths in parts])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,), (delta,) = gradients, ctx.saved_tensors
        parts = zip(gradient.split(BLOCK), delta.split(BLOCK), strict=True)
        back = [some @ krylov(widths, ctx.length, ctx.states).to(some.dtype).mT for some, widths in parts]
        return torch.cat(back), None, None


class S4(nn.Module):
    """One S4 layer as a residual encoder layer: LayerNorm(u + W GELU(k * u + D u) + b), over the
    features of each bin.

    Trained: c (real, one row of states per direction and feature), D, W, b and the norm. `delta` is
    a buffer and part of the state; V follows from it and is not. Starting values: c and D normal(0,
    1), W and b as nn.Linear starts.

    - keep: "stored" holds V, float32 [features, states, length], 13 MB per layer at 512 features
      and 100 bins. With "recomputed" the layer holds none of it and computes V twice in each
      training step: the same numbers, slower.
    """

    def __init__(self, features: int, length: int, states: int = STATES, keep: Keep = "stored"):
        super().__init__()
        self.length, self.keep = length, keep
        self.c = nn.Parameter(torch.randn(2, features, states))
        self.d = nn.Parameter(torch.randn(features))
        self.mix = nn.Linear(features, features)
        self.norm = nn.LayerNorm(features)
        low, high = (math.log(bound) for bound in DELTAS)
        self.register_buffer("delta", torch.exp(torch.empty(features).uniform_(low, high)))
        self.delta: torch.Tensor
        self._v: torch.Tensor | None = None
        self._tabulated: torch.Tensor | None = None
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]  # torch gives it no types

    def kernels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The causal and the anticausal kernel, each [features, length], without D."""
        c = self.c.transpose(0, 1)
        if self.keep == "recomputed":
            recomputed: Callable[..., torch.Tensor] = Recomputed.apply
            both = recomputed(c, self.delta, self.length)
        else:
            both = torch.bmm(c, self._krylov())
        return both[:, 0], both[:, 1]

    def spectrum(self) -> torch.Tensor:
        """The transform of both kernels, D included: complex [features, length + 1]."""
        with torch.autocast(self.c.device.type, enabled=False):
            causal, anticausal = self.kernels()
            direct = functional.pad(self.d[:, None], (0, self.length - 1))
            return spectrum(causal + direct, anticausal)

    def sampling(self) -> None:
        """Keep the spectrum until `train()`, `eval()` or `load_state_dict`: in sampling the
        weights stand still.
        """
        with torch.no_grad():
            self._tabulated = self.spectrum()

    def train(self, mode: bool = True) -> S4:
        self._tabulated = None
        return super().train(mode)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """inputs and output: [b, length, features]."""
        transformed = self.spectrum() if self._tabulated is None else self._tabulated
        with torch.autocast(inputs.device.type, enabled=False):
            mixed = convolve(inputs.to(self.c.dtype).transpose(1, 2).contiguous(), transformed)
        mixed = self.mix(functional.gelu(mixed).transpose(1, 2))
        normed: torch.Tensor = self.norm(mixed + inputs)
        return normed

    def _krylov(self) -> torch.Tensor:
        if self._v is None or self._v.device != self.c.device or self._v.dtype != self.c.dtype:
            # A sampling may be the first to ask, and its inference tensors could not be trained
            # with.
            with torch.inference_mode(False):
                parts = [krylov(some, self.length, self.c.shape[-1]) for some in self.delta.cpu().split(BLOCK)]
                self._v = torch.cat([part.to(self.c.device, self.c.dtype) for part in parts])
        return self._v


def _forget(module: nn.Module, incompatible: Any) -> None:
    """After another state was loaded: its step widths, and so V, may be others."""
    module = cast(S4, module)
    module._v = module._tabulated = None
