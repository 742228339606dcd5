"""What each table says at one glance: the best method, its interval, what ties with it, and what it
costs.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bench.leaderboard.blocks import Block, Cell, Column, Interval, Number, Paragraph, Rich, Table, strong
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import Row
from bench.leaderboard.sections import costs, tables
from bench.leaderboard.sections.costs import Cost
from bench.leaderboard.standings import figures
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import count, directed, metric, percent
from bench.results.coordinates import TableKey, table_of


class Winner(TableKey, kw_only=True, frozen=True):
    """The best row of a table with a rank.

    - tied: how many others are in its tie group, tied_controls: how many of them are controls; None
      where no comparisons are stored.
    - ranked: how many rows have a rank.
    - control, control_score: the best control, where one has a rank.
    - seconds_per_record, parameters: of the whole method, or of the fuser alone where `fuser_only`.
    - cheapest: the method of the tie group that takes least time for a record, with its score.
    """

    metric: str
    higher: bool
    imputer: str
    fuser: str
    is_control: bool
    score: float
    low: float | None
    high: float | None
    alpha: float | None
    ranked: int
    tied: int | None
    tied_controls: int | None
    control: str = ""
    control_score: float | None = None
    seconds_per_record: float | None = None
    parameters: float | None = None
    fuser_only: bool = False
    cheapest: str = ""
    cheapest_score: float | None = None
    cheapest_seconds: float | None = None

    @property
    def name(self) -> str:
        return f"{self.imputer} + {self.fuser}"


def aggregate(board: Board) -> list[Winner]:
    """One per table in which a method has a rank."""
    spent = {(table_of(cost), cost.imputer, cost.fuser): cost for cost in board[costs.SECTION] or []}
    return [
        _winner(table, {row.pair: spent.get((table_of(table), *row.pair)) for row in table.rows})
        for table in board[tables.SECTION]
        if table.eligible
    ]


def _winner(table: TaskTable, spent: dict[tuple[str, str], Cost | None]) -> Winner:
    ranked = list(table.eligible.values())
    best = ranked[0]
    group = [row for row in ranked if row.tie_group == 1]
    control = next((row for row in ranked if row.control), None)
    score, cost = best.scores[table.primary].mean, spent[best.pair]
    timed = [(seconds, row) for row in group if (seconds := _seconds(spent[row.pair])) is not None]
    cheapest = min(timed, key=lambda each: each[0], default=None)
    fields = {} if cheapest is None or cheapest[1] is best else _cheapest(table, *cheapest)
    return Winner(
        **msgspec.structs.asdict(table_of(table)),
        metric=table.primary,
        higher=table.primary_higher,
        imputer=best.imputer,
        fuser=best.fuser,
        is_control=best.control,
        score=score,
        low=best.interval[0] if best.interval else None,
        high=best.interval[1] if best.interval else None,
        alpha=table.alpha,
        ranked=len(ranked),
        tied=len(group) - 1 if group else None,
        tied_controls=sum(row.control for row in group if row is not best) if group else None,
        control=control.name if control else "",
        control_score=control.scores[table.primary].mean if control else None,
        seconds_per_record=_seconds(cost),
        parameters=cost.whole.get("parameters") if cost else None,
        fuser_only=bool(cost and cost.fuser_only),
        **fields,
    )


def _seconds(cost: Cost | None) -> float | None:
    return cost.whole.get("seconds_per_sample") if cost else None


def _cheapest(table: TaskTable, seconds: float, row: Row) -> dict[str, Any]:
    score = row.scores[table.primary].mean
    return {"cheapest": row.name, "cheapest_score": score, "cheapest_seconds": seconds}


def blocks(board: Board) -> list[Block]:
    """Sentences for one table, a line each for several; then the pictures of the first one."""
    winners = board[SECTION]
    if not winners:
        return []
    first = next(table for table in board[tables.SECTION] if table.eligible)
    pictures = figures(first, board.looks)
    if len(board[tables.SECTION]) == 1:
        spent = _costs(winners[0])
        return [Paragraph(_sentences(winners[0])), *([Paragraph(spent)] if spent else []), *pictures]
    named = [msgspec.structs.replace(each, caption=f"{first.title}: {each.caption}") for each in pictures]
    return [Paragraph("The best method of each table:"), _table(winners), *named]


def _sentences(winner: Winner) -> Rich:
    best = strong(f"{winner.name}{' †' * winner.is_control}")
    interval = ""
    if winner.low is not None and winner.alpha:
        interval = f" ({percent(winner.alpha)} interval {winner.low:.4f}–{winner.high:.4f})"
    parts = [Rich(best, f" is best: {directed(winner.metric, winner.higher)} {winner.score:.4f}{interval}.")]
    if winner.tied is None:
        have = "has" if winner.ranked == 1 else "have"
        parts.append(Rich(f"What ties with it is not known; {count(winner.ranked, 'method')} {have} a rank."))
    elif winner.tied:
        others = f"{winner.tied} of {count(winner.ranked - 1, 'other method')}"
        controls = f", {count(winner.tied_controls or 0, 'control')} among them" * bool(winner.tied_controls)
        parts.append(Rich(strong(f"{others} cannot be told from it"), f"{controls}."))
    else:
        alone = "It is the only method with a rank." if winner.ranked == 1 else ""
        parts.append(Rich(alone or f"None of {count(winner.ranked - 1, 'other method')} ties with it."))
    if winner.control and not winner.is_control:
        parts.append(Rich(f"The best control is {winner.control}: {winner.control_score:.4f}."))
    return Rich(*[each for part in parts for each in (" ", part)][1:])


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms per record"


def _costs(winner: Winner) -> str:
    """What the best takes, and what the cheapest takes that ties with it."""
    time = "" if winner.seconds_per_record is None else _ms(winner.seconds_per_record)
    size = "" if winner.parameters is None else f"{winner.parameters:,.0f} parameters"
    spent = ", ".join(filter(None, [time, size]))
    if not spent:
        return ""
    alone = " (the fuser alone)" if winner.fuser_only else ""
    cheapest = ""
    if winner.cheapest and winner.cheapest_seconds is not None:
        named = f"The cheapest that ties is {winner.cheapest}: {winner.cheapest_score:.4f}"
        cheapest = f" {named}, {_ms(winner.cheapest_seconds)}."
    return f"Costs of the best: {spent}{alone}.{cheapest}"


def _table(winners: list[Winner]) -> Table:
    one = {winner.metric for winner in winners}
    name = metric(next(iter(one))) if len(one) == 1 else "score"
    costly = any(winner.seconds_per_record is not None for winner in winners)
    levels = {percent(winner.alpha) for winner in winners if winner.alpha}
    columns = [Column("table"), *([Column("metric")] if len(one) > 1 else []), Column("best method"), Column(name)]
    columns += [Column(f"{' / '.join(sorted(levels))} interval")] if levels else []
    columns += [Column("tie with it"), Column("controls among them"), Column("best control")]
    columns += [Column("ms per record"), Column("cheapest that ties")] if costly else []
    body: list[list[Cell]] = []
    for winner in winners:
        interval = Interval(winner.low, winner.high) if winner.low is not None and winner.high is not None else None
        tied = None if winner.tied is None else f"{winner.tied} of {winner.ranked - 1}"
        control: Cell = None
        if winner.control_score is not None:
            control = f"{winner.control} ({winner.control_score:.4f})"
        line: list[Cell] = [winner.title, *([directed(winner.metric, winner.higher)] if len(one) > 1 else [])]
        line += [Rich(strong(f"{winner.name}{' †' * winner.is_control}")), Number(winner.score)]
        line += [interval] if levels else []
        line += [tied, winner.tied_controls, control]
        if costly:
            seconds = winner.seconds_per_record
            line += [None if seconds is None else Number(1e3 * seconds, ".3g"), winner.cheapest or None]
        body.append(line)
    return Table(columns, body)


SECTION = Section("winners", aggregate, blocks)
