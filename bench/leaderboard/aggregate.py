"""From an export to a board: every planned cell in its row, means only over complete rows, ranks, ties and notes."""

from __future__ import annotations

import statistics as plain
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec

from bench.data.release import GENERATED, elsewhere
from bench.data.splits import CROSSING
from bench.leaderboard.board import Board, Cost, PublishedScore, Row, Score, Table
from bench.leaderboard.render.text import safe
from bench.leaderboard.sections.agreement import agreements
from bench.leaderboard.sections.attribution import attributions
from bench.leaderboard.sections.audits import OF_CELL, audit_results, failure
from bench.leaderboard.sections.gains import gain_tables
from bench.leaderboard.sections.imputation import curves, imputation_tables, imputer_costs
from bench.leaderboard.sections.marginal import marginals
from bench.leaderboard.sections.pareto import place_costs
from bench.leaderboard.sections.patterns import calibration_tables, pattern_tables
from bench.leaderboard.sections.statements import (
    EDITED,
    counted,
    counts,
    nobody,
    protocol_notes,
    provenance,
    split_notes,
    title,
)
from bench.metrics.predictions import METRICS
from bench.results.export_file import finite
from bench.results.records import (
    IMPUTATION,
    STATUSES,
    Coordinates,
    Export,
    ImputationStatistics,
    Method,
    Record,
    Statistics,
    TableKey,
    TaskSummary,
    method_of,
    table_of,
)
from bench.results.redact import redact_command, redact_text
from bench.statistics.paired import resolution_floor, tie_groups

Cells = dict[Coordinates, Record | None]
"""Every planned cell in the order of the plan, with its record, or None where it was not run."""


def higher_is_better(metric: str) -> bool:
    """The direction of a metric; metrics this version does not know count as larger is better."""
    return METRICS[metric].higher if metric in METRICS else True


def _undefinable(metric: str) -> bool:
    """Whether a record may be whole without that metric: it was not defined, as a correlation with a constant."""
    return metric in METRICS and METRICS[metric].undefinable


def join(export: Export) -> tuple[Cells, list[str]]:
    """The planned cells with their records, and notes on records that are not shown.

    A record belongs to a planned cell when coordinates and key agree; one that was made from other sources, parameters
    or data has another key and is not a result of this plan. Two records of one key are the same result twice.
    """
    found: dict[tuple[Coordinates, str], Record] = {}
    for record in export.records:
        at = record.coordinates, record.key
        if at not in found or _preference(record) < _preference(found[at]):
            found[at] = record
    cells: Cells = {at: found.pop((at, key), None) for at, key in export.planned}
    cells = {at: finite(record) if record else None for at, record in cells.items()}
    others = f"{len(found)} record{'s are' if len(found) > 1 else ' is'} of another plan or of edited sources"
    return cells, [f"{others}: not shown."] if found else []


def _preference(record: Record) -> tuple[bool, bytes]:
    return record.status != "ok", msgspec.json.encode(record, order="deterministic")


