"""The sections on imputation as Markdown: scores on hidden entries, curves over rates, what it means for the tasks."""

from __future__ import annotations

from collections.abc import Sequence

from bench.leaderboard.board import (
    Agreement,
    Board,
    Contrary,
    Curve,
    Difference,
    Imputation,
    ImputationRow,
    ImputerCost,
    Score,
)
from bench.leaderboard.render import text

COVERAGE = {"coverage50": 0.5, "coverage90": 0.9}
LISTED = 12
"""Pairs of imputers spelt out per page; the JSON file holds all."""


def imputation(board: Board) -> list[str]:
    """All sections on imputation; one sentence where the plan hid nothing."""
    if not board.imputation:
        return _nothing_hidden(board)
    parts = ["## Imputation of hidden entries"]
    parts.append(
        "On entries that were recorded and then hidden, test part, standardised scale. Lower is better, but coverage is right "
        "where it is what it says. CRPS of a single draw is marked *point*: it is the absolute error over the mean size of "
        "the truth."
    )
    for table in board.imputation:
        parts += _table(table)
    for curve in board.curves:
        parts += _curve(curve)
    return [*parts, *_agreements(board)]


def _nothing_hidden(board: Board) -> list[str]:
    """A board with results and no scored imputation says why."""
    if not any(row.seeds_ok for table in board.tables for row in table.rows):
        return []
    said = "These scenarios hid no recorded entry that an imputer filled: there is no imputation error to show."
    return ["## Imputation of hidden entries", said]


def _table(table: Imputation) -> list[str]:
    parts = [f"### {text.safe(table.modalities)} · {text.safe(table.scenario)}"]
    if table.realised is not None and table.expected is not None:
        entries = ", ".join(f"{text.safe(name)} {value:,.0f}" for name, value in table.entries.items())
        parts.append(
            f"Hidden: {100 * table.realised:.2f} % realised, {100 * table.expected:.2f} % expected (whole cohort, mean "
            f"over seeds). Entries scored per seed: {entries}."
        )
    header, body = _over_all(table)
    parts.append(text.grid(*_with_published(table, header, body)))
    if len(table.columns) > 2:
        parts.append(_by_modality(table))
    notes = [*table.notes, *_coverage_note(table), *_absent_note(table)]
    if table.silent:
        notes.append(
            f"Without scores, since they fill nothing or have no ok cell: {', '.join(map(text.safe, table.silent))}."
        )
    notes += [*text.sources(table.published), *text.footnotes(table.elsewhere)]
    return [*parts, text.bullets(notes)] if notes else parts


def _absent_note(table: Imputation) -> list[str]:
    """What share of the errors is of values that no fuser reads."""
    if not table.absent:
        return []
    share = "All hidden entries" if table.absent == 1 else f"{100 * table.absent:.1f} % of the hidden entries"
    return [
        f"{share} lie in modalities that their records then lack altogether: these stay absent to fusers, which read no value "
        "that was imputed there."
    ]


def _over_all(table: Imputation) -> tuple[list[str], list[list[str]]]:
    """Header and body of the main table: scores over all hidden entries."""
    rows = table.rows
    header, columns = ["imputer"], [[text.label(row.imputer, row.control) for row in rows]]
    for metric in table.metrics:
        header.append(text.metric(metric))
        columns.append(_scores(table, metric, "all"))
        if metric == "mae" and table.alpha:
            percent = f"{100 * (1 - table.alpha):g} %"
            header += [f"{percent} interval", "MAE − best", "tie group"]
            intervals = [f"{row.interval[0]:.4f}–{row.interval[1]:.4f}" if row.interval else "" for row in rows]
            columns.append([interval or text.NOTHING for interval in intervals])
            columns.append([_difference(row.to_best) if row.to_best else text.NOTHING for row in rows])
            columns.append([text.or_nothing(row.tie_group) for row in rows])
    for name in ("draws", "parameters"):
        numbers = [getattr(row, name) for row in rows]
        if any(numbers):
            header.append(name)
            columns.append([f"{number:,}" if number else text.NOTHING for number in numbers])
    header.append("seeds")
    columns.append([_seeds(row) for row in rows])
    return header, [list(line) for line in zip(*columns, strict=True)]


