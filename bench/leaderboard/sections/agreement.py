"""Does better imputation give better predictions? Rank correlation over imputers, fuser by
fuser, and the exceptions.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache

import msgspec
import numpy as np

from bench import seeds
from bench.leaderboard.blocks import Block, Cell, Heading, Missing, Notes, Number, Paragraph, Table
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import Difference, Row
from bench.leaderboard.sections import imputation, tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import columns, metric
from bench.results.coordinates import TableKey, method_in, table_of
from bench.results.records import Statistics

EXACT = 8
"""Up to so many imputers all their permutations are gone through; beyond, so many random ones
are drawn:
"""
PERMUTATIONS = 20_000

LISTED = 12
"""Pairs of imputers spelt out per page; the JSON file holds all."""


class Contrary(msgspec.Struct, kw_only=True):
    """Two imputers of which the first has significantly lower MAE on hidden entries but the worse
    score of the task.

    mae, score: first minus second, paired; score is None where the two were not compared on the
    task. apart: whether the interval of the score excludes 0.
    """

    first: str
    second: str
    mae: Difference
    score: Difference | None
    difference: float
    apart: bool


class Agreement(TableKey, kw_only=True, frozen=True):
    """Whether imputers with lower MAE lead to better predictions, for one fuser in one table.

    - rho: Spearman's rank correlation over imputers, signed so that 1 means the better imputation
      always predicts better. None with fewer than three imputers or where one side does not differ.
    - p: two-sided permutation p-value, exact or of random permutations.
    - contrary: the pairs for which it does not hold; None where imputers were not compared.
    """

    fuser: str
    metric: str
    imputers: int
    rho: float | None
    p: float | None
    exact: bool
    contrary: list[Contrary] | None


def aggregate(board: Board) -> list[Agreement]:
    """One per table with scores on hidden entries and fuser, in the order of the tables; eligible
    rows only.

    None where all hidden entries lie in modalities that are absent to fusers: predictions cannot
    depend on those errors.
    """
    scored = {table_of(table): table for table in board[imputation.SECTION]}
    agreements = []
    for table in board[tables.SECTION]:
        hidden = scored.get(_imputations(table))
        if hidden is None or hidden.absent == 1:
            continue
        errors = {row.imputer: row.scores["all"]["mae"].mean for row in hidden.rows if row.eligible}
        eligible = [row for row in table.rows if row.eligible and row.imputer in errors]
        for fuser in dict.fromkeys(row.fuser for row in table.rows):
            rows = {row.imputer: row for row in eligible if row.fuser == fuser}
            agreements.append(_agreement(table, fuser, rows, errors, board.export.statistics))
    return agreements


def _imputations(table: TableKey) -> TableKey:
    """The table of the imputations that a table of predictions was made with."""
    return msgspec.structs.replace(table_of(table), task="")


def _agreement(
    table: TaskTable,
    fuser: str,
    rows: Mapping[str, Row],
    errors: Mapping[str, float],
    statistics: Statistics | None,
) -> Agreement:
    sign = 1 if table.primary_higher else -1
    scores = {name: row.scores[table.primary].mean for name, row in rows.items()}
    rho, p, exact = spearman([-errors[name] for name in scores], [sign * value for value in scores.values()])
    return Agreement(
        **msgspec.structs.asdict(table_of(table)),
        fuser=fuser,
        metric=table.primary,
        imputers=len(rows),
        rho=rho,
        p=p,
        exact=exact,
        contrary=_contrary(table, fuser, scores, sign, statistics),
    )


def _contrary(
    table: TaskTable, fuser: str, scores: Mapping[str, float], sign: int, statistics: Statistics | None
) -> list[Contrary] | None:
    """Pairs of which the significantly better imputer predicts worse, those whose interval says
    so surely first.
    """
    key = _imputations(table)
    if statistics is None or not any(table_of(t) == key for t in statistics.imputation.tables):
        return None
    better = {frozenset((c.a, c.b)): c for c in statistics.imputation.comparisons if c.p_adjusted < statistics.alpha}
    tasks = {frozenset((c.a, c.b)): c for c in statistics.comparisons if c.metric == table.primary}
    contrary = []
    for first, second in itertools.permutations(scores, 2):
        pair = method_in(key, first), method_in(key, second)
        compared = better.get(frozenset(pair))
        if compared is None or (mae := Difference.of(compared, pair[0])).mean >= 0:
            continue
        difference = scores[first] - scores[second]
        if sign * difference >= 0:
            continue
        methods = [method_in(table, name, fuser) for name in (first, second)]
        on_task = tasks.get(frozenset(methods))
        score = Difference.of(on_task, methods[0]) if on_task else None
        apart = score is not None and (score.high < 0 or score.low > 0)
        contrary.append(Contrary(first=first, second=second, mae=mae, score=score, difference=difference, apart=apart))
    return sorted(contrary, key=lambda c: (not c.apart, -abs(c.difference), c.first, c.second))


def spearman(one: Sequence[float], two: Sequence[float]) -> tuple[float | None, float | None, bool]:
    """Spearman's rank correlation (equal values share their mean rank), its two-sided permutation
    p-value, and whether all permutations were gone through. None with fewer than three values, or
    where all values of a side are equal.

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
    ranks: np.ndarray = (known[:, None] > known).sum(axis=1) + ((known[:, None] == known).sum(axis=1) - 1) / 2
    return ranks - ranks.mean() if len(ranks) else ranks


