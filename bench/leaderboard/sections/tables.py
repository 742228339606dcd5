"""A table per task, modality set and scenario: every method in its row, ranks and ties only
among rows without a hole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from bench.data.splits import CROSSING
from bench.figures.looks import Looks
from bench.leaderboard import published
from bench.leaderboard.audited import OF_CELL, AuditResult, audit_results, failure
from bench.leaderboard.blocks import (
    Block,
    Cell,
    Column,
    Heading,
    Interval,
    Marked,
    Missing,
    Notes,
    Number,
    Paragraph,
    Rich,
    Table,
    failed,
    joined,
    strong,
)
from bench.leaderboard.blocks import passed as good
from bench.leaderboard.board import Board, Cells, Section, higher_is_better
from bench.leaderboard.rows import Row, best_two, cell, forget_lonely_fuser, row_of
from bench.leaderboard.sections import head
from bench.leaderboard.standings import figures
from bench.leaderboard.statements import EDITED, counts, protocol_notes, split_notes
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import CORRECTIONS, capital, count, metric, percent, short, some, spaced
from bench.results.coordinates import Method, Repeat, TableKey, in_words, table_of
from bench.results.records import Statistics, TaskSummary
from bench.statistics.ties import resolution_floor, tie_groups

UNDEFINED = Missing("NaN")

QUIET = ("skipped", "not-run")
"""Statuses of cells that neither ended well nor failed."""


def aggregate(board: Board) -> list[TaskTable]:
    tasks = {task.name: task for task in board.export.tasks}
    return [
        _table(board, key, tasks.get(key.task) or TaskSummary(key.task, "unknown", _metrics(methods)), methods)
        for key, methods in board.methods.items()
    ]


def _metrics(methods: Mapping[Method, Cells]) -> tuple[str, ...]:
    names = {name for cells in methods.values() for record in cells.values() if record for name in record.scores}
    return tuple(sorted(names)) or ("score",)


def _table(board: Board, key: TableKey, task: TaskSummary, methods: Mapping[Method, Cells]) -> TaskTable:
    export, primary = board.export, task.metrics[0]
    rows = {}
    edited = frozenset(export.edited)
    for method, cells in methods.items():
        each = rows[method] = row_of(export, method, cells, task)
        if any(record and record.key in edited for record in cells.values()):
            each.reasons.append(EDITED)
        each.audits = audit_results(cells, board.audits.get(method, {}))
        each.unranked = failure(each.audits)
    forget_lonely_fuser(rows.values())
    sign = -1 if higher_is_better(export, primary) else 1
    ranked = sorted((m for m in rows if rows[m].eligible), key=lambda m: (sign * rows[m].scores[primary].mean, m))
    for place, method in enumerate(ranked):
        before = rows[ranked[place - 1]] if place else None
        tied = before is not None and before.scores[primary].mean == rows[method].scores[primary].mean
        rows[method].rank = before.rank if tied and before else place + 1
    rest = sorted(rows.keys() - set(ranked), key=lambda m: (not rows[m].complete, not rows[m].seeds_ok, m))
    inside = [record for cells in methods.values() for record in cells.values() if record]
    agreed, different = counts(inside)
    notes = [*split_notes(export, inside, agreed.pop(CROSSING, None)), *protocol_notes(export, inside), *different]
    notes += _unranked_notes(rows.values())
    notes += _completing_notes(rows.values(), export.completing)
    seeds = sorted({seed for each in rows.values() for seed in each.seeds_planned})
    compared = _compare(key, primary, seeds, ranked, rows, export.statistics, notes)
    table = TaskTable(
        **msgspec.structs.asdict(key),
        **compared,
        summary=task.summary,
        primary=primary,
        metrics=list(task.metrics),
        higher={name: higher_is_better(export, name) for name in task.metrics},
        seeds=seeds,
        counts=agreed,
        oracle=_oracle(methods),
        rows=[rows[method] for method in [*ranked, *rest]],
        notes=notes,
        published=[],
        elsewhere=[],
    )
    _place_published(board, table)
    return table


def _unranked_notes(rows: Collection[Row]) -> Iterator[str]:
    """How many rows lost their rank to an audit, and what an audit that was run for one row
    alone means for the others.
    """
    lost = [row for row in rows if row.unranked]
    if lost:
        failed = f"{len(lost)} of {len(rows)} methods failed an audit and have no rank"
        yield Rich(strong(failed), "; the rows say which.")
    for row in lost:
        once = [name for name in OF_CELL.values() if name in row.audits and row.audits[name].state == "failed"]
        if once and any(other.fuser == row.fuser and not other.unranked for other in rows):
            rest = f" It is run once per task and fuser: other rows of {row.fuser} were not tried."
            yield Rich(strong(f"{', '.join(once)} failed for {row.name}."), rest)


def _completing_notes(rows: Collection[Row], completing: Collection[tuple[str, str]]) -> Iterator[str]:
    """What rows are whose fuser completes by itself. completing: `Export.completing`."""
    pairs = sorted(row.pair for row in rows if row.pair in completing)
    if pairs:
        named = some([f"{imputer} + {fuser}" for imputer, fuser in pairs], 6)
        yield (
            f"The fuser completes the series by itself, so its imputer is no control: {named}. Its completion is scored among "
            "the imputers."
        )


def _oracle(methods: Mapping[Method, Cells]) -> dict[str, float]:
    """What the oracle scores on the table's test records; the same for every cell, or nothing."""
    scores = {
        tuple(sorted(record.oracle.items()))
        for cells in methods.values()
        for record in cells.values()
        if record and record.status == "ok"
    }
    return dict(scores.pop()) if len(scores) == 1 else {}


