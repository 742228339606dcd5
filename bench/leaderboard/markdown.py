"""A board as Markdown, for a person: formats and sentences only, no numbers of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from tabulate import tabulate

from bench.leaderboard.audits import AUDITS
from bench.leaderboard.board import AuditResult, Board, Cost, Imputation, PublishedScore, Row, Score, Table

NAMES = {"auroc": "AUROC", "auprc": "AUPRC", "f1": "F1", "mae": "MAE", "rmse": "RMSE", "crps": "CRPS"}
LONGEST_REASON = 160
NOTHING = "–"

HOW_TO_READ = """\
**Scores** are of the test part: mean ± sample standard deviation over the planned seeds. A row with a missing or failed
seed has no mean and no rank. The best of a column is **bold**, the second <u>underlined</u>; equal when printed is
equal. **Tie groups**: the best method leads group 1 together with all that cannot be told apart from it; the best of
the rest leads group 2, and so on. **Intervals and comparisons**: paired bootstrap over patients and seeds; Holm's
correction over all pairs of a table. **†** marks a control. **Audits**: passed / applicable. docs/results.md
explains all of it."""


def to_markdown(board: Board) -> str:
    """The whole leaderboard; ends with a newline."""
    parts = [_head(board)]
    for table in board.tables:
        parts.extend(_table(table))
    if board.imputation:
        parts.append("## Imputation of hidden entries")
        parts.append("On entries that were recorded and then hidden, test part, standardised scale. Lower is better.")
        for imputation in board.imputation:
            parts.extend(_imputation(imputation))
    parts.extend(_audits(board.tables))
    parts.append("## How to read this\n\n" + HOW_TO_READ)
    parts.extend(_provenance(board))
    if board.costs is not None:
        parts.extend(_costs(board.costs))
    return "\n\n".join(parts) + "\n"


def _head(board: Board) -> str:
    synthetic = "synthetic cohort" if board.synthetic else ""
    title = f"# {_safe(board.title)}" + (f" ({synthetic})" if synthetic else "")
    cells = sum(board.statuses.values())
    states = ", ".join(f"{count} {status}" for status, count in board.statuses.items())
    lines = [title, "", f"Suite `{board.suite}`, dataset `{board.dataset}`; {_count(cells, 'planned cell')}: {states}."]
    if synthetic:
        lines += ["", "**The patients of this leaderboard were generated**: its numbers say nothing about real ones."]
    lines += [line for note in board.notes for line in ("", note)]
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    parts = [f"## {_safe(table.task)} · {_safe(table.modalities)} · {_safe(table.scenario)}"]
    about = [_sentence(table.summary), _counts(table.counts)]
    seeds = ", ".join(str(seed) for seed in table.seeds)
    about.append(f"Seed{'s' * (len(table.seeds) != 1)}: {seeds}.")
    parts.append(" ".join(sentence for sentence in about if sentence))
    parts.append(_grid(*_rows(table)))
    parts.append(_bullets([*table.notes, *_resolution(table), *_sources(table)]))
    return [part for part in parts if part]


def _sentence(text: str) -> str:
    text = _safe(text).rstrip(".")
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _counts(counts: Mapping[str, int]) -> str:
    known = [name for name in ("train", "valid", "test", "positives", "left_out") if name in counts]
    names = [*known, *sorted(counts.keys() - set(known))]
    shown = (f"{counts[name]:,} {'positive in test' if name == 'positives' else _words(name)}" for name in names)
    return f"Records: {', '.join(shown)}." if names else ""


def _words(name: str) -> str:
    return name.replace("_", " ")


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
    header += [f"{_name(table.primary)} (validation)"] if validated else []
    header += [f"{_name(name)} (published)" for name in published]
    header += ["audits", "cells"]
    marked = {
        name: best_two([row.scores.get(name) for row in table.rows], table.higher[name]) for name in table.metrics
    }
    body = [_oracle(table, header)] if table.oracle else []
    for index, row in enumerate(table.rows):
        line = [_or_nothing(row.rank), _or_nothing(row.tie_group), _label(row.imputer, row.control_imputer)]
        line.append(_label(row.fuser, row.control_fuser))
        line.append(marked[table.primary][index] if row.complete else _holes(row))
        line += [_regret(row, table)] if table.oracle else []
        line += [f"{row.interval[0]:.4f}–{row.interval[1]:.4f}" if row.interval else NOTHING] if percent else []
        line += [marked[name][index] for name in table.metrics[1:]]
        line += [_score(row.validation.get(table.primary))] if validated else []
        line += [_published(row.published, name) for name in published]
        body.append([*line, _audit_count(row.audits), _cells(row)])
    for method in sorted({value.method for value in table.published}):
        values = [value for value in table.published if value.method == method]
        line = ["", "", _safe(method), ""] + [""] * (len(header) - 6 - len(published))
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
        return NOTHING
    return f"{abs(table.oracle[table.primary] - row.scores[table.primary].mean):.4f}"


def _name(metric: str) -> str:
    return NAMES.get(metric, metric.capitalize())


def _metric(metric: str, higher: Mapping[str, bool]) -> str:
    return f"{_name(metric)} {'↑' if higher[metric] else '↓'}"


def _or_nothing(value: object) -> str:
    return NOTHING if value is None else str(value)


def _score(score: Score | None) -> str:
    if score is None:
        return NOTHING
    return f"{score.mean:.4f}" if score.std is None else f"{score.mean:.4f} ± {score.std:.4f}"


def _holes(row: Row) -> str:
    """What stands for the primary score of an incomplete row."""
    return f"{len(row.seeds_ok)} of {_count(len(row.seeds_planned), 'seed')}" if row.seeds_ok else NOTHING


def best_two(scores: Sequence[Score | None], higher: bool) -> list[str]:
    """Scores as text, the best bold and the second underlined. Means that print the same are the same."""
    means = sorted({f"{score.mean:.4f}" for score in scores if score}, key=float, reverse=higher)
    marks = dict(zip(means[:2], ("**{}**", "<u>{}</u>"), strict=False))
    return [marks.get(f"{score.mean:.4f}", "{}").format(_score(score)) if score else NOTHING for score in scores]


def _label(name: str, control: bool) -> str:
    return f"{_safe(name)} †" if control else _safe(name)


def _published(values: Iterable[PublishedScore], metric: str) -> str:
    texts = [_score(Score(v.value, v.std, 1)) for v in values if v.metric == metric]
    return "; ".join(texts)


def _audit_count(audits: Mapping[str, AuditResult]) -> str:
    states = [result.state for result in audits.values()]
    applicable = len(states) - states.count("not applicable")
    if not applicable:
        return NOTHING
    failed = f" **{states.count('failed')} failed**" if "failed" in states else ""
    unknown = f", {states.count('not run')} not run" if "not run" in states else ""
    return f"{states.count('passed')}/{applicable}{failed}{unknown}"


def _cells(row: Row) -> str:
    states = ", ".join(f"{count} {status}" for status, count in row.statuses.items())
    reasons = "; ".join(_short(reason) for reason in row.reasons)
    return f"{states} ({reasons})" if reasons else states


def _short(reason: str) -> str:
    text = _safe(reason)
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1].rstrip("\\ ") + "…"


def _safe(text: str) -> str:
    """One line that breaks neither the table nor the page."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _resolution(table: Table) -> list[str]:
    if table.floor is None or table.floor_corrected is None:
        return []
    pairs = _count(table.comparisons, "comparison")
    return [
        f"Resolution floor: a true {_name(table.primary)} difference of **{table.floor:.4f}** is found with 80 % power "
        f"in one comparison (two-sided, alpha {table.alpha:g}); {table.floor_corrected:.4f} after Holm's correction at "
        f"its strictest ({pairs}, {table.resamples:,} resamples)."
    ]


