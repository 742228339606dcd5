"""The page of a history: steps first, then a table per kind of quantity with a column per run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.history.lines import History, Line, Mark, Point
from bench.leaderboard.blocks import (
    Block,
    Cell,
    Column,
    Heading,
    Label,
    Missing,
    Notes,
    Number,
    Paragraph,
    Rich,
    Table,
    strong,
)
from bench.leaderboard.blocks import Mark as Emphasis
from bench.leaderboard.words import capital, columns, count, directed, metric, percent, short, some
from bench.results.coordinates import TableKey, table_of

BETTER, WORSE, MOVED, BREAK, SAME = "▲", "▼", "◆", "‖", "="
LEGEND = (
    f"{BETTER} {WORSE} a step to the better, to the worse; {MOVED} of a quantity that has no better.",
    f"{SAME} the values of an earlier run, so no new evidence. {BREAK} another test than in the run before.",
    "± how far another training under the same seeds would move a value (95 %). It does not cover other patients.",
)
MOST_NOTES = 10
FEW = 6
"""With fewer runs that have new values, noise is hardly known (benchmarks/history.py)."""


def blocks(history: History) -> list[Block]:
    """The page, newest run first in every table."""
    runs = history.runs
    first = Paragraph(
        f"{count(len(runs), 'run')} of suite {history.suite}, {count(len(history.lines), 'line')}. "
        f"{_span(history)}Without a change, a line gets a mark with probability {percent(1 - history.alpha)} at most "
        f"among {history.span} runs with new values."
    )
    page: list[Block] = [Heading(1, f"History of {history.title}"), first, Notes(LEGEND), *_steps(history)]
    if few := _few(history):
        page.append(Paragraph(few))
    for title, lines in _groups(history.lines):
        page += [Heading(2, title), _table(history, lines)]
        if notes := _notes(history, lines):
            page.append(Notes(notes))
    return [*page, Heading(2, "Runs"), _runs(history)]


def _span(history: History) -> str:
    dated = [run.day for run in history.runs if run.date]
    if not dated:
        return ""
    return f"Of {dated[0]}. " if dated[0] == dated[-1] else f"From {dated[0]} to {dated[-1]}. "


def _few(history: History) -> str:
    """What to do where runs are too few to tell steps from noise; empty where they are enough."""
    noisy = [line for line in history.lines if not line.exact and not line.is_cost]
    new = max((sum(p.value is not None and not p.same for p in line.points) for line in noisy), default=FEW)
    if new >= FEW:
        return ""
    return (
        f"Lines with noise have new values in {count(new, 'run')} at most. Until there are {FEW}, only large steps are "
        "marked, and ± says little. Two runs are compared by: bench compare FIRST SECOND."
    )


def sign(step: Mark) -> str:
    """How a step is drawn."""
    return MOVED if step.better is None else BETTER if step.better else WORSE


def _steps(history: History) -> Iterator[Block]:
    yield Heading(2, "Steps")
    marked = [(line, step) for line in history.lines for step in line.steps]
    if not marked:
        yield Paragraph("No step is marked.")
        return
    yield Notes([_in_words(history, line, step) for line, step in sorted(marked, key=lambda each: -each[1].run)])


def _in_words(history: History, line: Line, step: Mark) -> Rich:
    run, noticed = history.runs[step.run], history.runs[step.noticed].name
    where = ", ".join(filter(None, [run.code, run.day]))
    what = f"{metric(line.metric)} {_size(line, step)} in {line.method.title}"
    later = "" if step.noticed == step.run else f" Noticed with {noticed}."
    differs = "not known" if step.changed is None else short("; ".join(step.changed)) or "nothing that is noted"
    before = history.runs[step.before].name
    return Rich(
        f"{sign(step)} {_direction(step)} from run ",
        strong(run.name),
        f" ({where}) on: ",
        strong(line.method.name),
        f", {what}.{later} What differs from {before}: {differs}.",
    )


def _direction(step: Mark) -> str:
    if step.better is None:
        return "more" if step.size > 0 else "less"
    return "better" if step.better else "worse"


def _size(line: Line, step: Mark) -> str:
    scale, form, unit = (100, "+.1f", " %") if line.is_cost else (1, "+.4f", "")
    ends = (
        "" if step.low is None or step.high is None else f" ({scale * step.low:{form}} to {scale * step.high:{form}})"
    )
    return f"{scale * step.size:{form}}{unit}{ends}"


def _groups(lines: Iterable[Line]) -> Iterator[tuple[str, list[Line]]]:
    """The lines of each table of the page, under its title."""
    groups: dict[tuple[TableKey, str, str, bool | None], list[Line]] = {}
    for line in lines:
        groups.setdefault((table_of(line.method), line.kind, line.metric, line.higher), []).append(line)
    kinds = {"score": "score", "calibration": "calibration", "imputation": "imputation error", "cost": "cost"}
    order = list(kinds)
    for (table, kind, name, higher), members in sorted(groups.items(), key=lambda item: order.index(item[0][1])):
        yield f"{capital(kinds[kind])}: {directed(name, higher)}, {table.title}", members


def _table(history: History, lines: Sequence[Line]) -> Table:
    newest = [*reversed(range(len(history.runs)))]
    fusers = any(line.method.fuser for line in lines)
    heads = ["imputer", *["fuser"] * fusers, "±", *(history.runs[k].name for k in newest)]
    rows = [
        [
            Label(line.method.imputer),
            *[Label(line.method.fuser)] * fusers,
            half_width(line),
            *(_cell(line, line.points[k]) for k in newest),
        ]
        for line in lines
    ]
    return Table([Column(head) for head in heads], rows)


def half_width(line: Line) -> Cell:
    """Half the interval of the latest value: how far another training would move it. Of a cost in
    percent, upwards.
    """
    if line.exact:
        return "no noise"
    latest = line.latest
    if latest is None or latest.high is None or latest.value is None:
        return None
    if line.is_cost:
        return Number(100 * (latest.high / latest.value - 1), ".1f", unit=" %")
    return Number(latest.high - latest.value)


def _cell(line: Line, point: Point) -> Cell:
    if point.value is None:
        return Missing("not ok") if " cells: " in point.note else None
    step = next((step for step in line.steps if step.run == point.run), None)
    signs = [*([sign(step)] if step else []), *[BREAK] * bool(point.note), *[SAME] * point.same]
    mark: Emphasis | None = "strong" if step else None
    return Number(point.value, ".4g" if line.is_cost else ".4f", mark=mark, note=" ".join(signs))


def _notes(history: History, lines: Sequence[Line]) -> list[str]:
    """Over which seeds means are, and why values are missing or not compared."""
    by_note: dict[str, list[str]] = {}
    for line in lines:
        for point in line.points:
            if point.note and point.note != "not planned":
                by_note.setdefault(f"{history.runs[point.run].name}: {short(point.note)}", []).append(line.method.name)
    notes = [f"{note} ({some(names, 3)})" for note, names in by_note.items()]
    more = [f"{len(notes) - MOST_NOTES} more are in the JSON."] * (len(notes) > MOST_NOTES)
    seeds = dict.fromkeys(", ".join(map(str, line.seeds)) for line in lines if not line.is_cost)
    if seeds:
        notes.insert(0, f"Means over the seeds that all compared runs have: {'; or '.join(seeds)}.")
    return [*notes[:MOST_NOTES], *more]


def _runs(history: History) -> Table:
    rows = [
        [run.name, run.second or None, run.code or None, run.version or None, run.in_words()]
        for run in reversed(history.runs)
    ]
    return Table(columns("run", "date", "code", "gapbench", "cells"), rows)
