"""A board as Markdown, for a person: formats and sentences only, no numbers of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from bench.grid.differences import sentence
from bench.leaderboard.board import AuditResult, Board, Cost, Gain, Gains, PublishedScore, Row, Score, Table
from bench.leaderboard.render import text
from bench.leaderboard.render.grid_markdown import grid_sections
from bench.leaderboard.render.imputation_markdown import imputation, imputer_costs
from bench.leaderboard.sections.audits import AUDITS
from bench.leaderboard.sections.statements import counted
from bench.text.clean import code, line

HOW_TO_READ = """\
**Scores** are of the test part: mean ± sample standard deviation over the planned seeds. A row with a missing or failed
seed has no mean and no rank, a row that failed an audit no rank. The best of a column is **bold**, the second
<u>underlined</u>; equal when printed is equal. **Tie groups**: the best method leads group 1 together with all that
cannot be told apart from it; the best of the rest leads group 2, and so on. **Intervals and comparisons**: paired
bootstrap over patients and, where several were run, seeds; Holm's correction over all pairs of a table. **†** marks a
control. **Audits**: passed / applicable. docs/results.md explains all of it."""


def to_markdown(board: Board) -> str:
    """The whole leaderboard; ends with a newline."""
    return "\n\n".join(blocks(board)) + "\n"


def blocks(board: Board) -> list[str]:
    """Its headings, paragraphs, tables and lists, in their order."""
    parts = [_head(board)]
    for table in board.tables:
        parts.extend(_table(table))
    for gains in board.gains:
        parts.extend(_gains(gains, board.nobody))
    parts.extend(grid_sections(board))
    parts.extend(imputation(board))
    parts.extend(_audits(board.tables))
    parts.append("## How to read this\n\n" + HOW_TO_READ)
    parts.extend(_provenance(board))
    if board.costs is not None:
        parts.extend([*_costs(board.costs), *imputer_costs(board.imputer_costs or [])])
    return parts


def _head(board: Board) -> str:
    title = f"# {text.safe(board.title)}"
    cells = sum(board.statuses.values())
    states = ", ".join(f"{count} {status}" for status, count in board.statuses.items())
    differs = sentence(board.overrides)
    lines = [title, ""]
    if differs:
        lines += [f"**{text.safe(differs[0].upper() + differs[1:])}.**", ""]
    release = f" ({text.safe(board.release)})" if board.release else ""
    where = f"Suite {code(board.suite)}, profile {code(board.profile)}, dataset {code(board.dataset)}{release}"
    lines.append(f"{where}; {text.count(cells, 'planned cell')}: {states}.")
    if board.synthetic:
        lines += ["", "**The patients of this leaderboard were generated**: its numbers say nothing about real ones."]
    lines += [line for note in board.notes for line in ("", note)]
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    parts = [f"## {text.safe(table.task)} · {text.safe(table.modalities)} · {text.safe(table.scenario)}"]
    about = [_sentence(table.summary), _counts(table.counts)]
    seeds = ", ".join(str(seed) for seed in table.seeds)
    about.append(f"Seed{'s' * (len(table.seeds) != 1)}: {seeds}.")
    parts.append(" ".join(sentence for sentence in about if sentence))
    parts.append(text.grid(*_rows(table)))
    parts.append(text.bullets([*table.notes, *_resolution(table), *_sources(table)]))
    return [part for part in parts if part]


def _sentence(summary: str) -> str:
    said = text.safe(summary).rstrip(".")
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _counts(counts: Mapping[str, int]) -> str:
    known = [name for name in ("train", "valid", "test", "positives", "left_out") if name in counts]
    names = [*known, *sorted(counts.keys() - set(known))]
    shown = (f"{counts[name]:,} {'positive in test' if name == 'positives' else text.words(name)}" for name in names)
    return f"Records: {', '.join(shown)}." if names else ""


def _rows(table: Table) -> tuple[list[str], list[list[str]]]:
    """Header and body of the main table. Columns nobody fills are left out."""
    percent = f"{100 * (1 - table.alpha):g} %" if table.alpha else ""
    published = [m for m in table.metrics if any(v.metric == m for row in table.rows for v in row.published)]
    published += [m for m in table.metrics if m not in published and any(v.metric == m for v in table.published)]
    validated = any(table.primary in row.validation for row in table.rows)
    header = ["rank", "tie group", "imputer", "fuser", _metric(table.primary, table.higher)]
    header += ["regret"] if table.oracle else []
    header += [f"{percent} interval"] if percent else []
    header += [_metric(name, table.higher) for name in table.metrics[1:]]
    header += [f"{text.metric(table.primary)} (validation)"] if validated else []
    header += [f"{text.metric(name)} (published)" for name in published]
    header += ["audits", "cells"]
    eligible = [row.eligible for row in table.rows]
    marked = {
        name: text.best_two([row.scores.get(name) for row in table.rows], table.higher[name], eligible)
        for name in table.metrics
    }
    body = [_oracle(table, header)] if table.oracle else []
    for index, row in enumerate(table.rows):
        line = [text.or_nothing(row.rank), text.or_nothing(row.tie_group), text.label(row.imputer, row.control_imputer)]
        line.append(text.label(row.fuser, row.control_fuser))
        line.append(marked[table.primary][index] if row.complete else _holes(row))
        line += [_regret(row, table)] if table.oracle else []
        line += [f"{row.interval[0]:.4f}–{row.interval[1]:.4f}" if row.interval else text.NOTHING] if percent else []
        line += [
            text.UNDEFINED if row.complete and name not in row.scores else marked[name][index]
            for name in table.metrics[1:]
        ]
        line += [text.mean(row.validation.get(table.primary))] if validated else []
        line += [_published(row.published, name) for name in published]
        body.append([*line, _audit_count(row.audits), _cells(row)])
    for method in sorted({value.method for value in table.published}):
        values = [value for value in table.published if value.method == method]
        line = ["", "", text.safe(method), ""] + [""] * (len(header) - 6 - len(published))
        body.append([*line, *(_published(values, name) for name in published), "", "published"])
    return header, body


def _oracle(table: Table, header: Sequence[str]) -> list[str]:
    """The row of the best possible prediction, known because the data were generated; above all others, without rank."""
    shown = {_metric(name, table.higher): f"{value:.4f}" for name, value in table.oracle.items()}
    known = {"imputer": "oracle", "fuser": "oracle", "regret": "0", "cells": "best possible"}
    return [{**shown, **known}.get(name, "") for name in header]


def _regret(row: Row, table: Table) -> str:
    """How far a row is from the oracle in the primary metric."""
    if not row.complete or table.primary not in table.oracle:
        return text.NOTHING
    return f"{abs(table.oracle[table.primary] - row.scores[table.primary].mean):.4f}"


def _metric(metric: str, higher: Mapping[str, bool]) -> str:
    return f"{text.metric(metric)} {'↑' if higher[metric] else '↓'}"


def _holes(row: Row) -> str:
    """What stands for the primary score of an incomplete row."""
    return f"{len(row.seeds_ok)} of {text.count(len(row.seeds_planned), 'seed')}" if row.seeds_ok else text.NOTHING


def _published(values: Iterable[PublishedScore], metric: str) -> str:
    texts = [text.mean(Score(v.value, v.std, 1)) for v in values if v.metric == metric]
    return "; ".join(texts)


def _audit_count(audits: Mapping[str, AuditResult]) -> str:
    states = [result.state for result in audits.values()]
    applicable = len(states) - states.count("not applicable")
    if not applicable:
        return text.NOTHING
    failed = f" **{states.count('failed')} failed**" if "failed" in states else ""
    unknown = f", {states.count('not run')} not run" if "not run" in states else ""
    return f"{states.count('passed')}/{applicable}{failed}{unknown}"


def _cells(row: Row) -> str:
    states = ", ".join(f"{count} {status}" for status, count in row.statuses.items())
    reasons = [text.short(reason) for reason in row.reasons]
    if row.nobody:
        reasons.insert(0, f"**nobody has {text.safe(', '.join(row.nobody))}**")
    unranked = f"; **no rank**: {text.short(row.unranked)}" if row.unranked else ""
    return (f"{states} ({'; '.join(reasons)})" if reasons else states) + unranked


def _resolution(table: Table) -> list[str]:
    if table.floor is None or table.floor_corrected is None:
        return []
    pairs = text.count(table.comparisons, "comparison")
    return [
        f"Resolution floor: a true {text.metric(table.primary)} difference of **{table.floor:.4f}** is found with 80 % power "
        f"in one comparison (two-sided, alpha {table.alpha:g}); {table.floor_corrected:.4f} after Holm's correction at "
        f"its strictest ({pairs}, {table.resamples:,} resamples)."
    ]


def _sources(table: Table) -> list[str]:
    beside = [*table.published, *(value for row in table.rows for value in row.published)]
    return [*text.sources(beside), *text.footnotes(table.elsewhere)]


def _gains(gains: Gains, nobody: Mapping[str, Sequence[str]]) -> list[str]:
    """A line per method, a column per pair of modality sets."""
    arrow = "↑" if gains.higher else "↓"
    best = "; ".join(f"{text.safe(name)} {score:.4f} ({text.safe(who)})" for name, (who, score) in gains.best.items())
    said = (
        f"Differences in {text.metric(gains.metric)} {arrow} of the same method on two modality sets, paired in patients and "
        f"seeds, with {100 * (1 - gains.alpha):g} % intervals; **bold** where the interval excludes 0 for the better, "
        f"*italic* for the worse; p after Holm's correction over this table. Best of each set: {best}."
    )
    pairs = list(dict.fromkeys((row.smaller, row.larger) for row in gains.rows))
    at = {(row.smaller, row.larger, row.imputer, row.fuser): row for row in gains.rows}
    body = [
        [text.safe(imputer), text.safe(fuser), *(_gain(at.get((*pair, imputer, fuser))) for pair in pairs)]
        for imputer, fuser in dict.fromkeys((row.imputer, row.fuser) for row in gains.rows)
    ]
    over = {(a, b): f"{text.modalities(b, nobody)} over {text.modalities(a, nobody)}" for a, b in pairs}
    header = ["imputer", "fuser", *over.values()]
    counts = [
        f"{over[smaller, larger]}: the interval excludes 0 for the better in "
        f"{sum(row.better for row in inside)}, for the worse in {sum(row.worse for row in inside)} of "
        f"{text.count(len(inside), 'method')}; after Holm's correction p < {gains.alpha:g} in "
        f"{sum(row.p_holm < gains.alpha for row in inside)}."
        for smaller, larger in pairs
        for inside in [[row for row in gains.rows if (row.smaller, row.larger) == (smaller, larger)]]
    ]
    title = f"## What more modalities add: {text.safe(gains.task)} · {text.safe(gains.scenario)}"
    return [title, said, text.grid(header, body), text.bullets(counts)]


def _gain(row: Gain | None) -> str:
    if row is None:
        return text.NOTHING
    mark = "**" if row.better else "*" if row.worse else ""
    return f"{mark}{row.difference:+.4f}{mark} ({row.low:+.4f} to {row.high:+.4f}; p {row.p_holm:.3g})"


AUDIT_TEXT = {"passed": "pass", "failed": "**FAIL**", "not applicable": "n.a.", "not run": "not run"}


def _audits(tables: Sequence[Table]) -> list[str]:
    """A line per method and table; what failed or was not run is spelt out below."""
    present = {name for table in tables for row in table.rows for name in row.audits}
    names = [name for name in AUDITS if name in present] + sorted(present - set(AUDITS))
    if not names:
        return ["## Audits", "No audit was run."]
    several = len(tables) > 1
    body, details = [], []
    for table in tables:
        place = text.safe(f"{table.task} · {table.modalities} · {table.scenario}")
        for row in sorted(table.rows, key=lambda row: (row.imputer, row.fuser)):
            states = [AUDIT_TEXT[row.audits[name].state] if name in row.audits else text.NOTHING for name in names]
            body.append([place] * several + [text.safe(row.imputer), text.safe(row.fuser), *states])
            about = f"{place}, {text.safe(row.name)}" if several else text.safe(row.name)
            details += [
                f"{text.safe(name)}, {about}, {result.state}: {text.short(result.detail) or 'it has no outcome'}"
                for name, result in row.audits.items()
                if result.state in ("failed", "not run")
            ]
    legend = (
        "Over all seeds of a method. n.a.: does not apply. –: not planned for this method (permuted labels and the "
        "repeated cell are run once per task and fuser)."
    )
    grid = text.grid(["table"] * several + ["imputer", "fuser", *map(text.safe, names)], body)
    return ["## Audits", legend, grid, *([text.bullets(details)] if details else [])]


PROVENANCE = {"manifest": "digest of the data"}
"""Entries of the provenance under another name than in the records."""


def _provenance(board: Board) -> list[str]:
    body = []
    for name, values in board.provenance.items():
        body.append([text.words(PROVENANCE.get(name, name)), text.safe(counted(values))])
    parts = ["## Where these numbers come from", f"    {line(board.command)}"]
    return [*parts, text.grid(["what", "value"], body)] if body else parts


FRONTS = {"parameters": "size", "seconds_per_sample": "speed"}


def _costs(costs: Sequence[Cost]) -> list[str]:
    """The only place with numbers that differ from run to run."""
    said = (
        "Means over ok cells; they differ from run to run. An imputation is made once and shared by fusers. *Pareto "
        "front*: of score and size, or of score and speed: no method of the table is at least as good and at least as cheap, "
        "counting imputer and fuser together, and better in one of the two; parameters that are not "
        "counted (0) have no place there."
    )
    parts = ["## Costs", said]
    for place, group in groupby(costs, key=lambda cost: f"{cost.task} · {cost.modalities} · {cost.scenario}"):
        inside = list(group)
        stages = {name for cost in inside for name in cost.values if name.endswith("_seconds") or name == "seconds"}
        ordered = sorted(stages, key=_stage_order)
        fuser_only = any(cost.fuser_only for cost in inside)
        whole = "fuser alone" if fuser_only else "whole"
        header = [
            "imputer",
            "fuser",
            "score",
            "Pareto front",
            f"ms per sample ({whole})",
            "parameters",
            *(f"{_stage(name)} s" for name in ordered),
        ]
        header += ["ms per sample (fuser)", "peak memory MiB", "device", "cells"]
        body = []
        for cost in inside:
            values = cost.values
            line = [text.safe(cost.imputer), text.safe(cost.fuser), text.number(cost.score, 4)]
            line.append(", ".join(FRONTS[name] for name in cost.front) or text.NOTHING)
            line.append(text.number(cost.whole.get("seconds_per_sample"), 3, 1e3))
            line.append(text.number(values.get("parameters"), 0))
            line += [text.number(values.get(name), 2) for name in ordered]
            line.append(text.number(values.get("seconds_per_sample"), 3, 1e3))
            line.append(text.number(values.get("peak_memory_bytes"), 0, 1 / 2**20))
            body.append([*line, text.safe(cost.device) or text.NOTHING, str(cost.cells)])
        parts += [f"### {text.safe(place)}", text.grid(header, body)]
    return parts


def _stage(name: str) -> str:
    return text.words(name.removesuffix("_seconds"))


def _stage_order(name: str) -> tuple[int, str]:
    order = ("impute", "fit", "predict")
    return next((k for k, stage in enumerate(order) if name.startswith(stage)), len(order)), name
