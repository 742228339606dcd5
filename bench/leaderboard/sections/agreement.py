"""Does better imputation give better predictions? Rank correlation over imputers, fuser by fuser, and the exceptions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np

from bench import seeds
from bench.leaderboard.board import Agreement, Contrary, Difference, Imputation, Row, Table
from bench.leaderboard.sections.imputation import imputer_of, signed
from bench.results.records import Comparison, Method, Statistics

EXACT = 8
"""Up to so many imputers all their permutations are gone through; beyond, so many random ones are drawn:"""
PERMUTATIONS = 20_000


def agreements(
    tables: Sequence[Table], imputation: Sequence[Imputation], statistics: Statistics | None
) -> list[Agreement]:
    """One per table with scores on hidden entries and fuser, in the order of the tables; eligible rows only.

    None where all hidden entries lie in modalities that are absent to fusers: predictions cannot depend on those errors.
    """
    scored = {(table.modalities, table.scenario): table for table in imputation}
    made = []
    for table in tables:
        hidden = scored.get((table.modalities, table.scenario))
        if hidden is None or hidden.absent == 1:
            continue
        errors = {row.imputer: row.scores["all"]["mae"].mean for row in hidden.rows if row.eligible}
        for fuser in dict.fromkeys(row.fuser for row in table.rows):
            rows = {
                row.imputer: row for row in table.rows if row.fuser == fuser and row.eligible and row.imputer in errors
            }
            made.append(_agreement(table, fuser, rows, errors, statistics))
    return made


def _agreement(
    table: Table, fuser: str, rows: dict[str, Row], errors: dict[str, float], statistics: Statistics | None
) -> Agreement:
    sign = 1 if table.higher[table.primary] else -1
    scores = {name: row.scores[table.primary].mean for name, row in rows.items()}
    rho, p, exact = spearman([-errors[name] for name in scores], [sign * value for value in scores.values()])
    return Agreement(
        task=table.task,
        modalities=table.modalities,
        scenario=table.scenario,
        fuser=fuser,
        metric=table.primary,
        imputers=len(rows),
        rho=rho,
        p=p,
        exact=exact,
        contrary=_contrary(table, fuser, scores, sign, statistics),
    )


def _contrary(
    table: Table, fuser: str, scores: dict[str, float], sign: int, statistics: Statistics | None
) -> list[Contrary] | None:
    """Pairs of which the significantly better imputer predicts worse, those whose interval says so surely first."""
    place = table.modalities, table.scenario
    if statistics is None or not any((t.modalities, t.scenario) == place for t in statistics.imputation.tables):
        return None
    better = {frozenset((c.a, c.b)): c for c in statistics.imputation.comparisons if c.p_holm < statistics.alpha}
    tasks = {frozenset((c.a, c.b)): c for c in statistics.comparisons if c.metric == table.primary}
    found = []
    for first, second in itertools.permutations(scores, 2):
        pair = imputer_of(*place, first), imputer_of(*place, second)
        compared = better.get(frozenset(pair))
        if compared is None or (mae := _seen(compared, pair[0])).mean >= 0:
            continue
        difference = scores[first] - scores[second]
        if sign * difference >= 0:
            continue
        methods = [Method(table.task, *place, name, fuser) for name in (first, second)]
        on_task = tasks.get(frozenset(methods))
        score = _seen(on_task, methods[0]) if on_task else None
        apart = score is not None and (score.high < 0 or score.low > 0)
        found.append(Contrary(first=first, second=second, mae=mae, score=score, difference=difference, apart=apart))
    return sorted(found, key=lambda c: (not c.apart, -abs(c.difference), c.first, c.second))


def _seen(comparison: Comparison, first: Method) -> Difference:
    """A comparison as first minus the other."""
    return signed(1 if comparison.a == first else -1, comparison.difference, comparison.low, comparison.high)


def spearman(one: Sequence[float], two: Sequence[float]) -> tuple[float | None, float | None, bool]:
    """Spearman's rank correlation (equal values share their mean rank), its two-sided permutation p-value, and whether
    all permutations were gone through. None with fewer than three values, or where all values of a side are equal.

    The p-value of random permutations counts one more above and below the line, so it is never 0.
    """
    n = len(one)
    a, b = _ranks(one), _ranks(two)
    scale = float(np.sqrt((a @ a) * (b @ b)))
    if n < 3 or scale == 0:
        return None, None, True
    drawn = b[_permutations(n)] @ a / scale
    rho = float(a @ b) / scale
    extreme = int((np.abs(drawn) >= abs(rho) - 1e-12).sum())
    exact = n <= EXACT
    return rho, extreme / len(drawn) if exact else (extreme + 1) / (len(drawn) + 1), exact


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Mean ranks, centred at 0: float64 [n]."""
    known = np.asarray(values, np.float64)
    ranks = (known[:, None] > known).sum(axis=1) + ((known[:, None] == known).sum(axis=1) - 1) / 2
    return ranks - ranks.mean() if len(ranks) else ranks


@cache
def _permutations(n: int) -> np.ndarray:
    """All permutations of n places, or the same random ones for every caller: int [permutations, n]."""
    if n <= EXACT:
        return np.array(list(itertools.permutations(range(n))))
    rng = seeds.generator(0, "permutations", n)
    return rng.permuted(np.tile(np.arange(n), (PERMUTATIONS, 1)), axis=1)
