"""What methods cost, and which of them no other beats in cost and score: Vilfredo Pareto's front,
table by table.

The only place, with that of imputers, whose numbers differ from run to run.
"""

from __future__ import annotations

import statistics as plain
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import msgspec

from bench.figures.looks import Looks
from bench.figures.shapes import Axis, Chart, Line, Look, Point
from bench.leaderboard.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Number,
    Paragraph,
    Rich,
    Table,
    emphasis,
)
from bench.leaderboard.board import Board, Section
from bench.leaderboard.sections import tables
from bench.leaderboard.statements import counted
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import columns, directed, spaced
from bench.results.coordinates import Method, TableKey, table_of
from bench.results.records import Record

COSTS = ("parameters", "seconds_per_sample")
"""What is set against the score: parameters of the whole method, and seconds it takes for one
record once it is fitted.
"""

FRONTS = {"parameters": "size", "seconds_per_sample": "speed"}
AXES = {"parameters": ("parameters", 1.0), "seconds_per_sample": ("ms per record", 1e3)}


class Cost(TableKey, kw_only=True, frozen=True):
    """What the ok cells of one method took, on average: seconds per stage, seconds per record,
    bytes, parameters.

    - score: mean of the primary metric, of eligible rows.
    - whole: cost of the whole method per name of `COSTS`, imputer included unless `fuser_only`.
    - front: those of them for which no row of the table is at least as good and at least as cheap,
      and one of both strictly.
    """

    imputer: str
    fuser: str
    cells: int
    device: str
    values: dict[str, float]
    score: float | None = None
    whole: dict[str, float] = msgspec.field(default_factory=dict)
    fuser_only: bool = False
    front: list[str] = msgspec.field(default_factory=list)

    @property
    def pair(self) -> tuple[str, str]:
        return self.imputer, self.fuser

    @property
    def name(self) -> str:
        return f"{self.imputer} + {self.fuser}"


def aggregate(board: Board) -> list[Cost] | None:
    """Of each method with an ok cell that says its costs, in the order of the plan; None where
    they are left out.
    """
    if not board.wall_costs:
        return None
    costs = []
    for table in board[tables.SECTION]:
        methods = board.methods[table_of(table)]
        records = {
            method: [record for record in cells.values() if record and record.status == "ok" and record.costs]
            for method, cells in methods.items()
        }
        costs += _placed(table, [_cost(method, inside) for method, inside in records.items() if inside])
    return costs


def _cost(method: Method, records: Sequence[Record]) -> Cost:
    names = sorted({name for record in records for name in record.costs})
    devices = Counter(record.provenance.get("device", "") for record in records)
    return Cost(
        **msgspec.structs.asdict(method),
        cells=len(records),
        device=counted(devices, "cell"),
        values={n: plain.fmean(r.costs[n] for r in records if n in r.costs) for n in names},
    )


def _placed(table: TaskTable, costs: Sequence[Cost]) -> list[Cost]:
    """Each cost of a table with the score of its row, the cost of the whole method, and the fronts
    it is on.

    The whole method is the fuser and its imputer: seconds per record and draw times draws, and the
    parameters of both. Where a row of a table does not know what its imputer costs, all rows of
    that table count the fuser alone, and say so. A fuser whose parameters are not counted (0, as of
    trees) has no place on that axis.
    """
    scores = {pair: row.scores[table.primary].mean for pair, row in table.eligible.items()}
    eligible = [cost for cost in costs if (cost.imputer, cost.fuser) in scores]
    fuser_only = not all("imputer_parameters" in cost.values for cost in eligible)
    whole = {cost.name: _whole(cost, fuser_only) for cost in eligible}
    fronts: dict[str, list[str]] = {cost.name: [] for cost in eligible}
    sign = -1 if table.primary_higher else 1
    for name in COSTS:
        known = [cost for cost in eligible if name in whole[cost.name]]
        points = [(whole[cost.name][name], sign * scores[cost.imputer, cost.fuser]) for cost in known]
        for cost, on_front in zip(known, front(points), strict=True):
            fronts[cost.name] += [name] * on_front
    return [
        msgspec.structs.replace(
            cost,
            score=scores[cost.imputer, cost.fuser],
            whole=whole[cost.name],
            fuser_only=fuser_only,
            front=fronts[cost.name],
        )
        if cost.name in whole
        else cost
        for cost in costs
    ]