def _compare(
    key: TableKey,
    primary: str,
    seeds: list[Repeat],
    ranked: list[Method],
    rows: Mapping[Method, Row],
    statistics: Statistics | None,
    notes: list[str],
) -> dict[str, Any]:
    """Fields of the table: alpha, correction, comparisons, resamples and the resolution floor,
    where stored comparisons are of this table.

    Gives ranked rows their intervals and tie groups. `notes` then hold what a reader must know
    about controls, or why there is no comparison.
    """
    if not ranked:
        complete = any(row.complete for row in rows.values())
        why = "Every method that has all of its seeds failed an audit" if complete else "No method has all of its seeds"
        notes.append(f"{why}: nothing is ranked.")
        return {}
    about = [t for t in (statistics.tables if statistics else []) if table_of(t) == key]
    stored = next((t for t in about if t.metric == primary), None)
    intervals = {i.method: i for i in (statistics.intervals if statistics else []) if i.metric == primary}
    unknown = "ties, and whether a control ties with the winner, are not known"
    if statistics is None or stored is None:
        notes.append(f"No comparisons are stored: {unknown}.")
        return {}
    if stored.reason and not set(ranked) & intervals.keys():
        notes.append(f"No method is compared, so {unknown}: {stored.reason}.")
        return {}
    if list(stored.seeds) != seeds or not set(ranked) <= intervals.keys():
        why = f" ({stored.reason})" if stored.reason else ""
        notes.append(f"The stored comparisons are of other cells than this table{why}: {unknown}.")
        return {}
    if stored.reason:
        notes.append(f"{capital(stored.reason)}.")
    primaries = [c for c in statistics.comparisons if c.metric == primary]
    among = set(ranked)
    comparisons = [c for c in primaries if {c.a, c.b} <= among]
    for method, group in zip(ranked, tie_groups(ranked, comparisons, statistics.alpha), strict=True):
        rows[method].tie_group = group
        rows[method].interval = intervals[method].low, intervals[method].high
    notes.append(_control_note([rows[method] for method in ranked]))
    one_metric = msgspec.structs.replace(statistics, comparisons=primaries, tables=[stored])
    return {
        "alpha": statistics.alpha,
        "correction": statistics.correction,
        "resamples": stored.resamples,
        "comparisons": sum(table_of(c.a) == key for c in primaries),
        "floor": resolution_floor(one_metric, key),
        "floor_corrected": resolution_floor(one_metric, key, corrected=True),
    }


