"""How much is the imputer worth, how much the fuser? A two-way decomposition of the scores of one table.

On a complete block of imputers x fusers, each with every seed, the mean score over seeds is taken apart exactly into

    score = mean + imputer + fuser + interaction

where the effects of each factor sum to 0 (Fisher's two-way layout, one value per cell; Montgomery, Design and Analysis of
Experiments, chapter 5). Rows with holes are never filled: the largest complete block is used, and what is not in it is named.
A row that failed an audit is a hole.

Noise. Where the comparisons of a table are stored, the variance of any contrast follows from them exactly: for weights w
that sum to 0, Var(sum w y) = -1/2 sum w_m w_n SE_mn^2, with SE_mn the stored standard error of the difference of two
methods (a paired bootstrap over patients and seeds). All effects are such contrasts. Where none are stored, the noise
is that of the seeds alone, from the scores of single seeds, with Student's t of (seeds - 1) degrees of freedom. Intervals
of effects are quantiles of that distribution, intervals of shares of draws from it; with one seed and no comparisons there
are none.

Shares. A factor's sum of squares grows with noise, by the trace of the noise inside the factor's own space. That is taken
off (method of moments, as variance components are estimated; at least 0), and what is left is shown as shares of their
sum. Draws around the estimate carry the noise twice and lose it twice. Where noise alone would make all methods together
differ as much with a probability of alpha or more, there is nothing to share out. Shares speak of these levels only: an
imputer so bad that nobody would use it makes the imputer look important. So controls are shown in a block and left out of a
second one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist

import numpy as np

from bench import seeds
from bench.leaderboard.board import Row, Table
from bench.leaderboard.sections.grid import Attribution, Block, Level, Share
from bench.results.records import Comparison, Coordinates, Method, Record, Statistics
from bench.statistics.student import critical

DRAWS = 1000
DIGITS = 6
"""Of what is stored; linear algebra may differ in the last bits from machine to machine."""

ALPHA = 0.05
"""Of the intervals, where no comparisons are stored that say another."""

CANDIDATES = 512
"""So many sets of imputers are tried for the largest complete block; more only where holes have no pattern at all."""

FACTORS = ("imputer", "fuser", "interaction")

Cells = Mapping[Coordinates, Record | None]


def attributions(
    tables: Sequence[Table], cells: Sequence[Mapping[Method, Cells]], statistics: Statistics | None
) -> list[Attribution]:
    """One per table with two imputers and two fusers or more. cells: those of each table, method by method."""
    stored: dict[tuple[str, str, str, str], list[Comparison]] = {}
    for c in statistics.comparisons if statistics else []:
        stored.setdefault((c.a.task, c.a.modalities, c.a.scenario, c.metric), []).append(c)
    made = []
    for table, methods in zip(tables, cells, strict=True):
        imputers, fusers = ({getattr(row, kind) for row in table.rows} for kind in ("imputer", "fuser"))
        if len(imputers) > 1 and len(fusers) > 1:
            about = stored.get((table.task, table.modalities, table.scenario, table.primary), [])
            made.append(_attribution(table, methods, about if table.alpha else []))
    return made


def _attribution(table: Table, methods: Mapping[Method, Cells], stored: Sequence[Comparison]) -> Attribution:
    rows = {(row.imputer, row.fuser): row for row in table.rows}
    seeds = {
        (m.imputer, m.fuser): tuple(sorted(at.seed for at, record in cells.items() if record))
        for m, cells in methods.items()
    }
    whole = {at for at, row in rows.items() if row.eligible}
    common = max(sorted(seeds[at] for at in whole), key=[seeds[at] for at in whole].count, default=())
    whole = {
        at for at in whole if seeds[at] == common
    }  # a file may hold rows of other seeds, which have no common mean
    chosen = [complete_block(whole), complete_block({at for at in whole if not rows[at].control})]
    usable = [each for each in dict.fromkeys(chosen) if min(map(len, each)) > 1]
    scores = {
        (m.imputer, m.fuser): [
            record.scores[table.primary] for _, record in sorted(cells.items(), key=_seed) if record is not None
        ]
        for m, cells in methods.items()
        if (m.imputer, m.fuser) in whole
    }
    place = table.task, table.modalities, table.scenario
    alpha = table.alpha or ALPHA
    return Attribution(
        task=table.task,
        modalities=table.modalities,
        scenario=table.scenario,
        metric=table.primary,
        higher=table.higher[table.primary],
        alpha=alpha,
        blocks=[_block(each, rows, scores, place, stored, alpha) for each in usable],
        note=""
        if usable
        else "no two imputers have all their seeds with the same two fusers, so their effects cannot be told apart",
    )


def _seed(item: tuple[Coordinates, Record | None]) -> int:
    return item[0].seed


Pair = tuple[str, str]
Axes = tuple[tuple[str, ...], tuple[str, ...]]


def complete_block(pairs: Iterable[Pair]) -> Axes:
    """The imputers and fusers, each sorted, of the largest block without a hole; of equal ones that with more imputers.

    Every largest block has as its imputers what some fusers have in common, so the intersections of their sets are tried.
    """
    partners: dict[str, set[str]] = {}
    for imputer, fuser in pairs:
        partners.setdefault(fuser, set()).add(imputer)
    kinds = sorted({frozenset(found) for found in partners.values()}, key=lambda kind: (-len(kind), sorted(kind)))
    candidates: set[frozenset[str]] = set()
    for kind in kinds:
        candidates |= {kind, *(kind & other for other in candidates)}
        if len(candidates) > CANDIDATES:
            candidates = set(sorted(candidates, key=lambda c: (-len(c), sorted(c)))[:CANDIDATES])
    best: Axes = (), ()
    for imputers in sorted(candidates, key=lambda c: (-len(c), sorted(c))):
        fusers = sorted(fuser for fuser, found in partners.items() if imputers <= found)
        # A block that lacks one of the two factors explains nothing, however large it is.
        if _size(len(imputers), len(fusers)) > _size(len(best[0]), len(best[1])):
            best = tuple(sorted(imputers)), tuple(fusers)
    return best


def _size(imputers: int, fusers: int) -> tuple[bool, int]:
    return min(imputers, fusers) > 1, imputers * fusers


def _block(
    axes: Axes,
    rows: Mapping[Pair, Row],
    scores: Mapping[Pair, Sequence[float]],
    place: tuple[str, str, str],
    stored: Sequence[Comparison],
    alpha: float,
) -> Block:
    imputers, fusers = axes
    # seeds x imputers x fusers
    values = np.stack([[scores[i, f] for f in fusers] for i in imputers]).transpose(2, 0, 1)
    mean = values.mean(axis=0)
    root, noise = _noise(values, [Method(*place, i, f) for i in imputers for f in fusers], stored)
    freedom = len(values) - 1 if noise == "seeds" else None
    parts = decompose(mean)
    half = [_width(alpha, freedom) * np.sqrt((part**2).sum(axis=0)) for part in decompose(root)] if noise else None

    def level(axis: int, place: int, name: str) -> Level:
        effect = parts[axis].flat[place]
        control = any(getattr(rows[at], f"control_{FACTORS[axis]}") for at in rows if at[axis] == name)
        if half is None:
            return Level(name, control, _round(effect))
        low, high = effect - half[axis].flat[place], effect + half[axis].flat[place]
        return Level(name, control, _round(effect), _round(low), _round(high))

    inside = {(i, f) for i in imputers for f in fusers}
    rng = seeds.generator(0, "bootstrap", "attribution", *place, *imputers, *fusers)
    return Block(
        controls=any(rows[at].control for at in inside),
        mean=_round(float(mean.mean())),
        imputers=[level(0, k, name) for k, name in enumerate(imputers)],
        fusers=[level(1, k, name) for k, name in enumerate(fusers)],
        interaction=_table(parts[2]),
        interaction_low=_table(parts[2] - half[2]) if half else [],
        interaction_high=_table(parts[2] + half[2]) if half else [],
        shares=_shares(mean, root, _drawn(rng, len(root), freedom) if noise else None, alpha),
        noise=noise,
        left_out=sorted(rows[at].name for at in rows if at not in inside),
    )


def decompose(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects of imputers, of fusers and of both together, of values [..., imputers, fusers]: each as wide as it must be
    to be added: [..., imputers, 1], [..., 1, fusers], [..., imputers, fusers]."""
    middle = values.mean(axis=(-2, -1), keepdims=True)
    imputers = values.mean(axis=-1, keepdims=True) - middle
    fusers = values.mean(axis=-2, keepdims=True) - middle
    return imputers, fusers, values - middle - imputers - fusers


