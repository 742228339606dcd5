"""The latent state of the generated cohort, what it does to outcomes, and the best possible
predictions.

Latent state z of an admission: ten independent standard normal axes. The first eight show in the
bedside series, the last two (`HIDDEN`) only in reports, images and ECGs. With s(x) the logistic
function:

    P(death in hospital | z)      = s(a + w_death . z)
    log(days in ICU) | z, death   ~ Normal(m + w_days . z + d * death, s_days)
    P(phenotype j | z)            = s(a_j + w_j . z),  independent of all else given z

Everything else in the files depends on z alone (and on how these draws end a stay). So the closed
forms in z are the best that any method can predict: `outcome_oracle`, `phenotype_probability`.
The `visible` forms average over the hidden axes: the best that bedside series alone allow.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from scipy.optimize import root
from scipy.special import expit, ndtr

from bench_datasets.mimic4.generate.codes import PHENOTYPES

AXES = (
    "severity",
    "trend",
    "circulation",
    "lungs",
    "kidneys",
    "infection",
    "brain",
    "burden",
    "thorax",
    "heart",
)
HIDDEN = ("thorax", "heart")
VISIBLE = len(AXES) - len(HIDDEN)


def vector(loadings: Mapping[str, float]) -> np.ndarray:
    """Loadings by name as a vector over AXES: float64 [axis]. Raises ValueError for a name that
    is no axis.
    """
    result = np.zeros(len(AXES))
    for name, value in loadings.items():
        result[AXES.index(name)] = value
    return result


DEATH = vector(
    {
        "severity": 1.9,
        "trend": 1.2,
        "circulation": 0.6,
        "lungs": 0.5,
        "kidneys": 0.4,
        "infection": 0.4,
        "brain": 0.8,
        "burden": 0.45,
        "thorax": 1.75,
        "heart": 1.75,
    }
)
DAYS = vector(
    {
        "severity": 0.5,
        "trend": 0.25,
        "lungs": 0.5,
        "infection": 0.3,
        "brain": 0.3,
        "thorax": 0.45,
        "heart": 0.25,
    }
)
DAYS_DEATH = 0.1
WINDOW_DAYS, LONGER_DAYS, LATE_DAYS = 2.0, 3.0, 4.0
WANTED = np.array([35_129 / 73_173, 0.14, 0.40])
"""Shares a whole population must have: stays that reach 48 hours (mimic48 protocol, section 2);
among them deaths in hospital, and alive patients who leave by hour 96.
"""
_NODES = 16


@functools.cache
def _nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights that average a function over a standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(count)
    return points, weights / weights.sum()


def intercept(prevalence: float, loadings: np.ndarray) -> float:
    """The a for which s(a + loadings . z) is `prevalence` on average over z."""
    points, weights = _nodes(64)
    spread = points * np.sqrt((loadings**2).sum())
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(middle + spread) @ weights < prevalence else (low, middle)
    return (low + high) / 2


def outcome_shares(death_intercept: float, days_median: float, days_noise: float) -> np.ndarray:
    """The three shares of `WANTED` that these constants give, averaged over z by Gauss-Hermite:
    float64 [3].

    Outcomes see z through DEATH . z and DAYS . z alone, which are jointly normal. Exact for first
    admissions; that only survivors come back moves the shares by less than a thousandth.
    """
    points, weights = _nodes(48)
    spread = np.sqrt(DEATH @ DEATH)
    along = DEATH @ DAYS / spread
    across = np.sqrt(DAYS @ DAYS - along**2)
    death = expit(death_intercept + spread * points)[:, None]
    days = days_median + along * points[:, None] + across * points

    def longer(died: bool, limit: float) -> np.ndarray:
        return np.asarray(ndtr((days + DAYS_DEATH * died - np.log(limit)) / days_noise))

    died = death * longer(True, WINDOW_DAYS)
    alive = (1 - death) * longer(False, WINDOW_DAYS)
    early = alive - (1 - death) * longer(False, LATE_DAYS)
    reached, died, early = (weights @ share @ weights for share in (died + alive, died, early))
    return np.array([reached, died / reached, early / reached])


def _calibrated() -> tuple[float, float, float]:
    """Intercept of death, median and noise of log days for which a population has the shares of
    `WANTED`.

    Rounded, so that the last bits of a solver decide nothing.
    """

    def missed(constants: np.ndarray) -> np.ndarray:
        by: np.ndarray = outcome_shares(*constants) - WANTED
        return by

    solution = root(missed, (-4.8, 0.6, 0.75))
    death, median, noise = np.round(solution.x, 6).tolist()
    return death, median, noise


DEATH_INTERCEPT, DAYS_MEDIAN, DAYS_NOISE = _calibrated()
PHENOTYPE_LOADINGS = np.array([vector(p.loadings) for p in PHENOTYPES])
PHENOTYPE_INTERCEPTS = np.array([intercept(p.prevalence, vector(p.loadings)) for p in PHENOTYPES])


def death_probability(z: np.ndarray) -> np.ndarray:
    """P(death in hospital | z), before anything is known of the length of a stay. z: [..., axis]
    -> [...].
    """
    return np.asarray(expit(DEATH_INTERCEPT + z @ DEATH))


def phenotype_probability(z: np.ndarray) -> np.ndarray:
    """P(phenotype | z): [..., axis] -> [..., 25]."""
    return np.asarray(expit(PHENOTYPE_INTERCEPTS + z @ PHENOTYPE_LOADINGS.T))


def log_days(z: np.ndarray, died: np.ndarray | bool) -> np.ndarray:
    """Mean of log(days in ICU) given z and the outcome."""
    return np.asarray(DAYS_MEDIAN + z @ DAYS + DAYS_DEATH * np.asarray(died, float))


def _longer(z: np.ndarray, died: bool, days: float) -> np.ndarray:
    return np.asarray(ndtr((log_days(z, died) - np.log(days)) / DAYS_NOISE))


def _joint(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P(stay >= 48 h), P(stay >= 48 h and death), P(48 h <= stay < 96 h and no death), all given
    z.
    """
    death = death_probability(z)
    died = death * _longer(z, True, WINDOW_DAYS)
    alive = (1 - death) * _longer(z, False, WINDOW_DAYS)
    return died + alive, died, alive - (1 - death) * _longer(z, False, LATE_DAYS)