def _control_note(ranked: list[Row]) -> str:
    """What the controls say about the winner; ranked rows, best first."""
    winner = ranked[0]
    tied = [row.name for row in ranked[1:] if row.control and row.tie_group == 1]
    if winner.control:
        return Rich(strong("The winner is a control"), f": {winner.name}.")
    if tied:
        verb = "control ties" if len(tied) == 1 else "controls tie"
        named = some(tied, 5 if len(tied) > 6 else 6)
        return Rich(strong(f"{len(tied)} {verb} with the winner"), f" ({winner.name}): {named}.")
    if any(row.control for row in ranked):
        return f"No control ties with the winner ({winner.name})."
    none = strong("No control has a rank in this table")
    return Rich(none, ", so it does not show what the winner gains over one.")


def _place_published(board: Board, table: TaskTable) -> None:
    """Put each published value into the row it names (`imputer + fuser`, or a name only one row
    bears), else below; one that was not measured on these data into a footnote.
    """
    lacking = sorted({name for row in table.rows for name in row.nobody})
    for value in published.published(board.export, table.task, table, lacking):
        wanted = "".join(value.method.split())
        rows = [row for row in table.rows if row.name.replace(" ", "") == wanted]
        rows = rows or [row for row in table.rows if wanted in row.pair]
        place = table.elsewhere if value.elsewhere else rows[0].published if len(rows) == 1 else table.published
        place.append(value)


def blocks(board: Board) -> list[Block]:
    every = board[SECTION]
    opening = next((table for table in every if table.eligible), None)
    above = set(board[head.SECTION].notes)
    return [b for table in every for b in _blocks(table, None if table is opening else board.looks, above)]


def _blocks(table: TaskTable, looks: Looks | None, above: Collection[str]) -> list[Block]:
    """looks: None for the table whose pictures open the page. above: notes that hold for all
    tables.
    """
    summary = capital(table.summary.rstrip("."))
    about = [f"{summary}." if summary else "", _counts(table.counts), f"{capital(in_words(table.seeds))}."]
    beside = [*table.published, *(value for row in table.rows for value in row.published)]
    notes = [
        *(note for note in table.notes if note not in above),
        *_resolution(table),
        *published.below(beside, table.elsewhere),
    ]
    title, paragraph = Heading(2, table.title), Paragraph(" ".join(filter(None, about)))
    return [title, *(figures(table, looks) if looks else ()), paragraph, _main(table), Notes(notes)]


def _counts(counts: Mapping[str, int]) -> str:
    known = [name for name in ("train", "valid", "test", "positives", "left_out") if name in counts]
    names = [*known, *sorted(counts.keys() - set(known))]
    shown = (f"{counts[name]:,} {'positive in test' if name == 'positives' else spaced(name)}" for name in names)
    return f"Records: {', '.join(shown)}." if names else ""


def _main(table: TaskTable) -> Table:
    """Columns without a value are left out."""
    primary, others = table.primary, table.metrics[1:]
    foreign = [m for m in table.metrics if any(v.metric == m for row in table.rows for v in row.published)]
    foreign += [m for m in table.metrics if m not in foreign and any(v.metric == m for v in table.published)]
    validated = any(primary in row.validation for row in table.rows)
    columns = [Column("rank"), Column("tie group"), Column("imputer"), Column("fuser"), _column(table, primary)]
    columns += [Column("regret")] if table.oracle else []
    columns += [Column(f"{percent(table.alpha)} interval")] if table.alpha else []
    columns += [_column(table, name) for name in others]
    columns += [Column(f"{metric(primary)} (validation)")] if validated else []
    columns += [Column(f"{metric(name)} (published)") for name in foreign]
    columns += [Column("audits"), Column("cells")]
    eligible = [row.eligible for row in table.rows]
    marked = {
        name: best_two([row.scores.get(name) for row in table.rows], table.higher[name], eligible)
        for name in table.metrics
    }
    body = [_oracle_line(table, columns)] if table.oracle else []
    for index, row in enumerate(table.rows):
        line: list[Cell] = [row.rank, row.tie_group, *row.labels]
        line.append(marked[primary][index] if row.complete else _holes(row))
        line += [_regret(row, table)] if table.oracle else []
        line += [Interval(*row.interval) if row.interval else None] if table.alpha else []
        line += [UNDEFINED if row.complete and m not in row.scores else marked[m][index] for m in others]
        line += [cell(row.validation.get(primary))] if validated else []
        line += [published.cell(row.published, name) for name in foreign]
        body.append([*line, _audit_count(row.audits), _cells(row)])
    for method in sorted({value.method for value in table.published}):
        values = [value for value in table.published if value.method == method]
        empty = [""] * (len(columns) - 6 - len(foreign))
        body.append(["", "", method, "", *empty, *(published.cell(values, name) for name in foreign), "", "published"])
    return Table(columns, body)


