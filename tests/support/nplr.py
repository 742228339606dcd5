"""The published parametrisation of the S4-LegS kernel, "normal plus low rank": what `s4` is checked
and timed against.

Source: Gu, Goel and Re 2022; specification sssd.md, section 3. With P[i] = sqrt(i + 1/2), A + P P^T
is normal: -1/2 on the diagonal plus a skew-symmetric part, with eigenvectors V and eigenvalues w in
conjugate pairs, of which one each is kept. The stored parameter is c (I - Ab^L) in the basis of V,
complex [.., states / 2]; the spectrum of the kernel comes from four Cauchy sums over the kept half
*and its conjugates*. The plain-PyTorch fallback of the published code leaves the conjugates out,
and is what runs where neither its CUDA extension nor pykeops is found; `conjugates=False`
reproduces it, so that the difference can be shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench_imputers.diffusion.s4 import legs


@dataclass(frozen=True)
class Modes:
    """The kept half of the eigenbasis: values complex128 [half], vectors complex128 [states, half],
    and in that basis inputs (V* B) and low_rank (V* P), complex128 [half] each.
    """

    values: torch.Tensor
    vectors: torch.Tensor
    inputs: torch.Tensor
    low_rank: torch.Tensor


def modes(states: int) -> Modes:
    """The eigenbasis of A + P P^T; `states` is even. Exactly unitary, since i times the
    skew-symmetric part is Hermitian.
    """
    a, b = legs(states)
    p = torch.sqrt(torch.arange(states, dtype=torch.float64) + 0.5)
    normal = a + torch.outer(p, p)
    skew = (normal - normal.T) / 2
    frequencies, vectors = torch.linalg.eigh(-1j * skew)
    kept = frequencies > 0
    vectors = vectors[:, kept]
    back = vectors.conj().T
    return Modes(-0.5 + 1j * frequencies[kept], vectors, back @ b.to(back.dtype), back @ p.to(back.dtype))


def stored(c: torch.Tensor, delta: torch.Tensor, length: int, basis: Modes) -> torch.Tensor:
    """The published parameter of real `c`: c (I - Ab^length) in the eigenbasis.

    c: float64 [features, directions, states]; delta: float64 [features]. Returns complex128
       [features, directions, half].
    """
    a, _ = legs(c.shape[-1])
    unit = torch.eye(len(a), dtype=torch.float64)
    half = delta.double()[:, None, None] / 2 * a
    discrete = torch.linalg.solve(unit - half, unit + half)
    cut = c.double() @ (unit - torch.linalg.matrix_power(discrete, length))
    return cut.to(basis.vectors.dtype) @ basis.vectors


def kernel(
    parameter: torch.Tensor, delta: torch.Tensor, length: int, basis: Modes, conjugates: bool = True
) -> torch.Tensor:
    """The kernel from the published parameter: real [features, directions, length], in the
    precision of `parameter`.

    parameter: complex [features, directions, half], as `stored` gives it; delta: real [features].
    conjugates: False sums over the kept half alone, which is the fallback's mistake.
    """
    dtype = parameter.dtype
    values, b, p = (x.to(dtype) for x in (basis.values, basis.inputs, basis.low_rank))
    q = p.conj()
    angle = -2 * torch.pi / length * torch.arange(length // 2 + 1, dtype=parameter.real.dtype)
    omega = torch.polar(torch.ones_like(angle), angle)
    z = 2 * (1 - omega) / (1 + omega)
    left = torch.stack([b, p])[None, :, None]
    right = torch.cat([parameter, q.expand(len(delta), 1, -1)], 1)[:, None]
    products = left * right
    poles = delta.to(dtype)[:, None] * values

    def cauchy(weights: torch.Tensor, poles: torch.Tensor) -> torch.Tensor:
        return weights @ (1 / (z - poles[..., None]))[:, None]

    sums = cauchy(products, poles)
    if conjugates:
        sums = sums + cauchy(products.conj(), poles.conj())
    sums = sums * delta[:, None, None, None]
    b_c, b_q, p_c, p_q = sums[:, 0, :-1], sums[:, 0, -1:], sums[:, 1, :-1], sums[:, 1, -1:]
    return torch.fft.irfft(2 / (1 + omega) * (b_c - b_q * p_c / (1 + p_q)), n=length)