def outcome_oracle(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(48-IHM = 1) and P(LOS = 1) given z and that the stay reached 48 hours: [n, axis] -> [n],
    [n].
    """
    reached, died, early = _joint(z)
    return died / reached, early / reached


def length_oracle(z: np.ndarray) -> np.ndarray:
    """P(more than 3 days in the ICU) given z and that the stay reached 48 hours: [n, axis] ->
    [n].
    """
    death = death_probability(z)
    longer, reached = (
        death * _longer(z, True, days) + (1 - death) * _longer(z, False, days) for days in (LONGER_DAYS, WINDOW_DAYS)
    )
    return np.asarray(longer / reached)


def outcome_oracle_visible(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `outcome_oracle`, knowing only the visible axes: the hidden ones are averaged out by
    Gauss-Hermite.
    """
    points, weights = _nodes(_NODES)
    total = np.zeros((3, len(z)))
    filled = z.copy()
    for first, first_weight in zip(points, weights, strict=True):
        for second, second_weight in zip(points, weights, strict=True):
            filled[:, VISIBLE:] = first, second
            total += first_weight * second_weight * np.stack(_joint(filled))
    return total[1] / total[0], total[2] / total[0]


def phenotype_oracle_visible(z: np.ndarray) -> np.ndarray:
    """As `phenotype_probability`, knowing only the visible axes: [n, axis] -> [n, 25]."""
    points, weights = _nodes(_NODES)
    known = PHENOTYPE_INTERCEPTS + z[:, :VISIBLE] @ PHENOTYPE_LOADINGS[:, :VISIBLE].T
    spread = np.sqrt((PHENOTYPE_LOADINGS[:, VISIBLE:] ** 2).sum(axis=1))
    return np.asarray(
        sum(weight * expit(known + point * spread) for point, weight in zip(points, weights, strict=True))
    )