def _column(table: TaskTable, name: str) -> Column:
    return Column(metric(name), table.higher[name])


def _oracle_line(table: TaskTable, columns: Sequence[Column]) -> list[Cell]:
    """The row of the best possible prediction, known because the data were generated; above all
    others, without rank.
    """
    known: dict[Column, Cell] = {_column(table, name): Number(value) for name, value in table.oracle.items()}
    known |= {Column("imputer"): "oracle", Column("fuser"): "oracle", Column("regret"): 0}
    return [{**known, Column("cells"): "best possible"}.get(column, "") for column in columns]


def _regret(row: Row, table: TaskTable) -> Cell:
    """How far a row is from the oracle in the primary metric."""
    if not row.complete or table.primary not in table.oracle:
        return None
    return Number(abs(table.oracle[table.primary] - row.scores[table.primary].mean))


def _holes(row: Row) -> Cell:
    """What stands for the primary score of an incomplete row."""
    return Missing(f"{len(row.seeds_ok)} of {count(len(row.seeds_planned), 'seed')}") if row.seeds_ok else None


def _audit_count(audits: Mapping[str, AuditResult]) -> Cell:
    states = [result.state for result in audits.values()]
    applicable = len(states) - states.count("not applicable")
    if not applicable:
        return None
    passed = f"{states.count('passed')}/{applicable}"
    unknown = f", {states.count('not run')} not run" if "not run" in states else ""
    broken = states.count("failed")
    return Rich(passed, " ", failed(f"{broken} failed"), unknown) if broken else Rich(good(passed), unknown)


def _cells(row: Row) -> str:
    """How many cells have which status, and why. Where it is so, it also says that no record has a
    modality and that the row has no rank.
    """
    states = joined(", ", [_state(f"{count} {status}", status) for status, count in row.statuses.items()])
    alone = next(iter(row.statuses)) if len(row.statuses) == 1 else ""
    reasons = "; ".join(short(reason.removeprefix(f"{alone}: ")) for reason in row.reasons)
    if not row.nobody and not row.unranked:
        return Rich(states, f" ({reasons})") if reasons else states
    lacking: list[str | Marked] = [strong(f"no record has {', '.join(row.nobody)}")] if row.nobody else []
    inside: list[str | Marked] = [*lacking, "; " * bool(lacking and reasons), reasons]
    why: list[str | Marked] = [" (", *inside, ")"] if any(inside) else []
    unranked: list[str | Marked] = ["; ", strong("no rank"), f": {short(row.unranked)}"] if row.unranked else []
    return Rich(states, *why, *unranked)


def _state(text: str, status: str) -> str | Marked:
    return good(text) if status == "ok" else text if status in QUIET else failed(text)


def _resolution(table: TaskTable) -> list[str]:
    if table.floor is None or table.floor_corrected is None:
        return []
    return [
        Rich(
            f"Resolution floor: a true {metric(table.primary)} difference of ",
            strong(f"{table.floor:.4f}"),
            f" is found with 80 % power in one comparison (two-sided, alpha {table.alpha:g}); {table.floor_corrected:.4f} "
            f"as the first of {count(table.comparisons, 'comparison')} (p adjusted by {CORRECTIONS[table.correction]}; "
            f"{table.resamples:,} resamples).",
        )
    ]


SECTION = Section("tables", aggregate, blocks)
