"""Student's t distribution and that of variances, in the part of SciPy that holds them: that
alone is imported, when needed.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def critical(level: float, freedom: int) -> float:
    """The t with P(|T| > t) = level, for that many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - level / 2))


def wider(level: float, freedom: np.ndarray) -> np.ndarray:
    """How many times as wide as a normal interval one of Student's t is: float64 [quantities], 1
    where freedom is infinite.
    """
    import numpy as np
    from scipy.special import stdtrit

    known = np.isfinite(freedom)
    quantiles = stdtrit(np.where(known, freedom, 1.0), 1 - level / 2)
    return np.where(known, quantiles / NormalDist().inv_cdf(1 - level / 2), 1.0)


def as_normal(statistics: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """The normal deviate with the upper tail that Student's t has beyond each statistic: float64
    [quantities], none negative.

    statistics: float64 [quantities], not negative; infinite ones stay so. freedom: degrees of
                freedom; infinite ones are normal.
    """
    import numpy as np
    from scipy.special import ndtri, stdtr

    known = np.isfinite(freedom) & np.isfinite(statistics)
    tail = stdtr(np.where(known, freedom, 1.0), -np.where(known, statistics, 0.0))
    return np.where(known, np.maximum(0.0, -ndtri(tail)), statistics)


def median_variance(freedom: int) -> float:
    """The median of an estimated variance of normal values, as a share of the true one: that of
    chi square over its freedom.
    """
    from scipy.special import gammaincinv

    return float(gammaincinv(freedom / 2, 0.5) * 2 / freedom)