def _whole(cost: Cost, fuser_only: bool) -> dict[str, float]:
    values = cost.values
    whole = {name: values[name] for name in COSTS if values.get(name)}
    if not fuser_only:
        if "parameters" in whole:
            whole["parameters"] += values["imputer_parameters"]
        if "seconds_per_sample" in whole:
            whole["seconds_per_sample"] += values.get("impute_seconds_per_draw", 0.0) * values.get("draws", 1.0)
    return whole


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each point is on the front, smaller being better on both axes: no other point is at
    least as small on both and smaller on one. So the best and the cheapest are always on it, and so
    are equal points together.
    """
    best = float("inf")
    on_front = [False] * len(points)
    order = sorted(range(len(points)), key=points.__getitem__)
    for rank, index in enumerate(order):
        same = rank and points[order[rank - 1]] == points[index]
        on_front[index] = on_front[order[rank - 1]] if same else points[index][1] < best
        best = min(best, points[index][1])
    return on_front


def blocks(board: Board) -> list[Block]:
    costs = board[SECTION]
    if costs is None:
        return []
    about = Rich(
        "Means over ok cells; they differ from run to run. An imputation is made once and shared by fusers. ",
        emphasis("Pareto front"),
        ": of score and size, or of score and speed. A method is on it if no other of the table is at least as good and at "
        "least as cheap, and better in one of the two. Imputer and fuser count together. Parameters that are not counted (0) "
        "have no place there.",
    )
    directions = {table_of(table): directed(table.primary, table.primary_higher) for table in board[tables.SECTION]}
    parts: list[Block] = [Heading(2, "Costs"), Paragraph(about)]
    for key, group in groupby(costs, key=table_of):
        inside = list(group)
        figures = [figure for name in reversed(COSTS) for figure in _figure(directions[key], inside, name, board.looks)]
        parts += [Heading(3, key.title), _grid(inside), *figures]
    return parts


def _grid(costs: Sequence[Cost]) -> Table:
    stages = {name for cost in costs for name in cost.values if name.endswith("_seconds") or name == "seconds"}
    ordered = sorted(stages, key=_stage_order)
    steps = ["steps"] if any("steps" in cost.values for cost in costs) else []
    whole = "fuser alone" if any(cost.fuser_only for cost in costs) else "whole"
    header = columns("imputer", "fuser", "score", "Pareto front", f"ms per record ({whole})", "parameters")
    header += columns(*steps)
    header += [Column(f"{spaced(name.removesuffix('_seconds'))} s") for name in ordered]
    header += columns("ms per record (fuser)", "peak memory MiB", "device", "cells")
    body: list[list[Cell]] = [
        [
            cost.imputer,
            cost.fuser,
            number(cost.score, 4),
            ", ".join(FRONTS[name] for name in cost.front) or None,
            number(cost.whole.get("seconds_per_sample"), 3, 1e3),
            number(cost.values.get("parameters"), 0),
            *(number(cost.values.get(name), 0) for name in steps),
            *(number(cost.values.get(name), 2) for name in ordered),
            number(cost.values.get("seconds_per_sample"), 3, 1e3),
            number(cost.values.get("peak_memory_bytes"), 0, 1 / 2**20),
            cost.device or None,
            cost.cells,
        ]
        for cost in costs
    ]
    return Table(header, body)


def number(value: float | None, digits: int, scale: float = 1.0) -> Cell:
    """A cost in another unit."""
    return None if value is None else Number(value * scale, f",.{digits}f")


def _stage_order(name: str) -> tuple[int, str]:
    order = ("impute", "fit", "predict")
    return next((k for k, stage in enumerate(order) if name.startswith(stage)), len(order)), name


def _figure(metric: str, costs: Sequence[Cost], name: str, looks: Looks) -> list[Block]:
    known = [cost for cost in costs if cost.score is not None and cost.whole.get(name, 0) > 0]
    if len(known) < 2:
        return []
    title, scale = AXES[name]
    points = [
        Point(
            scale * cost.whole[name],
            cost.score or 0.0,
            f"{cost.name}: {cost.score:.4f}, {scale * cost.whole[name]:,.4g} {title}",
            looks.of(cost.imputer, cost.fuser),
            cost.name if name in cost.front else "",
            faint=name not in cost.front,
        )
        for cost in known
    ]
    on_front = sorted((point for point in points if not point.faint), key=lambda point: point.x)
    joined = Line([Point(point.x, point.y, "", Look(7)) for point in on_front], steps=True, dots=False)
    alone = " of the fuser alone" if known[0].fuser_only else ""
    lines = [joined, *(Line([point]) for point in points)]
    chart = Chart(lines, Axis(title + alone, log=True), Axis(metric), f"{metric} over {title}")
    caption = f"{metric} over {title}{alone}. Filled: no method is as good and as cheap."
    return [Figure(chart, caption, looks.keys(cost.pair for cost in known))]


SECTION = Section("costs", aggregate, blocks)
