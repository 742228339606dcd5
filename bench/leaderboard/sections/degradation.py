"""How scores of predictions change with how much was hidden: over the rate of a scenario, or over
all the settings in which it was run.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.figures.looks import Looks
from bench.figures.shapes import Axis, Chart, Line
from bench.grid.matching_rows import Label
from bench.leaderboard.blocks import Block, Cell, Figure, Heading, Paragraph, Table
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import MethodRow, Score, best_two, point
from bench.leaderboard.sections import tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import columns, directed, metric
from bench.results.coordinates import TableKey, table_of

SHOWN = 6
"""Methods in one picture: the best on average, and the best control."""


class DegradationRow(MethodRow, kw_only=True):
    """A method by setting: its score with its interval; None where it has no rank there."""

    scores: list[Score | None]
    intervals: list[tuple[float, float] | None]


class Degradation(TableKey, kw_only=True, frozen=True):
    """Tables that differ in the parameters of their scenario alone. scenario: its name.

    - parameters: those that differ, as `rate`, or `ps` and `pw`.
    - settings: their values per table; of one parameter in the order of its size.
    - rows: those with a score in two settings or more, the best on average first.
    """

    metric: str
    higher: bool
    parameters: list[str]
    settings: list[tuple[float, ...]]
    rows: list[DegradationRow]

    @property
    def names(self) -> list[str]:
        """Each setting in words."""
        single = len(self.parameters) == 1
        return [
            f"{self.parameters[0]} {s[0]:g}" if single else f"({', '.join(f'{v:g}' for v in s)})" for s in self.settings
        ]


def aggregate(board: Board) -> list[Degradation]:
    """One per task, modality set and scenario that was run in two settings or more."""
    families: dict[TableKey, list[tuple[dict[str, float], TaskTable]]] = {}
    for table in board[tables.SECTION]:
        label = Label.read(table.scenario)
        values = _numbers(label)
        if values:
            fixed = [f"{k}: {v}" for k, v in sorted((label.parameters() or {}).items()) if k not in values]
            family = f"{label.name}({', '.join(fixed)})" if fixed else label.name
            families.setdefault(msgspec.structs.replace(table_of(table), scenario=family), []).append((values, table))
    return [each for key, inside in families.items() if len(inside) > 1 for each in _of_family(key, inside)]


def _numbers(label: Label) -> dict[str, float]:
    numbers = {}
    for name, text in (label.parameters() or {}).items():
        try:
            numbers[name] = float(text)
        except ValueError:
            continue
    return numbers


def _of_family(key: TableKey, inside: Sequence[tuple[dict[str, float], TaskTable]]) -> list[Degradation]:
    names = list(dict.fromkeys(name for values, _ in inside for name in values))
    if any(values.keys() != set(names) for values, _ in inside):
        return []
    differ = [name for name in names if len({values[name] for values, _ in inside}) > 1]
    ordered = sorted(inside, key=lambda each: [each[0][name] for name in differ])
    if not differ:
        return []
    first = ordered[0][1]
    rows = []
    pairs = dict.fromkeys(row.pair for _, table in ordered for row in table.rows)
    for pair in pairs:
        its = [table.eligible.get(pair) for _, table in ordered]
        known = [row for row in its if row]
        if len(known) > 1:
            scores = [row.scores[first.primary] if row else None for row in its]
            rows.append(
                DegradationRow(
                    **known[0].method, scores=scores, intervals=[row.interval if row else None for row in its]
                )
            )
    sign = -1 if first.primary_higher else 1
    rows.sort(key=lambda row: (_gaps(row), sign * _mean(row), row.pair))
    settings = [tuple(values[name] for name in differ) for values, _ in ordered]
    return [
        Degradation(
            **msgspec.structs.asdict(key),
            metric=first.primary,
            higher=first.primary_higher,
            parameters=differ,
            settings=settings,
            rows=rows,
        )
    ] * bool(rows)


def _gaps(row: DegradationRow) -> int:
    return sum(score is None for score in row.scores)


def _mean(row: DegradationRow) -> float:
    known = [score.mean for score in row.scores if score]
    return sum(known) / len(known)


def blocks(board: Board) -> list[Block]:
    every = board[SECTION]
    if not every:
        return []
    about = "The primary score of each method in every setting in which a scenario was run, the best on average first."
    parts: list[Block] = [Heading(3, "As more is hidden"), Paragraph(about)]
    return [*parts, *(block for each in every for block in _blocks(each, board.looks))]


def _blocks(each: Degradation, looks: Looks) -> list[Block]:
    by_setting = [best_two([row.scores[k] for row in each.rows], each.higher) for k in range(len(each.settings))]
    body: list[list[Cell]] = [[*row.labels, *cells] for row, *cells in zip(each.rows, *by_setting, strict=True)]
    over = "" if len(each.parameters) == 1 else f", over ({', '.join(each.parameters)})"
    title = Heading(4, f"{each.title}{over}, {directed(each.metric, each.higher)}")
    return [title, Table(columns("imputer", "fuser", *each.names), body), figure(each, looks)]


def figure(each: Degradation, looks: Looks, most: int = SHOWN) -> Figure:
    """A line per method with its intervals: the best ones, and the best control."""
    rows = each.rows[:most]
    if not any(row.control for row in rows):
        rows = [*rows, *[row for row in each.rows if row.control][:1]]
    single = len(each.parameters) == 1
    places = [s[0] for s in each.settings] if single else [float(k) for k in range(len(each.settings))]
    # A little to the side of each other: intervals of one setting would hide one another.
    step = 0.012 * (places[-1] - places[0])
    lines = []
    for number, row in enumerate(rows):
        aside = step * (number - (len(rows) - 1) / 2)
        shown = zip(places, each.names, row.scores, row.intervals, strict=True)
        lines.append(
            Line([point(x + aside, s, i, row.name, name, looks.of(*row.pair)) for x, name, s, i in shown if s])
        )
    ticks = [] if single else list(zip(places, each.names, strict=True))
    across = Axis(each.parameters[0] if single else f"({', '.join(each.parameters)})", ticks=ticks)
    up = directed(each.metric, each.higher)
    caption = f"{metric(each.metric)} of predictions in each setting; lines upright: intervals over patients and seeds."
    keys = [(row.name, looks.of(*row.pair)) for row in rows]
    return Figure(Chart(lines, across, Axis(up), f"{up} of {each.title} by setting"), caption, keys)


SECTION = Section("degradations", aggregate, blocks, chapter="What the grid tells")