def aggregate(export: Export, cells: Cells, notes: Sequence[str] = (), wall_costs: bool = True) -> Board:
    """The board of an export and of what `join` made of it. Pure; the order of `export.records` changes nothing.

    wall_costs=False leaves out all that differs from run to run of the same cells: seconds and memory.
    """
    tasks = {task.name: task for task in export.tasks}
    tables: dict[TableKey, dict[Method, Cells]] = {}
    audit_cells: dict[Method, Cells] = {}
    for at, record in cells.items():
        method = method_of(at)
        if at.audit:
            audit_cells.setdefault(method, {})[at] = record
        else:
            tables.setdefault(table_of(method), {}).setdefault(method, {})[at] = record
    made = []
    for key, methods in tables.items():
        task = tasks.get(key.task) or TaskSummary(key.task, "unknown", _metrics(methods))
        made.append(_table(export, key, task, methods, audit_cells))
    records = [record for record in cells.values() if record]
    inside = list(tables.values())
    costs = _costs(tables) if wall_costs else None
    if costs is not None:
        place_costs(costs, made)
    scored = {at: record for at, record in cells.items() if not at.audit}
    imputation = imputation_tables(scored, export)
    for each in imputation:
        place = each.modalities, each.scenario
        its = [record for at, record in scored.items() if record and (at.modalities, at.scenario) == place]
        each.notes += [*split_notes(export, its), *protocol_notes(export, its)]
        found = _published(export, IMPUTATION, each.modalities, each.scenario, nobody(its))
        each.published = [value for value in found if not value.elsewhere]
        each.elsewhere = [value for value in found if value.elsewhere]
    return Board(
        schema=export.schema,
        suite=export.suite,
        profile=export.profile,
        overrides=export.overrides,
        title=title(export, records),
        dataset=export.dataset,
        release=GENERATED if export.synthetic else export.release,
        synthetic=export.synthetic,
        command=redact_command(export.command),
        statuses=_statuses(scored),
        tables=made,
        imputation=imputation,
        provenance=provenance(records),
        notes=[*split_notes(export, records), *protocol_notes(export, records), *notes],
        nobody={
            name: lacking
            for name in dict.fromkeys(at.modalities for at in cells)
            if (lacking := nobody(record for at, record in cells.items() if record and at.modalities == name))
        },
        costs=costs,
        gains=gain_tables(export.statistics, made),
        curves=curves(imputation, export.statistics.imputation if export.statistics else ImputationStatistics()),
        agreements=agreements(made, imputation, export.statistics),
        attributions=attributions(made, inside, export.statistics),
        marginals=marginals(export, made),
        patterns=pattern_tables(made, inside),
        calibrations=calibration_tables(made, inside),
        imputer_costs=imputer_costs(scored) if wall_costs else None,
    )


def _metrics(methods: Mapping[Method, Cells]) -> tuple[str, ...]:
    names = {name for cells in methods.values() for record in cells.values() if record for name in record.scores}
    return tuple(sorted(names)) or ("score",)


def _statuses(cells: Cells) -> dict[str, int]:
    counted = Counter(record.status if record else "not-run" for record in cells.values())
    return {status: counted[status] for status in STATUSES if counted[status]}


def _table(
    export: Export,
    key: TableKey,
    task: TaskSummary,
    methods: Mapping[Method, Cells],
    audit_cells: Mapping[Method, Cells],
) -> Table:
    primary = task.metrics[0]
    rows = {}
    edited = frozenset(export.edited)
    for method, cells in methods.items():
        row = rows[method] = _row(export, method, cells, task)
        if any(record and record.key in edited for record in cells.values()):
            row.reasons.append(EDITED)
        row.audits = audit_results(cells, audit_cells.get(method, {}))
        row.unranked = failure(row.audits)
    _forget_lonely_fuser(rows.values())
    sign = -1 if higher_is_better(primary) else 1
    ranked = sorted((m for m in rows if rows[m].eligible), key=lambda m: (sign * rows[m].scores[primary].mean, m))
    for place, method in enumerate(ranked):
        before = rows[ranked[place - 1]] if place else None
        tied = before is not None and before.scores[primary].mean == rows[method].scores[primary].mean
        rows[method].rank = before.rank if tied and before else place + 1
    rest = sorted(rows.keys() - set(ranked), key=lambda m: (not rows[m].complete, not rows[m].seeds_ok, m))
    inside = [record for cells in methods.values() for record in cells.values() if record]
    found, different = counts(inside)
    notes = [*split_notes(export, inside, found.pop(CROSSING, None)), *protocol_notes(export, inside), *different]
    table = Table(
        task=task.name,
        summary=task.summary,
        modalities=key.modalities,
        scenario=key.scenario,
        primary=primary,
        metrics=list(task.metrics),
        higher={metric: higher_is_better(metric) for metric in task.metrics},
        seeds=sorted({seed for row in rows.values() for seed in row.seeds_planned}),
        counts=found,
        oracle=_oracle(methods),
        rows=[rows[method] for method in [*ranked, *rest]],
        notes=notes,
    )
    table.notes += _unranked_notes(table.rows)
    _compare(table, key, ranked, rows, export.statistics)
    _place_published(table, key, export)
    return table