@cache
def _permutations(n: int) -> np.ndarray:
    """All permutations of n places, or the same random ones for every caller: int [permutations,
    n].
    """
    if n <= EXACT:
        return np.array(list(itertools.permutations(range(n))))
    rng = seeds.generator(0, "permutations", n)
    return rng.permuted(np.tile(np.arange(n), (PERMUTATIONS, 1)), axis=1)


def blocks(board: Board) -> list[Block]:
    """The question users have: is the better imputation worth anything to the task?"""
    agreements, hidden = board[SECTION], board[imputation.SECTION]
    unread = [table.title for table in hidden if table.absent == 1]
    if not agreements and not unread:
        return []
    about = (
        "Spearman's rank correlation, over imputers with the same fuser, between MAE on hidden entries and the task's primary "
        "score. Its sign: +1 means the better imputation always predicts better. p: by permutation, two-sided; with few "
        "imputers it cannot be small."
    )
    names = TableKey.__struct_fields__
    header = columns(*names, "fuser", "score", "imputers", "rank correlation", "p", "contrary pairs")
    body: list[list[Cell]] = [
        [
            *(getattr(each, name) for name in names),
            each.fuser,
            metric(each.metric),
            each.imputers,
            None if each.rho is None else Number(each.rho, "+z.2f"),
            _p(each),
            Missing("not compared") if each.contrary is None else len(each.contrary),
        ]
        for each in agreements
    ]
    pairs = [(each, contrary) for each in agreements for contrary in each.contrary or []]
    pairs.sort(key=lambda pair: not pair[1].apart)
    notes = [_contrary_note(each, contrary) for each, contrary in pairs[:LISTED]]
    if len(pairs) > LISTED:
        notes.append(f"{len(pairs) - LISTED} more pairs stand in the JSON file.")
    scored = {table_of(table) for table in hidden}
    silent = dict.fromkeys(key.title for t in board[tables.SECTION] if (key := _imputations(t)) not in scored)
    if silent:
        notes.append(f"No imputation error where nothing was hidden: {', '.join(silent)}.")
    if unread:
        notes.append(f"Left out, since no fuser reads what was imputed for hidden entries: {', '.join(unread)}.")
    parts: list[Block] = [Heading(2, "Does better imputation predict better?"), Paragraph(about)]
    parts += [Table(header, body)] if body else []
    return [*parts, Notes(notes)] if notes else parts


def _p(agreement: Agreement) -> Cell:
    if agreement.p is None:
        return Missing("fewer than 3 imputers" if agreement.imputers < 3 else "no difference")
    return Number(agreement.p, ".3g", unit="" if agreement.exact else " (random permutations)")


def _contrary_note(each: Agreement, pair: Contrary) -> str:
    """A pair for which it does not hold, and how sure that is."""
    start = (
        f"{each.title}, {each.fuser}: {pair.first} imputes better than {pair.second} (MAE {pair.mae.words}) but predicts worse: "
        f"{metric(each.metric)} "
    )
    if pair.score is None:
        return f"{start}{pair.difference:+z.4f}, not compared."
    sure = "the interval excludes 0" if pair.apart else "the interval includes 0"
    return f"{start}{pair.score.words}; {sure}."


SECTION = Section("agreements", aggregate, blocks)
