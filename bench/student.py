"""Student's t distribution for whole degrees of freedom; a gate needs a handful of values and not all of SciPy."""

from __future__ import annotations

import math


def two_sided(t: float, freedom: int) -> float:
    """P(|T| > |t|) for `freedom` >= 1 degrees of freedom (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    if freedom % 2:
        term, terms = cosine, 0.0
        for k in range(1, freedom // 2 + 1):
            terms += term
            term *= cosine**2 * 2 * k / (2 * k + 1)
        inside = 2 / math.pi * (angle + sine * terms)
    else:
        term, terms = 1.0, 0.0
        for k in range(1, freedom // 2 + 1):
            terms += term
            term *= cosine**2 * (2 * k - 1) / (2 * k)
        inside = sine * terms
    return max(0.0, 1 - inside)


def critical(alpha: float, freedom: int) -> float:
    """The t with P(|T| > t) = alpha, by bisection to the last bit that counts."""
    low, high = 0.0, 1.0
    while two_sided(high, freedom) > alpha:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, freedom) > alpha else (low, middle)
    return high
