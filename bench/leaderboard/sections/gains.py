"""What more modalities add: the stored comparisons of one method on two modality sets, as tables of the board."""

from __future__ import annotations

from collections.abc import Sequence

from bench.leaderboard.board import Gain, Gains, Table
from bench.results.records import Statistics


def gain_tables(statistics: Statistics | None, tables: Sequence[Table]) -> list[Gains]:
    """One per (task, scenario) with stored gains, in the order of the tables. Both methods must be eligible rows."""
    if statistics is None:
        return []
    made = []
    for task, scenario in dict.fromkeys((table.task, table.scenario) for table in tables):
        inside = [table for table in tables if (table.task, table.scenario) == (task, scenario)]
        primary, higher = inside[0].primary, inside[0].higher[inside[0].primary]
        complete = {(t.modalities, row.imputer, row.fuser) for t in inside for row in t.rows if row.eligible}
        rows = []
        for c in statistics.gains:
            ends = [(m.modalities, m.imputer, m.fuser) for m in (c.a, c.b)]
            if (c.a.task, c.a.scenario, c.metric) != (task, scenario, primary) or not set(ends) <= complete:
                continue
            rise, fall = c.low > 0, c.high < 0
            rows.append(
                Gain(
                    smaller=c.b.modalities,
                    larger=c.a.modalities,
                    imputer=c.a.imputer,
                    fuser=c.a.fuser,
                    difference=c.difference,
                    low=c.low,
                    high=c.high,
                    p_holm=c.p_holm,
                    better=rise if higher else fall,
                    worse=fall if higher else rise,
                )
            )
        if rows:
            best = {
                t.modalities: (t.rows[0].name, t.rows[0].scores[primary].mean) for t in inside if t.rows[0].eligible
            }
            made.append(
                Gains(
                    task=task,
                    scenario=scenario,
                    metric=primary,
                    higher=higher,
                    alpha=statistics.alpha,
                    best=best,
                    rows=rows,
                )
            )
    return made
