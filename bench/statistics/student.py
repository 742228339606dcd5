"""Student's t distribution, in the part of SciPy that holds it: that alone is imported, and only when it is needed."""

from __future__ import annotations


def critical(level: float, freedom: int) -> float:
    """The t with P(|T| > t) = level, for that many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - level / 2))
