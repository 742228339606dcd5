"""Cost beside score: which methods nobody beats in both. Vilfredo Pareto's set, table by table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.leaderboard.board import Cost, Table

COSTS = ("parameters", "seconds_per_sample")
"""What is set against the score: parameters of the whole method, and seconds it takes for one record once it is fitted."""


def place_costs(costs: Sequence[Cost], tables: Iterable[Table]) -> None:
    """Give each cost the score of its row, the cost of the whole method, and the fronts it is on.

    The whole method is the fuser and its imputer: seconds per record and draw times draws, and the parameters of both.
    Where a row of a table does not know what its imputer costs, all rows of that table count the fuser alone, and say so.
    A fuser whose parameters are not counted (0, as of trees) has no place on that axis.
    """
    scored = {
        (table.task, table.modalities, table.scenario, row.imputer, row.fuser): row.scores[table.primary].mean
        for table in tables
        for row in table.rows
        if row.eligible
    }
    higher = {(t.task, t.modalities, t.scenario): t.higher[t.primary] for t in tables}
    places: dict[tuple[str, str, str], list[Cost]] = {}
    for cost in costs:
        place = cost.task, cost.modalities, cost.scenario
        cost.score = scored.get((*place, cost.imputer, cost.fuser))
        if cost.score is not None:
            places.setdefault(place, []).append(cost)
    for place, rows in places.items():
        fuser_only = not all("imputer_parameters" in row.values for row in rows)
        for row in rows:
            row.whole, row.fuser_only = _whole(row, fuser_only), fuser_only
        for name in COSTS:
            known = [row for row in rows if name in row.whole]
            sign = -1 if higher[place] else 1
            points = [(row.whole[name], sign * (row.score or 0.0)) for row in known]
            for row, on_front in zip(known, front(points), strict=True):
                row.front += [name] * on_front


def _whole(row: Cost, fuser_only: bool) -> dict[str, float]:
    values = row.values
    found = {name: values[name] for name in COSTS if values.get(name)}
    if not fuser_only:
        if "parameters" in found:
            found["parameters"] += values["imputer_parameters"]
        if "seconds_per_sample" in found:
            found["seconds_per_sample"] += values.get("impute_seconds_per_draw", 0.0) * values.get("draws", 1.0)
    return found


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each point is on the front, smaller being better on both axes: no other point is at least as small on both and
    smaller on one. So the best and the cheapest are always on it, and so are equal points together."""
    best = float("inf")
    on_front = [False] * len(points)
    order = sorted(range(len(points)), key=points.__getitem__)
    for rank, index in enumerate(order):
        same = rank and points[order[rank - 1]] == points[index]
        on_front[index] = on_front[order[rank - 1]] if same else points[index][1] < best
        best = min(best, points[index][1])
    return on_front
