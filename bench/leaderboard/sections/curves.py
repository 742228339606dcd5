"""Scores on hidden entries over the rate at which they were hidden."""

from __future__ import annotations

import re

import msgspec

from bench.figures.looks import Looks
from bench.figures.shapes import Axis, Chart, Line
from bench.leaderboard.blocks import Block, Cell, Figure, Heading, Label, Table
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import Score, best_two, coverage, point
from bench.leaderboard.sections import imputation
from bench.leaderboard.sections.imputation import COVERAGE, METRICS, Imputation, ImputationRow
from bench.leaderboard.words import columns, metric
from bench.results.coordinates import TableKey, method_in, table_of
from bench.results.records import ImputationStatistics

SHOWN = 6
"""Imputers in one picture."""


class CurveRow(msgspec.Struct, kw_only=True):
    """One imputer over the rates of a curve: metric -> a score (or None), and its interval (or
    None), per rate.
    """

    imputer: str
    control: bool
    draws: int | None
    scores: dict[str, list[Score | None]]
    intervals: dict[str, list[tuple[float, float] | None]]


class Curve(TableKey, kw_only=True, frozen=True):
    """Scenarios that differ in their rate alone, side by side: scores over all entries.
    scenario: what they share.
    """

    rates: list[float]
    metrics: list[str]
    rows: list[CurveRow]


def rate_of(scenario: str) -> tuple[str, float | None]:
    """The label of a scenario without its rate, and the rate: `mcar(rate=0.1)` is ("mcar", 0.1)."""
    name, bracket, inside = scenario.partition("(")
    words = inside.removesuffix(")").split(", ") if bracket else []
    rates = [word for word in words if re.fullmatch(r"rate=[\d.]+(e-?\d+)?", word)]
    if len(rates) != 1:
        return scenario, None
    rest = ", ".join(word for word in words if word not in rates)
    return (f"{name}({rest})" if rest else name), float(rates[0].partition("=")[2])


def aggregate(board: Board) -> list[Curve]:
    """One per modality set and group of scenarios that differ in their rate alone, where there
    are two rates or more.
    """
    families: dict[TableKey, dict[float, Imputation]] = {}
    for table in board[imputation.SECTION]:
        family, rate = rate_of(table.scenario)
        if rate is not None:
            families.setdefault(msgspec.structs.replace(table_of(table), scenario=family), {})[rate] = table
    statistics = board.export.statistics
    stored = statistics.imputation if statistics else ImputationStatistics()
    intervals = {(i.method, i.metric): (i.low, i.high) for i in stored.intervals}
    curves = []
    for family_key, tables in families.items():
        if len(tables) < 2:
            continue
        rates = sorted(tables)
        metrics = [m for m in METRICS if any(m in table.metrics for table in tables.values())]
        rows = {rate: {row.imputer: row for row in tables[rate].rows} for rate in rates}
        names = dict.fromkeys(row.imputer for rate in rates for row in tables[rate].rows if not row.unranked)
        curve_rows = []
        for name in names:
            its = [rows[rate][name] for rate in rates if name in rows[rate]]
            methods = [method_in(tables[rate], name) for rate in rates]
            curve_rows.append(
                CurveRow(
                    imputer=name,
                    control=any(row.control for row in its),
                    draws=its[0].draws,
                    scores={m: [_score(rows[rate].get(name), m) for rate in rates] for m in metrics},
                    intervals={m: [intervals.get((method, m)) for method in methods] for m in metrics},
                )
            )
        curves.append(Curve(**msgspec.structs.asdict(family_key), rates=rates, metrics=metrics, rows=curve_rows))
    return curves


def _score(row: ImputationRow | None, metric: str) -> Score | None:
    return row.scores.get("all", {}).get(metric) if row and row.eligible else None


def blocks(board: Board) -> list[Block]:
    return [block for curve in board[SECTION] for block in _blocks(curve, board.looks)]


def _blocks(curve: Curve, looks: Looks) -> list[Block]:
    """A small table per metric: imputer x rate."""
    parts: list[Block] = [Heading(3, f"{curve.title}: over the rate, all entries")]
    for name in curve.metrics:
        rows = [row for row in curve.rows if any(row.scores[name])]
        by_rate = []
        for k in range(len(curve.rates)):
            scores = [row.scores[name][k] for row in rows]
            by_rate.append([coverage(s) for s in scores] if name in COVERAGE else best_two(scores, higher=False))
        header = columns(metric(name), *(f"rate {rate:g}" for rate in curve.rates))
        body: list[list[Cell]] = [
            [Label(row.imputer, row.control, "point" * (name == "crps" and row.draws == 1)), *line]
            for row, *line in zip(rows, *by_rate, strict=True)
        ]
        parts.append(Table(header, body))
    return [*parts, *_figure(curve, looks)]


def _figure(curve: Curve, looks: Looks) -> list[Block]:
    known = [row for row in curve.rows if any(row.scores.get("mae", []))][:SHOWN]
    lines = [
        Line(
            [
                point(100 * rate, score, interval, row.imputer, f"{100 * rate:g} %", looks.imputer(row.imputer))
                for rate, score, interval in zip(curve.rates, row.scores["mae"], row.intervals["mae"], strict=True)
                if score
            ]
        )
        for row in known
    ]
    axes = Axis("rate of the scenario (%)"), Axis("MAE (standard deviations)")
    caption = "MAE on hidden entries over the rate of the scenario."
    keys = [(row.imputer, looks.imputer(row.imputer)) for row in known]
    return [Figure(Chart(lines, *axes, "MAE over the rate"), caption, keys)] if known else []


SECTION = Section("curves", aggregate, blocks)