def _unranked_notes(rows: Collection[Row]) -> list[str]:
    """How many rows lost their rank to an audit, and what an audit that was run for one row alone means for the others."""
    lost = [row for row in rows if row.unranked]
    notes = [f"**{len(lost)} of {len(rows)} methods failed an audit and have no rank**; the rows say which."] * bool(
        lost
    )
    for row in lost:
        once = [name for name in OF_CELL.values() if name in row.audits and row.audits[name].state == "failed"]
        if once and any(other.fuser == row.fuser and not other.unranked for other in rows):
            notes.append(
                f"**{', '.join(once)} failed for {row.name}.** It is run once per task and fuser: other rows of {row.fuser} were "
                "not tried."
            )
    return notes


def _forget_lonely_fuser(rows: Collection[Row]) -> None:
    """Where the control fusers are all fusers, as in a suite for imputers, they control nothing."""
    if all(row.control_fuser for row in rows):
        for row in rows:
            row.control_fuser = False


def _row(export: Export, method: Method, cells: Cells, task: TaskSummary) -> Row:
    """A row without rank. It is complete when every planned seed is ok and has all metrics of the task that always exist.

    A metric that need not be defined has a mean where every seed has it, else none.
    """
    scored = {at.seed: record for at, record in cells.items() if record and record.status == "ok"}
    needed = {task.metrics[0], *(name for name in task.metrics if not _undefinable(name))}
    short = sorted(seed for seed, record in scored.items() if not needed <= record.scores.keys())
    reasons = {
        f"{record.status}: {redact_text(record.reason)}"
        for record in cells.values()
        if record and record.status != "ok"
    }
    if short:
        lacking = {name for seed in short for name in needed - scored[seed].scores.keys()}
        reasons.add(f"ok, but not every metric is a number: {', '.join(m for m in task.metrics if m in lacking)}")
    row = Row(
        imputer=method.imputer,
        fuser=method.fuser,
        control_imputer=method.imputer in export.control_imputers,
        control_fuser=method.fuser in export.control_fusers,
        seeds_planned=sorted(at.seed for at in cells),
        seeds_ok=sorted(set(scored) - set(short)),
        statuses=_statuses(cells),
        reasons=sorted(reasons),
        nobody=nobody(scored.values()),
    )
    if row.seeds_ok == row.seeds_planned:
        records = [scored[seed] for seed in row.seeds_ok]
        defined = [name for name in task.metrics if all(name in record.scores for record in records)]
        row.scores = {name: Score.over([record.scores[name] for record in records]) for name in defined}
        everywhere = [name for name in task.metrics if all(name in record.validation for record in records)]
        row.validation = {name: Score.over([record.validation[name] for record in records]) for name in everywhere}
    return row


def _oracle(methods: Mapping[Method, Cells]) -> dict[str, float]:
    """What the oracle scores on the table's test records; the same for every cell, or nothing."""
    seen = {
        tuple(sorted(record.oracle.items()))
        for cells in methods.values()
        for record in cells.values()
        if record and record.status == "ok"
    }
    return dict(seen.pop()) if len(seen) == 1 else {}


