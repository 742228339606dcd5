"""How much is the imputer worth, how much the fuser? A two-way decomposition of the scores of one
table.

On a complete block of imputers x fusers, each with every seed, the mean score over seeds is taken
apart exactly into

    score = mean + imputer + fuser + interaction

where the effects of each factor sum to 0 (Fisher's two-way layout, one value per cell; Montgomery,
Design and Analysis of Experiments, chapter 5). Rows with holes are never filled: the largest
complete block is used, and what is not in it is named. A row that failed an audit is a hole.

Noise. Where the comparisons of a table are stored, the variance of any contrast follows from them
exactly. For weights w that sum to 0, Var(sum w y) = -1/2 sum w_m w_n SE_mn^2. SE_mn is the stored
standard error of the difference of two methods (a paired bootstrap over patients and seeds). All
effects are such contrasts. Where none are stored, the noise is that of the seeds alone, from the
scores of single seeds, with Student's t of (seeds - 1) degrees of freedom. Intervals of effects are
quantiles of that distribution, intervals of shares of draws from it; with one seed and no
comparisons there are none.

Shares. A factor's sum of squares grows with noise, by the trace of the noise inside the factor's
own space. That is taken off (method of moments, as variance components are estimated; at least 0),
and what is left is shown as shares of their sum. Draws around the estimate carry the noise twice
and lose it twice. Where noise alone would make all methods together differ as much with a
probability of alpha or more, there is nothing to share out. Shares speak of these levels only: a
very bad imputer, of no use in practice, makes the imputer look important. So controls are shown in
a block and left out of a second one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec.structs import astuple

from bench import seeds
from bench.results.coordinates import Method, table_of
from bench.results.records import Comparison
from bench.statistics.student import critical

DRAWS = 1000
DIGITS = 6
"""Of what is stored; linear algebra may differ in the last bits from machine to machine."""

CANDIDATES = 512
"""So many sets of imputers are tried for the largest complete block; more only where holes have
no pattern at all.
"""

FACTORS = ("imputer", "fuser", "interaction")


class Share(msgspec.Struct, frozen=True):
    """The share of one factor in what differs between methods, 0 to 1, what noise alone would give
    taken off.

    p: how often noise alone would differ as much. None where the noise is not known.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


class Effect(NamedTuple):
    """The mean over the other factor minus the mean of all, with its interval; None where the
    noise is not known.
    """

    effect: float
    low: float | None = None
    high: float | None = None


class TwoWay(msgspec.Struct, kw_only=True):
    """Scores taken apart: score = mean + imputer + fuser + interaction.

    - interaction: float [imputers][fusers].
    - interaction_low, interaction_high: its intervals, empty where noise is not known.
    - shares: of `FACTORS`; they sum to 1; empty where nothing differs beyond noise.
    - noise: what the intervals are about: `PATIENTS_AND_SEEDS`, `PATIENTS`, "seeds" or "".
    """

    mean: float
    imputers: list[Effect]
    fusers: list[Effect]
    interaction: list[list[float]]
    interaction_low: list[list[float]]
    interaction_high: list[list[float]]
    shares: dict[str, Share]
    noise: str


Pair = tuple[str, str]
Axes = tuple[tuple[str, ...], tuple[str, ...]]


def complete_block(pairs: Iterable[Pair]) -> Axes:
    """The imputers and fusers, each sorted, of the largest block without a hole; of equal ones that
    with more imputers.

    Every largest block has as its imputers what some fusers have in common, so the intersections of
    their sets are tried.
    """
    partners: dict[str, set[str]] = {}
    for imputer, fuser in pairs:
        partners.setdefault(fuser, set()).add(imputer)
    kinds = sorted({frozenset(names) for names in partners.values()}, key=lambda kind: (-len(kind), sorted(kind)))
    candidates: set[frozenset[str]] = set()
    for kind in kinds:
        candidates |= {kind, *(kind & other for other in candidates)}
        if len(candidates) > CANDIDATES:
            candidates = set(sorted(candidates, key=lambda c: (-len(c), sorted(c)))[:CANDIDATES])
    best: Axes = (), ()
    for imputers in sorted(candidates, key=lambda c: (-len(c), sorted(c))):
        fusers = sorted(fuser for fuser, names in partners.items() if imputers <= names)
        # A block that lacks one of the two factors explains nothing, however large it is.
        if _size(len(imputers), len(fusers)) > _size(len(best[0]), len(best[1])):
            best = tuple(sorted(imputers)), tuple(fusers)
    return best


def _size(imputers: int, fusers: int) -> tuple[bool, int]:
    return min(imputers, fusers) > 1, imputers * fusers


def take_apart(
    scores: Sequence[Sequence[Sequence[float]]], methods: Sequence[Method], stored: Sequence[Comparison], alpha: float
) -> TwoWay:
    """scores: float [imputers][fusers][seeds], no NaN. methods: their rows, fuser by fuser, imputer
    by imputer, of one table.
    stored: comparisons of that table, if any. alpha: of the intervals.
    """
    values = np.array(scores).transpose(2, 0, 1)  # seeds x imputers x fusers
    mean = values.mean(axis=0)
    root, noise = _noise(values, methods, stored)
    freedom = len(values) - 1 if noise == "seeds" else None
    parts = decompose(mean)
    half = [_width(alpha, freedom) * np.sqrt((part**2).sum(axis=0)) for part in decompose(root)] if noise else None

    def effects(axis: int) -> list[Effect]:
        effect = parts[axis].ravel()
        if half is None:
            return [Effect(_round(value)) for value in effect]
        width = half[axis].ravel()
        return [Effect(_round(e), _round(e - w), _round(e + w)) for e, w in zip(effect, width, strict=True)]

    table = astuple(table_of(methods[0]))
    names = [*dict.fromkeys(m.imputer for m in methods), *dict.fromkeys(m.fuser for m in methods)]
    rng = seeds.generator(0, "bootstrap", "attribution", *table, *names)
    return TwoWay(
        mean=_round(float(mean.mean())),
        imputers=effects(0),
        fusers=effects(1),
        interaction=_table(parts[2]),
        interaction_low=_table(parts[2] - half[2]) if half else [],
        interaction_high=_table(parts[2] + half[2]) if half else [],
        shares=_shares(mean, root, _drawn(rng, len(root), freedom) if noise else None, alpha),
        noise=noise,
    )