def _sources(table: Table) -> list[str]:
    values = [*table.published, *(value for row in table.rows for value in row.published)]
    sources = sorted({f"{value.method}: {value.source}" for value in values if value.source})
    return [f"Published by others, on their data and split: {'; '.join(map(_safe, sources))}."] if sources else []


def _imputation(table: Imputation) -> list[str]:
    parts = [f"### {_safe(table.modalities)} · {_safe(table.scenario)}"]
    if table.realised is not None and table.expected is not None:
        entries = ", ".join(f"{name} {value:,.0f}" for name, value in table.entries.items())
        parts.append(
            f"Hidden: {100 * table.realised:.2f} % realised, {100 * table.expected:.2f} % expected (whole cohort, mean "
            f"over seeds). Entries scored per seed: {entries}."
        )
    header, columns = ["imputer"], [[_label(row.imputer, row.control) for row in table.rows]]
    for metric in table.metrics:
        for modality in table.columns:
            scores = [row.scores.get(modality, {}).get(metric) for row in table.rows]
            if any(scores):
                header.append(f"{_name(metric)} {modality}")
                columns.append(best_two(scores, higher=False))
    header.append("seeds")
    columns.append([f"{len(row.seeds_scored)} of {len(row.seeds_planned)}" for row in table.rows])
    parts.append(_grid(header, [list(line) for line in zip(*columns, strict=True)]))
    notes = [*table.notes]
    if table.silent:
        notes.append(f"Without scores, since they fill nothing or have no ok cell: {', '.join(table.silent)}.")
    return [*parts, _bullets(notes)] if notes else parts


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


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
        place = _safe(f"{table.task} · {table.modalities} · {table.scenario}")
        for row in sorted(table.rows, key=lambda row: (row.imputer, row.fuser)):
            states = [AUDIT_TEXT[row.audits[name].state] if name in row.audits else NOTHING for name in names]
            body.append([place] * several + [_safe(row.imputer), _safe(row.fuser), *states])
            about = f"{place}, {_safe(row.name)}" if several else _safe(row.name)
            details += [
                f"{name}, {about}, {result.state}: {_short(result.detail) or 'it has no outcome'}"
                for name, result in row.audits.items()
                if result.state in ("failed", "not run")
            ]
    legend = (
        "Over all seeds of a method. n.a.: does not apply. –: not planned for this method (permuted labels and the "
        "repeated cell are run once per task and fuser)."
    )
    grid = _grid(["table"] * several + ["imputer", "fuser", *names], body)
    return ["## Audits", legend, grid, *([_bullets(details)] if details else [])]