def _compare(
    table: Table, key: TableKey, ranked: list[Method], rows: Mapping[Method, Row], statistics: Statistics | None
) -> None:
    """Intervals, tie groups, the resolution floor, and what must be said about controls."""
    if not ranked:
        complete = any(row.complete for row in rows.values())
        why = "Every method that has all of its seeds failed an audit" if complete else "No method has all of its seeds"
        table.notes.append(f"{why}: nothing is ranked.")
        return
    about = [t for t in (statistics.tables if statistics else []) if table_of(t) == key]
    stored = next((t for t in about if t.metric == table.primary), None)
    intervals = {i.method: i for i in (statistics.intervals if statistics else []) if i.metric == table.primary}
    if statistics is None or stored is None:
        table.notes.append(
            "No comparisons are stored: ties, and whether a control ties with the winner, are not known."
        )
        return
    if stored.reason and not set(ranked) & intervals.keys():
        table.notes.append(
            f"No method is compared, so ties, and whether a control ties with the winner, are not known: {safe(stored.reason)}."
        )
        return
    if list(stored.seeds) != table.seeds or not set(ranked) <= intervals.keys():
        table.notes.append(
            "The stored comparisons are of other cells than this table"
            + (f" ({safe(stored.reason)})" if stored.reason else "")
            + ": ties, and whether a control ties with the winner, are not known."
        )
        return
    if stored.reason:
        table.notes.append(safe(stored.reason[0].upper() + stored.reason[1:]) + ".")
    among = set(ranked)
    comparisons = [c for c in statistics.comparisons if c.metric == table.primary and {c.a, c.b} <= among]
    for method, group in zip(ranked, tie_groups(ranked, comparisons, statistics.alpha), strict=True):
        rows[method].tie_group = group
        rows[method].interval = intervals[method].low, intervals[method].high
    table.alpha, table.resamples = statistics.alpha, stored.resamples
    table.comparisons = sum(table_of(c.a) == key for c in statistics.comparisons if c.metric == table.primary)
    one_metric = msgspec.structs.replace(
        statistics, comparisons=[c for c in statistics.comparisons if c.metric == table.primary]
    )
    table.floor = resolution_floor(one_metric, key)
    table.floor_corrected = resolution_floor(one_metric, key, corrected=True)
    table.notes.append(_control_note([rows[method] for method in ranked]))


def _control_note(ranked: list[Row]) -> str:
    """What the controls say about the winner; ranked rows, best first."""
    winner = ranked[0]
    best = safe(winner.name)
    tied = [safe(row.name) for row in ranked[1:] if row.control and row.tie_group == 1]
    more = f" and {len(tied) - 5} more" if len(tied) > 6 else ""
    named = ", ".join(tied if not more else tied[:5]) + more
    if winner.control:
        return f"**The winner is a control**: {best}."
    if tied:
        verb = "control ties" if len(tied) == 1 else "controls tie"
        return f"**{len(tied)} {verb} with the winner** ({best}): {named}."
    if any(row.control for row in ranked):
        return f"No control ties with the winner ({best})."
    return "**No control has a rank in this table**, so it does not show what the winner gains over one."


def _place_published(table: Table, key: TableKey, export: Export) -> None:
    """Put each published value into the row it names (`imputer + fuser`, or a name only one row bears), else below; one that
    was not measured on these data into a footnote.
    """
    lacking = sorted({name for row in table.rows for name in row.nobody})
    for value in _published(export, table.task, table.modalities, table.scenario, lacking):
        wanted = "".join(value.method.split())
        rows = [row for row in table.rows if f"{row.imputer}+{row.fuser}".replace(" ", "") == wanted]
        rows = rows or [row for row in table.rows if wanted in (row.imputer, row.fuser)]
        place = table.elsewhere if value.elsewhere else rows[0].published if len(rows) == 1 else table.published
        place.append(value)


def _published(
    export: Export, task: str, modalities: str, scenario: str, lacking: Sequence[str]
) -> list[PublishedScore]:
    """What was published for a table, in the order of the suite. lacking: modalities of it that no record has."""
    return [
        PublishedScore(
            entry.method, entry.metric, entry.value, entry.std, entry.source, elsewhere(export, entry, lacking)
        )
        for entry in export.published
        if entry.task == task and entry.modalities in ("", modalities) and entry.scenario in ("", scenario)
    ]


def _costs(tables: Mapping[TableKey, Mapping[Method, Cells]]) -> list[Cost]:
    """Mean costs of the ok cells of each method, in the order of the plan."""
    made = []
    for methods in tables.values():
        for method, cells in methods.items():
            records = [record for record in cells.values() if record and record.status == "ok" and record.costs]
            if not records:
                continue
            names = sorted({name for record in records for name in record.costs})
            devices = Counter(record.provenance.get("device", "") for record in records)
            made.append(
                Cost(
                    **msgspec.structs.asdict(method),
                    cells=len(records),
                    device=counted(devices, "cell"),
                    values={n: plain.fmean(r.costs[n] for r in records if n in r.costs) for n in names},
                )
            )
    return made