def decompose(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects of imputers, of fusers and of both together, of values [..., imputers, fusers]: each
    as wide as it must be to be added: [..., imputers, 1], [..., 1, fusers], [..., imputers,
    fusers].
    """
    middle = values.mean(axis=(-2, -1), keepdims=True)
    imputers = values.mean(axis=-1, keepdims=True) - middle
    fusers = values.mean(axis=-2, keepdims=True) - middle
    return imputers, fusers, values - middle - imputers - fusers


PATIENTS, PATIENTS_AND_SEEDS = "patients", "patients and seeds"


def _noise(values: np.ndarray, methods: Sequence[Method], stored: Sequence[Comparison]) -> tuple[np.ndarray, str]:
    """A square root of the covariance of the scores about their common mean, and what it is about.
    The root is [k, imputers, fusers] with covariance = sum over k of outer products. It is about
    `PATIENTS_AND_SEEDS`, `PATIENTS` where one seed was run, "seeds" or "" (not known).
    """
    shape = values.shape[1:]
    place = {method: k for k, method in enumerate(methods)}
    squared = np.full((len(methods), len(methods)), np.nan)
    np.fill_diagonal(squared, 0.0)
    for c in stored:
        if c.a in place and c.b in place:
            squared[place[c.a], place[c.b]] = squared[place[c.b], place[c.a]] = c.standard_error**2
    if stored and not np.isnan(squared).any():
        centred = squared - squared.mean(axis=0) - squared.mean(axis=1, keepdims=True) + squared.mean()
        sizes, directions = np.linalg.eigh(-centred / 2)
        # The symmetric root does not depend on the sign or the choice of directions; rounding must
        # not become noise.
        sizes = np.where(sizes > 1e-10 * sizes.max(), np.maximum(sizes, 0.0), 0.0)
        return ((directions * np.sqrt(sizes)) @ directions.T).reshape(-1, *shape), PATIENTS_AND_SEEDS if len(
            values
        ) > 1 else PATIENTS
    if len(values) < 2:
        return np.zeros((1, *shape)), ""
    apart = values - values.mean(axis=0)
    apart = apart - apart.mean(axis=(1, 2), keepdims=True)
    return apart / np.sqrt(len(values) * (len(values) - 1)), "seeds"


def _width(alpha: float, freedom: int | None) -> float:
    """Half the width of an interval in standard errors: the quantile of the normal or of
    Student's t distribution.
    """
    return NormalDist().inv_cdf(1 - alpha / 2) if freedom is None else critical(alpha, freedom)


def _drawn(rng: np.random.Generator, size: int, freedom: int | None) -> np.ndarray:
    """Draws of the noise in units of its root, [DRAWS, size]: normal, or Student's t with that
    many degrees of freedom.
    """
    drawn = rng.standard_normal((DRAWS, size))
    return drawn if freedom is None else drawn * np.sqrt(freedom / rng.chisquare(freedom, DRAWS))[:, None]


def _shares(mean: np.ndarray, root: np.ndarray, drawn: np.ndarray | None, alpha: float) -> dict[str, Share]:
    """The mean stands first among the directions, the noise after it: a sum of squares of any
    draw is a small form.
    """
    directions = np.concatenate([mean[None], root])
    parts = [np.broadcast_to(part, directions.shape).reshape(len(directions), -1) for part in decompose(directions)]
    forms = [part @ part.T for part in parts]
    squares = np.array([form[0, 0] for form in forms])
    chance = np.array([form.trace() - form[0, 0] for form in forms])
    left = np.maximum(squares - chance, 0.0)
    if left.sum() <= 1e-12:  # in the square of a score's unit: the methods are the same
        return {}
    values = left / left.sum()
    if drawn is None:
        return {name: Share(_round(value, 4)) for name, value in zip(FACTORS, values, strict=True)}
    moved, alone = (np.insert(drawn, 0, start, axis=1) for start in (1.0, 0.0))
    around = np.stack([((moved @ form) * moved).sum(axis=1) for form in forms], axis=1)
    around = np.maximum(around - 2 * chance, 0.0)
    total = around.sum(axis=1)
    around = around[total > 0] / total[total > 0, None]
    low, high = np.quantile(around, [alpha / 2, 1 - alpha / 2], axis=0)
    noise = np.stack([((alone @ form) * alone).sum(axis=1) for form in forms], axis=1)
    p = ((noise >= squares).sum(axis=0) + 1) / (len(noise) + 1)
    if ((noise.sum(axis=1) >= squares.sum()).sum() + 1) / (len(noise) + 1) >= alpha:
        return {}
    return {
        name: Share(*(_round(value, 4) for value in (values[k], min(low[k], values[k]), max(high[k], values[k]), p[k])))
        for k, name in enumerate(FACTORS)
    }


def _round(value: float, digits: int = DIGITS) -> float:
    return round(float(value), digits) + 0.0


def _table(values: np.ndarray) -> list[list[float]]:
    return [[_round(value) for value in line] for line in values]