def _provenance(board: Board) -> list[str]:
    body = []
    for name, values in board.provenance.items():
        if len(values) == 1:
            shown = next(iter(values))
        else:
            shown = "; ".join(f"{value or NOTHING} ({_count(n, 'record')})" for value, n in values.items())
        body.append([_words(name), _safe(shown) or NOTHING])
    parts = ["## Where these numbers come from", f"    {board.command}"]
    return [*parts, _grid(["what", "value"], body)] if body else parts


def _costs(costs: Sequence[Cost]) -> list[str]:
    """The only place with numbers that differ from run to run."""
    said = "Means over ok cells; they differ from run to run. An imputation is made once and shared by fusers."
    parts = ["## Costs", said]
    for place, group in groupby(costs, key=lambda cost: f"{cost.task} · {cost.modalities} · {cost.scenario}"):
        inside = list(group)
        stages = {name for cost in inside for name in cost.values}
        ordered = sorted(stages - {"parameters", "seconds_per_sample", "peak_memory_bytes"}, key=_stage_order)
        header = ["imputer", "fuser", "parameters", *(f"{_stage(name)} s" for name in ordered)]
        header += ["ms per sample", "peak memory MiB", "device", "cells"]
        body = []
        for cost in inside:
            values = cost.values
            line = [_safe(cost.imputer), _safe(cost.fuser), _number(values.get("parameters"), 0)]
            line += [_number(values.get(name), 2) for name in ordered]
            line.append(_number(values.get("seconds_per_sample"), 3, 1e3))
            line.append(_number(values.get("peak_memory_bytes"), 0, 1 / 2**20))
            body.append([*line, _safe(cost.device) or NOTHING, str(cost.cells)])
        parts += [f"### {_safe(place)}", _grid(header, body)]
    return parts


def _stage(name: str) -> str:
    return _words(name.removesuffix("_seconds"))


def _stage_order(name: str) -> tuple[int, str]:
    order = ("impute", "fit", "predict")
    return next((k for k, stage in enumerate(order) if name.startswith(stage)), len(order)), name


def _number(value: float | None, digits: int, scale: float = 1.0) -> str:
    return NOTHING if value is None else f"{value * scale:,.{digits}f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _grid(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A pipe table; cells are text already and are not to be taken for numbers."""
    return tabulate(body, header, tablefmt="github", disable_numparse=True)