def _seeds(row: ImputationRow) -> str:
    """How many seeds have scores, and why the row has no rank all the same."""
    counts = f"{len(row.seeds_scored)} of {len(row.seeds_planned)}"
    return f"{counts} (**no rank**: {text.short(row.unranked)})" if row.unranked else counts


def _by_modality(table: Imputation) -> str:
    """The same scores of each modality on its own, marked within it."""
    body = []
    for name in table.columns:
        if name == "all":
            continue
        columns = [_scores(table, metric, name) for metric in table.metrics]
        for place, row in enumerate(table.rows):
            if row.scores.get(name):
                scores = [column[place] for column in columns]
                body.append([text.safe(name), text.label(row.imputer, row.control), *scores])
    return text.grid(["modality", "imputer", *map(text.metric, table.metrics)], body)


def _with_published(table: Imputation, header: list[str], body: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The same with a column per published metric, and a line per published method that is no row."""
    metrics = [m for m in table.metrics if any(value.metric == m for value in table.published)]
    lines = {row.imputer: line for row, line in zip(table.rows, body, strict=True)}
    for method in sorted({value.method for value in table.published} - lines.keys()):
        lines[method] = [text.safe(method), *[""] * (len(header) - 2), "published"]
    for name, line in lines.items():
        for metric in metrics:
            found = [v for v in table.published if (v.method, v.metric) == (name, metric)]
            line.append("; ".join(text.mean(Score(v.value, v.std, 1)) for v in found))
    return [*header, *(f"{text.metric(metric)} (published)" for metric in metrics)], list(lines.values())


def _scores(table: Imputation, metric: str, modality: str) -> list[str]:
    """One column. Of coverage nothing is best: 100 % of a forecaster that says nothing is no merit."""
    scores = [row.scores.get(modality, {}).get(metric) for row in table.rows]
    if metric in COVERAGE:
        return [f"{100 * score.mean:.1f} %" if score else text.NOTHING for score in scores]
    cells = text.best_two(scores, higher=False, eligible=[row.eligible for row in table.rows])
    if metric != "crps":
        return cells
    return [
        f"{cell} *point*" if score and row.draws == 1 else cell
        for cell, score, row in zip(cells, scores, table.rows, strict=True)
    ]


def _difference(found: Difference) -> str:
    return f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def _coverage_note(table: Imputation) -> list[str]:
    """What coverage to expect of a perfect forecaster with so few draws: (draws - 1) / (draws + 1) of the level."""
    draws = sorted({row.draws for row in table.rows if row.draws and row.draws > 1})
    if not draws or not set(table.metrics) & COVERAGE.keys():
        return []
    said = (
        " and ".join(f"{100 * level * (k - 1) / (k + 1):.0f} %" for level in COVERAGE.values()) + f" with {k} draws"
        for k in draws
    )
    return [f"Coverage to expect of exact draws: {'; '.join(said)} (docs/results.md)."]


def _curve(curve: Curve) -> list[str]:
    """A small table per metric: imputer x rate."""
    parts = [f"### {text.safe(curve.modalities)} · {text.safe(curve.scenario)}: over the rate, all entries"]
    for metric in curve.metrics:
        rows = [row for row in curve.rows if any(row.scores[metric])]
        shown = []
        for k in range(len(curve.rates)):
            column = [row.scores[metric][k] for row in rows]
            percent = [f"{100 * score.mean:.1f} %" if score else text.NOTHING for score in column]
            shown.append(percent if metric in COVERAGE else text.best_two(column, higher=False))
        header = [text.metric(metric), *(f"rate {rate:g}" for rate in curve.rates)]
        points = [metric == "crps" and row.draws == 1 for row in rows]
        names = [
            text.label(row.imputer, row.control) + " *point*" * is_point
            for row, is_point in zip(rows, points, strict=True)
        ]
        parts.append(text.grid(header, [list(line) for line in zip(names, *shown, strict=True)]))
    return parts


def _agreements(board: Board) -> list[str]:
    """The question users have: is the better imputation worth anything to the task?"""
    unread = [f"{table.modalities} · {table.scenario}" for table in board.imputation if table.absent == 1]
    if not board.agreements and not unread:
        return []
    said = (
        "Spearman's rank correlation, over imputers with the same fuser, between MAE on hidden entries and the task's primary "
        "score, signed so that +1 means the better imputation always predicts better. p: by permutation, two-sided; with "
        "few imputers it cannot be small."
    )
    header = ["task", "modalities", "scenario", "fuser", "score", "imputers", "rank correlation", "p", "contrary pairs"]
    body = [
        [
            *(text.safe(cell) for cell in (found.task, found.modalities, found.scenario, found.fuser)),
            text.metric(found.metric),
            str(found.imputers),
            text.NOTHING if found.rho is None else f"{found.rho:+.2f}",
            _p(found),
            "not compared" if found.contrary is None else str(len(found.contrary)),
        ]
        for found in board.agreements
    ]
    pairs = [(found, contrary) for found in board.agreements for contrary in found.contrary or []]
    pairs.sort(key=lambda pair: not pair[1].apart)
    notes = [_contrary(found, contrary) for found, contrary in pairs[:LISTED]]
    if len(pairs) > LISTED:
        notes.append(f"{len(pairs) - LISTED} more pairs stand in the JSON file.")
    scored = {(table.modalities, table.scenario) for table in board.imputation}
    silent = dict.fromkeys(
        f"{t.modalities} · {t.scenario}" for t in board.tables if (t.modalities, t.scenario) not in scored
    )
    if silent:
        notes.append(f"No imputation error where nothing was hidden: {text.safe(', '.join(silent))}.")
    if unread:
        notes.append(
            f"Left out, since no fuser reads what was imputed for hidden entries: {text.safe(', '.join(unread))}."
        )
    parts = ["## Does better imputation predict better?", said, *([text.grid(header, body)] if body else [])]
    return [*parts, text.bullets(notes)] if notes else parts


def _p(found: Agreement) -> str:
    if found.p is None:
        return "fewer than 3 imputers" if found.imputers < 3 else "no difference"
    return f"{found.p:.3g}" if found.exact else f"{found.p:.3g} (random permutations)"


def _contrary(found: Agreement, pair: Contrary) -> str:
    """A pair for which it does not hold, and how sure that is."""
    place = f"{found.task} · {found.modalities} · {found.scenario}, {found.fuser}"
    start = (
        f"{text.safe(place)}: {text.safe(pair.first)} imputes better than {text.safe(pair.second)} (MAE {_difference(pair.mae)}) "
        f"but predicts worse: {text.metric(found.metric)} "
    )
    if pair.score is None:
        return f"{start}{pair.difference:+.4f}, not compared."
    sure = "the interval excludes 0" if pair.apart else "the interval includes 0"
    return f"{start}{_difference(pair.score)}; {sure}."


def imputer_costs(costs: Sequence[ImputerCost]) -> list[str]:
    """What the imputers took: differs from run to run."""
    if not costs:
        return []
    header = ["modalities", "scenario", "imputer", "parameters", "draws", "fit s", "impute s", "ms per record and draw"]
    header += ["peak memory MiB", "device", "seeds"]
    body = []
    for cost in costs:
        values = cost.values
        line = [text.safe(cost.modalities), text.safe(cost.scenario), text.safe(cost.imputer)]
        line += [text.number(values.get("imputer_parameters") or None, 0), text.number(values.get("draws"), 0)]
        line += [text.number(values.get(name), 2) for name in ("impute_fit_seconds", "impute_seconds")]
        line.append(text.number(values.get("impute_seconds_per_draw"), 3, 1e3))
        line.append(text.number(values.get("impute_peak_memory_bytes"), 0, 1 / 2**20))
        body.append([*line, text.safe(cost.device) or text.NOTHING, str(cost.seeds)])
    return ["### Imputers", text.grid(header, body)]
