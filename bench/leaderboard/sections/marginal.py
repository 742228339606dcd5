"""What each modality is worth: the same method with it and without it, wherever the suite ran both."""

from __future__ import annotations

import statistics as plain
from collections.abc import Sequence

from bench.leaderboard.board import Table
from bench.leaderboard.sections.grid import Marginal, MarginalRow
from bench.results.records import Comparison, Export, Method


def members(export: Export, name: str) -> frozenset[str]:
    """The modalities of a set. Exports made before it was stored: the parts of its name, as in `vitals+notes`."""
    return frozenset(export.modality_sets.get(name) or name.split("+"))


def marginals(export: Export, tables: Sequence[Table]) -> list[Marginal]:
    """One per task, scenario and pair of modality sets of which one has one modality more; methods eligible on both.

    A modality that no record of the data has is worth nothing that could be measured, and is left out.
    """
    stored = {(c.a, c.b): c for c in (export.statistics.gains if export.statistics else [])}
    sets = {table.modalities: members(export, table.modalities) for table in tables}
    places: dict[tuple[str, str], list[Table]] = {}
    for table in tables:
        places.setdefault((table.task, table.scenario), []).append(table)
    pairs = [
        (modality, smaller, larger)
        for smaller, few in sets.items()
        for larger, many in sets.items()
        if few < many and len(many - few) == 1
        for modality in many - few
    ]
    made = []
    for inside in places.values():
        found = {table.modalities: table for table in inside}
        for modality, smaller, larger in sorted(pairs):
            if smaller in found and larger in found and not _lacks(found[larger], modality):
                made += _marginal(modality, found[smaller], found[larger], stored)
    return made


def _lacks(table: Table, modality: str) -> bool:
    return any(modality in row.nobody for row in table.rows)


def _marginal(
    modality: str, smaller: Table, larger: Table, stored: dict[tuple[Method, Method], Comparison]
) -> list[Marginal]:
    metric, higher = larger.primary, larger.higher[larger.primary]
    before = {(row.imputer, row.fuser): row for row in smaller.rows if row.eligible}
    rows = []
    for row in larger.rows:
        other = before.get((row.imputer, row.fuser))
        if other is None or not row.eligible or other.seeds_ok != row.seeds_ok:
            continue
        a, b = (
            Method(table.task, table.modalities, table.scenario, row.imputer, row.fuser) for table in (larger, smaller)
        )
        low = high = None
        if (a, b) in stored:
            low, high = stored[a, b].low, stored[a, b].high
        elif (b, a) in stored:
            low, high = -stored[b, a].high, -stored[b, a].low
        difference = row.scores[metric].mean - other.scores[metric].mean
        rows.append(MarginalRow(row.imputer, row.fuser, difference, low, high))
    if not rows:
        return []
    sign = 1 if higher else -1
    differences = [row.difference for row in rows]
    sure = [(row.low, row.high) for row in rows if row.low is not None and row.high is not None]
    rises, falls = sum(low > 0 for low, _ in sure), sum(high < 0 for _, high in sure)
    return [
        Marginal(
            task=larger.task,
            scenario=larger.scenario,
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
            surely_better=(rises if higher else falls) if sure else None,
            surely_worse=(falls if higher else rises) if sure else None,
            rows=rows,
        )
    ]