PATIENTS, PATIENTS_AND_SEEDS = "patients", "patients and seeds"


def _noise(values: np.ndarray, methods: list[Method], stored: Sequence[Comparison]) -> tuple[np.ndarray, str]:
    """A square root of the covariance of the scores about their common mean, [k, imputers, fusers] with
    covariance = sum over k of outer products, and what it is about: `PATIENTS_AND_SEEDS`, `PATIENTS` where one seed was run,
    "seeds" or "" (not known)."""
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
        # The symmetric root does not depend on the sign or the choice of directions; rounding must not become noise.
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
    """Half the width of an interval in standard errors: the quantile of the normal or of Student's t distribution."""
    return NormalDist().inv_cdf(1 - alpha / 2) if freedom is None else critical(alpha, freedom)


def _drawn(rng: np.random.Generator, size: int, freedom: int | None) -> np.ndarray:
    """Draws of the noise in units of its root, [DRAWS, size]: normal, or Student's t with that many degrees of freedom."""
    drawn = rng.standard_normal((DRAWS, size))
    return drawn if freedom is None else drawn * np.sqrt(freedom / rng.chisquare(freedom, DRAWS))[:, None]


def _shares(mean: np.ndarray, root: np.ndarray, drawn: np.ndarray | None, alpha: float) -> dict[str, Share]:
    """The mean stands first among the directions, the noise after it: a sum of squares of any draw is a small form."""
    directions = np.concatenate([mean[None], root])
    parts = [np.broadcast_to(part, directions.shape).reshape(len(directions), -1) for part in decompose(directions)]
    forms = [part @ part.T for part in parts]
    found = np.array([form[0, 0] for form in forms])
    chance = np.array([form.trace() - form[0, 0] for form in forms])
    left = np.maximum(found - chance, 0.0)
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
    p = ((noise >= found).sum(axis=0) + 1) / (len(noise) + 1)
    if ((noise.sum(axis=1) >= found.sum()).sum() + 1) / (len(noise) + 1) >= alpha:
        return {}
    return {
        name: Share(*(_round(value, 4) for value in (values[k], min(low[k], values[k]), max(high[k], values[k]), p[k])))
        for k, name in enumerate(FACTORS)
    }


def _round(value: float, digits: int = DIGITS) -> float:
    return round(float(value), digits) + 0.0


def _table(values: np.ndarray) -> list[list[float]]:
    return [[_round(value) for value in line] for line in values]
