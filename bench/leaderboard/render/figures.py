"""The pictures of the page: cost beside score, shares of imputer and fuser, reliability, error over the rate."""

from __future__ import annotations

from collections.abc import Sequence

from bench.leaderboard.board import Board, CalibrationRow, Calibrations, Cost, Curve, Table
from bench.leaderboard.render import svg, text
from bench.leaderboard.render.grid_markdown import place
from bench.leaderboard.sections.grid import Attribution
from bench.leaderboard.sections.pareto import COSTS
from bench.text.clean import html

AXES = {"seconds_per_sample": ("ms per sample", 1e3), "parameters": ("parameters", 1.0)}

SHOWN = 6
"""Imputers in one picture of errors."""


def figures(board: Board) -> dict[str, str]:
    """The heading of the Markdown each picture belongs to -> the picture, as HTML."""
    made: dict[str, list[str]] = {}
    for table in board.tables:
        name = text.safe(f"{table.task} · {table.modalities} · {table.scenario}")
        costs = [
            cost
            for cost in board.costs or []
            if (cost.task, cost.modalities, cost.scenario) == (table.task, table.modalities, table.scenario)
        ]
        made[f"### {name}"] = [_pareto(table, costs, cost) for cost in reversed(COSTS)]
    made["### Imputer or fuser?"] = [_shares(board.attributions)]
    for table_ in board.calibrations:
        made[f"#### {place(table_)}"] = [_reliability(table_)]
    for curve in board.curves:
        made[_curve_heading(curve)] = [_curve(curve)]
    return {heading: f'<div class="figures">{"".join(found)}</div>' for heading, found in made.items() if any(found)}


def _curve_heading(curve: Curve) -> str:
    return f"### {text.safe(curve.modalities)} · {text.safe(curve.scenario)}: over the rate, all entries"


def _figure(picture: str, caption: str, keys: Sequence[str] = ()) -> str:
    if not picture:
        return ""
    legend = "".join(f'<span class="key c{k % svg.COLOURS}"><i></i>{html(name)}</span>' for k, name in enumerate(keys))
    return f"<figure>{picture}<figcaption>{legend}{'<br>' * bool(keys)}{html(caption)}</figcaption></figure>"


def _pareto(table: Table, costs: Sequence[Cost], name: str) -> str:
    known = [cost for cost in costs if cost.score is not None and cost.whole.get(name, 0) > 0]
    if len(known) < 2:
        return ""
    title, scale = AXES[name]
    fusers = sorted({cost.fuser for cost in known})
    points = {
        id(cost): svg.Point(
            scale * cost.whole[name],
            cost.score or 0.0,
            f"{cost.imputer} + {cost.fuser}: {cost.score:.4f}, {scale * cost.whole[name]:,.4g} {title}",
            fusers.index(cost.fuser),
            f"{cost.imputer} + {cost.fuser}" if name in cost.front else "",
            faint=name not in cost.front,
        )
        for cost in known
    }
    front = sorted((points[id(cost)] for cost in known if name in cost.front), key=lambda p: p.x)
    joined = svg.Line([svg.Point(p.x, p.y, "", 7) for p in front], steps=True, dots=False)
    metric = f"{text.metric(table.primary)} {'↑' if table.higher[table.primary] else '↓'}"
    alone = " of the fuser alone" if known[0].fuser_only else ""
    drawn = svg.chart(
        [joined, *svg.dots(list(points.values()))],
        svg.Axis(title + alone, log=True),
        svg.Axis(metric),
        f"{metric} over {title}",
    )
    return _figure(drawn, f"{metric} over {title}{alone}. Filled: no method is as good and as cheap.", fusers)


def _shares(found: Sequence[Attribution]) -> str:
    rows = [
        (
            f"{each.task} · {each.modalities} · {each.scenario}{'' if block.controls else ', no controls'}",
            [share.value for share in block.shares.values()],
        )
        for each in found
        for block in each.blocks
        if block.shares
    ]
    drawn = svg.shares(rows, ("imputer", "fuser", "interaction"), "Shares of what differs between methods")
    return _figure(drawn, "Shares of what differs between methods, noise taken off. Their intervals are above.")


def _reliability(table: Calibrations) -> str:
    rows: list[CalibrationRow] = [row for row in table.rows if row.bins]
    lines = [
        svg.Line(
            [
                svg.Point(
                    b.predicted,
                    b.observed,
                    f"{row.imputer} + {row.fuser}: {b.predicted:.3f} said, {b.observed:.3f} came, {b.records:,}",
                    k,
                )
                for b in row.bins
            ]
        )
        for k, row in enumerate(rows)
    ]
    drawn = svg.chart(
        lines,
        svg.Axis("probability", ends=(0, 1)),
        svg.Axis("share that came true", ends=(0, 1)),
        "Reliability diagram",
        diagonal=True,
    )
    caption = (
        "On the diagonal a probability is what it says; below, it is too high. The best methods, all seeds together."
    )
    return _figure(drawn, caption, [f"{row.imputer} + {row.fuser}" for row in rows])


def _curve(curve: Curve) -> str:
    known = [row for row in curve.rows if any(row.scores.get("mae", []))][:SHOWN]
    lines = [
        svg.Line(
            [
                svg.Point(100 * rate, score.mean, f"{row.imputer}: {score.mean:.4f} at {100 * rate:g} %", k)
                for rate, score in zip(curve.rates, row.scores["mae"], strict=True)
                if score
            ]
        )
        for k, row in enumerate(known)
    ]
    drawn = svg.chart(
        lines, svg.Axis("rate of the scenario (%)"), svg.Axis("MAE (standard deviations)"), "MAE over the rate"
    )
    return _figure(drawn, "MAE on hidden entries over the rate of the scenario.", [row.imputer for row in known])
