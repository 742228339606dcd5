"""Pictures of one table: how its methods stand, and every imputer with every fuser."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures.looks import Looks, shortened
from bench.figures.shapes import Axis, Heat, ScoreRow, Scores, Square
from bench.leaderboard.blocks import Figure
from bench.leaderboard.rows import Row
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import directed, metric, percent

SHOWN = 20
"""Rows of the picture of scores, from the best; then the best row of each method below them."""

PALEST = 0.1
"""Share of the fields of a heat map that have the palest ground: one very bad score would make all
others dark.
"""


def figures(table: TaskTable, looks: Looks) -> list[Figure]:
    """Of rows that have a rank; a heat map where two imputers and two fusers have been run."""
    return [*scores_of(table, looks), *heat_of(table)]


def scores_of(table: TaskTable, looks: Looks, most: int = SHOWN) -> list[Figure]:
    ranked = list(table.eligible.values())
    if not ranked:
        return []
    alone = len({row.fuser for row in table.rows}) == 1
    shown = _chosen(ranked, most, alone)
    imputers, fusers = (shortened(getattr(row, kind) for row in table.rows) for kind in ("imputer", "fuser"))
    rows, before = [], -1
    for place in shown:
        row = ranked[place]
        score = row.scores[table.primary]
        low, high = row.interval or (None, None)
        rows.append(
            ScoreRow(
                name=imputers[row.imputer] if alone else f"{imputers[row.imputer]} + {fusers[row.fuser]}",
                score=score.mean,
                shown=f"{score.mean:.4f}",
                look=looks.of(*row.pair),
                low=low,
                high=high,
                control=row.control,
                band=None if row.tie_group is None else row.tie_group - 1,
                gap=place - before - 1,
            )
        )
        before = place
    about = f"{directed(table.primary, table.primary_higher)} of {table.title}, best first"
    best = [(table.oracle[table.primary], "best possible")] if table.primary in table.oracle else []
    picture = Scores(rows, Axis(directed(table.primary, table.primary_higher)), f"{about}.", best)
    return [Figure(picture, _caption(table, ranked, shown))]


def _chosen(ranked: Sequence[Row], most: int, alone: bool) -> list[int]:
    """The places that are drawn: the first ones, the best control, and the best row of each method
    that none of them has.
    """
    chosen = list(range(min(most, len(ranked))))

    def name(row: Row) -> str:
        return (row.imputer if alone else row.fuser).partition("(")[0]

    seen = {name(ranked[place]) for place in chosen}
    controlled = any(ranked[place].control for place in chosen)
    for place in range(len(chosen), len(ranked)):
        row = ranked[place]
        if name(row) not in seen or (row.control and not controlled):
            seen.add(name(row))
            controlled |= row.control
            chosen.append(place)
    return chosen


def _caption(table: TaskTable, ranked: Sequence[Row], shown: Sequence[int]) -> str:
    parts = [f"{metric(table.primary)} of the test part, best first."]
    if table.alpha:
        parts.append(f"Lines: {percent(table.alpha)} intervals. Methods on one ground are of one tie group.")
    if any(ranked[place].control for place in shown):
        parts.append("Hollow, †: a control.")
    if table.primary in table.oracle:
        parts.append("Dashed: the best possible score, known since the data were generated.")
    if len(shown) < len(ranked):
        parts.append("Of the methods below the first, the best row each.")
    return " ".join(parts)


def heat_of(table: TaskTable) -> list[Figure]:
    imputers, fusers = (list(dict.fromkeys(getattr(row, kind) for row in table.rows)) for kind in ("imputer", "fuser"))
    ranked = list(table.eligible.values())
    if min(len(imputers), len(fusers)) < 2 or len(ranked) < 2:
        return []
    sign = 1 if table.primary_higher else -1
    values = sorted(sign * row.scores[table.primary].mean for row in ranked)
    low, high = values[int(PALEST * (len(values) - 1))], values[-1]
    by_pair = {row.pair: row for row in table.rows}

    def square(imputer: str, fuser: str) -> Square:
        row = by_pair.get((imputer, fuser))
        name = f"{imputer} + {fuser}"
        if row is None:
            return Square("", f"{name}: not planned")
        if not row.eligible:
            return Square("–", f"{name}: {', '.join(row.reasons) or row.unranked or 'no rank'}")
        mean = row.scores[table.primary].mean
        level = max(0.0, (sign * mean - low) / (high - low)) if high > low else 1.0
        return Square(f"{mean:.3f}", f"{name}: {mean:.4f}", level, row.rank == 1)

    controls = (
        {row.imputer for row in table.rows if row.control_imputer},
        {row.fuser for row in table.rows if row.control_fuser},
    )
    short = shortened(imputers), shortened(fusers)
    across = [f"{short[0][each]}{' †' * (each in controls[0])}" for each in imputers]
    rows = [
        (f"{short[1][fuser]}{' †' * (fuser in controls[1])}", [square(imputer, fuser) for imputer in imputers])
        for fuser in fusers
    ]
    about = f"{directed(table.primary, table.primary_higher)} of every imputer with every fuser, {table.title}"
    caption = (
        f"{metric(table.primary)} of every imputer (across) with every fuser (down); more colour is better. Framed: the best. "
        f"The lowest {100 * PALEST:.0f} % share one ground. †: a control."
    )
    return [Figure(Heat(across, rows, about), caption)]
