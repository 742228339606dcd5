"""What each modality is worth: the same method with it and without it, for all sets where the suite
ran both.
"""

from __future__ import annotations

import statistics as plain
from collections.abc import Mapping

import msgspec

from bench.leaderboard.blocks import Block, Cell, Heading, Interval, Number, Paragraph, Table
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import Difference, sure
from bench.leaderboard.sections import head, tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import columns, directed, modality_set
from bench.results.coordinates import Method, TableKey, across_sets, method_in
from bench.results.records import Comparison, Export


class MarginalRow(msgspec.Struct, frozen=True):
    """What one method gains from one modality; low, high: the stored interval, where there is
    one.
    """

    imputer: str
    fuser: str
    difference: float
    low: float | None = None
    high: float | None = None


class Marginal(TableKey, kw_only=True, frozen=True):
    """What a modality adds to a modality set: score with it minus score without it, method by
    method.

    mean, least, most: over the methods. better, worse: how many gain and lose; surely_better,
    surely_worse: those whose interval excludes 0, None where no intervals are stored.
    """

    metric: str
    higher: bool
    modality: str
    without: str
    with_it: str
    mean: float
    least: float
    most: float
    better: int
    worse: int
    surely_better: int | None
    surely_worse: int | None
    rows: list[MarginalRow]


def members(export: Export, name: str) -> frozenset[str]:
    """The modalities of a set. Exports made before it was stored: the parts of its name, as in
    `vitals+notes`.
    """
    return frozenset(export.modality_sets.get(name) or name.split("+"))


def aggregate(board: Board) -> list[Marginal]:
    """One per table, whatever its modality set, and pair of sets of which one has one modality
    more; methods eligible on both.

    A modality that no record of the data has is worth nothing that could be measured, and is left
    out.
    """
    export = board.export
    stored = {frozenset((c.a, c.b)): c for c in (export.statistics.gains if export.statistics else [])}
    sets = {table.modalities: members(export, table.modalities) for table in board[tables.SECTION]}
    by_table: dict[TableKey, dict[str, TaskTable]] = {}
    for table in board[tables.SECTION]:
        by_table.setdefault(across_sets(table), {})[table.modalities] = table
    pairs = sorted(
        (modality, smaller, larger)
        for smaller, few in sets.items()
        for larger, many in sets.items()
        if few < many and len(many - few) == 1
        for modality in many - few
    )
    marginals = []
    for inside in by_table.values():
        for modality, smaller, larger in pairs:
            if smaller not in inside or larger not in inside:
                continue
            if not any(modality in row.nobody for row in inside[larger].rows):
                marginals += _marginal(modality, inside[smaller], inside[larger], stored)
    return marginals


def _marginal(
    modality: str,
    smaller: TaskTable,
    larger: TaskTable,
    stored: Mapping[frozenset[Method], Comparison],
) -> list[Marginal]:
    metric, higher = larger.primary, larger.primary_higher
    before = smaller.eligible
    rows = []
    for pair, row in larger.eligible.items():
        other = before.get(pair)
        if other is None or other.seeds_ok != row.seeds_ok:
            continue
        a, b = (method_in(table, *pair) for table in (larger, smaller))
        comparison = stored.get(frozenset((a, b)))
        between = Difference.of(comparison, a) if comparison else None
        interval = (between.low, between.high) if between else ()
        rows.append(MarginalRow(*pair, row.scores[metric].mean - other.scores[metric].mean, *interval))
    if not rows:
        return []
    sign = 1 if higher else -1
    differences = [row.difference for row in rows]
    surely = [sure(row.low, row.high, higher) for row in rows if row.low is not None and row.high is not None]
    return [
        Marginal(
            **msgspec.structs.asdict(across_sets(larger)),
            metric=metric,
            higher=higher,
            modality=modality,
            without=smaller.modalities,
            with_it=larger.modalities,
            mean=plain.fmean(differences),
            least=min(differences),
            most=max(differences),
            better=sum(sign * d > 0 for d in differences),
            worse=sum(sign * d < 0 for d in differences),
            surely_better=sum(better for better, _ in surely) if surely else None,
            surely_worse=sum(worse for _, worse in surely) if surely else None,
            rows=rows,
        )
    ]


def blocks(board: Board) -> list[Block]:
    marginals, nobody = board[SECTION], board[head.SECTION].nobody
    if not marginals:
        return []
    about = (
        "Score with the modality minus score without it, the same imputer and fuser: the mean over methods, the least and the "
        "most, and how many gain and lose. In brackets: those whose paired interval excludes 0."
    )
    body: list[list[Cell]] = [
        [
            each.title,
            modality_set(each.modality, {name: [name] for name in nobody.get(each.with_it, ())}),
            each.without,
            directed(each.metric, each.higher),
            Number(each.mean, "+z.4f"),
            Interval(each.least, each.most, signed=True),
            len(each.rows),
            _sure(each.better, each.surely_better),
            _sure(each.worse, each.surely_worse),
        ]
        for each in marginals
    ]
    header = columns("task", "modality", "added to", "metric", "mean difference", "range", "methods", "gain", "lose")
    return [Heading(3, "What a modality is worth"), Paragraph(about), Table(header, body)]


def _sure(count: int, sure: int | None) -> str:
    return f"{count} ({'–' if sure is None else sure})"


SECTION = Section("marginals", aggregate, blocks, chapter="What the grid tells")
