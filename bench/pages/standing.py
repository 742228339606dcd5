"""The overview: how methods stand over the tables of many leaderboards, real and generated data
apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.leaderboard.blocks import Block, Cell, Column, Heading, Notes, Number, Paragraph, Table
from bench.leaderboard.rows import Row
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import count, metric, percent
from bench.metrics.own import OWN
from bench.pages.places import INDEX
from bench.pages.row_links import named
from bench.pages.sources import Source
from bench.results.records import Export
from bench.statistics.overview import RESAMPLES, Estimate, Losses, Standing, losses_of, standings
from bench.statistics.resampling import too_few

ALPHA = 0.05
KINDS = {False: "Over recorded data", True: "Over generated data"}


class Overview(msgspec.Struct, kw_only=True):
    """Methods over the tables of some leaderboards.

    - rows: by method, one of its rows: what it is made of, and whether it is a control.
    - tables: how many there are.
    - controls: table -> the row that skill is measured against.
    - left_out: table -> why it has no skill score, or counts nowhere.
    - absent: rows that lack a score or failed an audit, so that they count nowhere.
    """

    standings: list[Standing]
    rows: dict[str, Row]
    tables: int
    controls: dict[str, str]
    left_out: dict[str, str]
    absent: int


def overview(sources: Sequence[Source]) -> Overview:
    """The overview of these boards, which must not mix recorded and generated data."""
    losses: dict[str, Losses] = {}
    rows: dict[str, Row] = {}
    left_out: dict[str, str] = {}
    absent = 0
    for source in sources:
        for table in source.tables:
            name = f"{source.name}: {table.title}"
            higher = table.higher[table.primary]
            eligible = {row.name: row for row in table.eligible.values()}
            absent += len(table.rows) - len(eligible)
            if not eligible:
                left_out[name] = "no row has all scores"
                continue
            if higher is None:
                left_out[name] = f"{metric(table.primary)} has no better"
                continue
            values = {each: row.scores[table.primary].mean for each, row in eligible.items()}
            known = OWN.get(table.primary)
            of_table, comparable = losses_of(values, higher, at_most_one=known is not None and bool(known.higher))
            control = control_of(source.board.export, table)
            if not comparable:
                left_out[name] = f"no skill score: ratios of {metric(table.primary)} mean nothing"
            elif not control:
                left_out[name] = "no skill score: it has no control fuser"
            losses[name] = Losses(of_table, control if comparable else "")
            rows |= eligible
    return Overview(
        standings=standings(losses, ALPHA),
        rows=rows,
        tables=len(losses),
        controls={name: each.control for name, each in losses.items() if each.control},
        left_out=left_out,
        absent=absent,
    )


def control_of(export: Export, table: TaskTable) -> str:
    """The row that the others of a table are measured against; "" where no row has a control
    fuser.

    Of the rows with a control fuser those with a control imputer, where there are any. Of several
    the one with the best score on validation records: test scores choose nothing.
    """
    rows = [row for row in table.eligible.values() if row.fuser in export.control_fusers]
    rows = [row for row in rows if row.control_imputer] or rows
    sign = -1 if table.primary_higher else 1
    scored = [row for row in rows if table.primary in row.validation]
    best = min(scored, key=lambda row: (sign * row.validation[table.primary].mean, row.name), default=None)
    return best.name if best else ""


def blocks(sources: Sequence[Source]) -> list[Block]:
    """The part of the index; nothing of a kind of data that no board is of."""
    page: list[Block] = []
    for generated, title in KINDS.items():
        inside = [each for each in sources if each.board.export.synthetic is generated]
        if inside:
            page += _blocks(overview(inside), title, generated)
    return page


def _blocks(over: Overview, title: str, generated: bool) -> list[Block]:
    warning = "These tables are of generated data: they say nothing about real patients." if generated else ""
    if not over.standings:
        nothing = "No row has all scores yet: there is nothing to compare."
        return [Heading(3, title), *[Paragraph(text) for text in (warning, nothing) if text]]
    about = (
        f"{count(len(over.standings), 'method')} over {count(over.tables, 'table')}, the mean of the primary metric in each. "
        "Win rate: of all pairs of another method and a table that has both, the share that the method wins; a tie is half. "
        "Skill: 1 minus the geometric mean of losses relative to the control of each table; 0 is as good as the control, "
        "below 0 is worse. A method that a table lacks counts neither for nor against anyone there. "
        f"In brackets {percent(ALPHA)} intervals: one bootstrap over tables, {RESAMPLES:,} resamples, for both."
    )
    head = [
        Column("method"),
        Column("tables"),
        Column("win rate", True),
        Column("skill", True),
        Column("tables with skill"),
    ]
    body: list[list[Cell]] = [
        [
            named(INDEX, over.rows[each.method]),
            each.tables,
            _cell(each.win_rate),
            _cell(each.skill),
            each.skill.tables if each.skill else None,
        ]
        for each in over.standings
    ]
    page: list[Block] = [Heading(3, title), *[Paragraph(text) for text in (warning, about) if text]]
    return [*page, Table(head, body), Notes(_notes(over))]


def _cell(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return None
    scaled = [None if end is None else 100 * end for end in (estimate.low, estimate.high)]
    return Number(100 * estimate.value, "z.1f", low=scaled[0], high=scaled[1], unit=" %")


def _notes(over: Overview) -> list[str]:
    notes = [
        "The loss is the metric where smaller is better, and 1 minus the metric where larger is better and 1 is the best.",
        "Methods are compared by win rate only with those they met: methods of different tables met different others.",
        "Tables of the same records are not independent, so intervals over such tables are too narrow.",
    ]
    least = next(number for number in range(1, 100) if not too_few(number, ALPHA))
    notes.append(f"A method of fewer than {least} tables has no interval.")
    if over.absent:
        notes.append(f"{count(over.absent, 'row')} without all scores, or with a failed audit, count nowhere.")
    by_control: dict[str, list[str]] = {}
    for name, control in over.controls.items():
        by_control.setdefault(control, []).append(name)
    notes += [f"Control {control} of: {'; '.join(names)}." for control, names in sorted(by_control.items())]
    by_reason: dict[str, list[str]] = {}
    for name, reason in over.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    return [*notes, *(f"{reason[:1].upper()}{reason[1:]}: {'; '.join(names)}." for reason, names in by_reason.items())]
