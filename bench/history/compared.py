"""Two runs, quantity by quantity: what changed from the one to the other."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import fmean

import msgspec

from bench.gate.machine import deterministic, on_cpu, other_machine
from bench.gate.quantities import Kind, Quantity, Run, read
from bench.gate.same_test import PIN_NEXT, incomparable
from bench.grid.matching_rows import Label as MethodLabel
from bench.history.changed import changed
from bench.history.lines import EXACT, Choose, shown
from bench.history.runs import info_of
from bench.leaderboard.blocks import Block, Cell, Column, Heading, Label, Notes, Number, Paragraph, Rich, Table, strong
from bench.leaderboard.board import higher_is_better
from bench.leaderboard.rows import sure, sure_mark
from bench.leaderboard.words import directed, percent, short, some
from bench.results.coordinates import Method, Repeat, TableKey, table_of
from bench.results.records import Comparison, Export
from bench.results.run_info import RunInfo
from bench.statistics.steps import ROUNDING, shift

SEEDS, PATIENTS, NO_NOISE = "seeds", "patients and seeds", "no noise"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one method in both runs; of an imputation, the method has neither task nor
    fuser ("").

    - first, second: means over the seeds that both have.
    - difference: second - first; of a cost the relative one. low, high: its interval.
    - p: of patients and seeds, adjusted for the methods of the table.
    - over: what the interval is about; "no noise" of what cannot differ by chance, and of
      seeds that all differ by the same; empty where it is not known.
    - note: why nothing is compared.
    - paired: the row of the first run, where another of the same names stands in its place.
    """

    method: Method
    kind: Kind
    metric: str
    higher: bool | None
    seeds: list[Repeat] = []
    first: float | None = None
    second: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    over: str = ""
    note: str = ""
    paired: Method | None = None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs. changed: what of code, data and settings differs; None where it is not known."""

    suite: str
    title: str
    first: RunInfo
    second: RunInfo
    alpha: float
    changed: list[str] | None
    changes: list[Change]


def compare(
    first: Export,
    second: Export,
    choose: Choose,
    rows: Mapping[str, Collection[str]] = {},
    resampled: Mapping[Method, Comparison] = {},
    alpha: float = 0.05,
) -> Compared:
    """The second run against the first. choose, rows: as of a history. resampled: of methods whose
    predictions in both runs were compared (`bench.statistics.paired.between`).
    """
    one, two = read(first), read(second)
    renamed = pairs(one, two)
    back = {method: other for other, method in renamed.items()}
    one = msgspec.structs.replace(
        one,
        methods={renamed.get(method, method): cells for method, cells in one.methods.items()},
        imputations={renamed.get(method, method): cells for method, cells in one.imputations.items()},
    )
    methods = dict.fromkeys([*two.methods, *two.imputations, *one.methods, *one.imputations])
    changes = [
        msgspec.structs.replace(change, paired=back.get(method))
        for method in shown(methods, rows)
        for change in _changes(method, back.get(method, method), one, two, choose, resampled.get(method), alpha)
    ]
    return Compared(
        suite=second.suite,
        title=second.title,
        first=info_of(first),
        second=info_of(second),
        alpha=alpha,
        changed=changed(first, second),
        changes=changes,
    )


def pairs(one: Run, two: Run) -> dict[Method, Method]:
    """Row of the first run -> row of the second that it is compared with under another label."""
    return _pairs(one.methods, two.methods) | _pairs(one.imputations, two.imputations)


def _pairs(first: Collection[Method], second: Collection[Method]) -> dict[Method, Method]:
    """Row of the first run -> row of the second with other parameters, where each run has one row
    of these names that the other lacks.
    """
    alone = [[m for m in here if m not in there] for here, there in ((first, second), (second, first))]
    olds, news = ({names: [m for m in rows if _names(m) == names] for names in map(_names, rows)} for rows in alone)
    return {
        olds[names][0]: news[names][0] for names in olds if len(olds[names]) == len(news.get(names, ())) == 1
    }  # fmt: skip


def _names(method: Method) -> tuple[object, ...]:
    """The table of a row and the names of its methods, without parameters."""
    labels = (MethodLabel.read(label) for label in method.pair)
    return table_of(method), *((label.name, label.federation) for label in labels)


def _changes(
    method: Method, before_it: Method, one: Run, two: Run, choose: Choose, resampled: Comparison | None, alpha: float
) -> Iterator[Change]:
    """before_it: the row of the first run, by its own label."""
    exact = (
        on_cpu(run.cells_of(method) or {} for run in (one, two))
        and bool(deterministic(before_it, [one]))
        and bool(deterministic(method, [two]))
    )
    why = incomparable(method, one, two).removesuffix(PIN_NEXT)
    why = why.replace("the baseline", "the first run").replace("the new run", "the second run")
    quantities = dict.fromkeys([*choose(two, method), *choose(one, method)])
    for quantity in quantities:
        before, after = (quantity.values(run.cells_of(method) or {}) for run in (one, two))
        if not before and not after:
            continue
        higher = higher_is_better(two.export, quantity.name) if quantity.kind == "score" else quantity.higher
        about = Change(method=method, kind=quantity.kind, metric=quantity.name, higher=higher)
        seeds = sorted(before.keys() & after.keys())
        machine = (
            other_machine(one.cells_of(method) or {}, two.cells_of(method) or {}) if quantity.kind == "cost" else ""
        )
        note = why or (f"measured on another {machine}" if machine else "" if seeds else "no seed in common")
        about = msgspec.structs.replace(
            about,
            seeds=seeds,
            first=fmean(before[s] for s in seeds or before) if before else None,
            second=fmean(after[s] for s in seeds or after) if after else None,
            note=note,
        )
        yield about if note else _compared(about, quantity, exact, before, after, resampled, alpha)


def _compared(
    about: Change,
    quantity: Quantity,
    exact: bool,
    before: Mapping[Repeat, float],
    after: Mapping[Repeat, float],
    resampled: Comparison | None,
    alpha: float,
) -> Change:
    import numpy as np

    assert about.first is not None
    assert about.second is not None
    replace = msgspec.structs.replace
    if quantity.kind == "cost":
        relative = about.second / about.first - 1 if about.first > 0 else math.inf
        counted = NO_NOISE if quantity.name in EXACT else ""
        return replace(about, difference=relative if math.isfinite(relative) else None, over=counted)
    about = replace(about, difference=about.second - about.first)
    if resampled is not None and resampled.metric == quantity.name and quantity.kind == "score":
        low, high = sorted((-resampled.low, -resampled.high))
        return replace(about, low=low, high=high, p=resampled.p_adjusted, over=PATIENTS)
    old, new = (np.array([[values[seed] for seed in about.seeds]]) for values in (before, after))
    unchanged = np.array_equal(old, new)
    agree = len(about.seeds) > 1 and float(np.ptp(new - old)) <= ROUNDING * max(1.0, float(np.abs(new).max()))
    if exact or unchanged or agree:
        return replace(about, over=NO_NOISE)
    ends = shift(old, new).interval(alpha)
    return replace(about, low=ends[0], high=ends[1], over=SEEDS) if ends else about


def blocks(compared: Compared) -> list[Block]:
    """The page: which runs, what differs, a table per table and quantity."""
    one, two = compared.first, compared.second
    differs = "not known" if compared.changed is None else "; ".join(compared.changed) or "nothing that is noted"
    page: list[Block] = [
        Heading(1, f"Two runs of {compared.title}"),
        Paragraph(Rich("From ", strong(one.name), f" ({_where(one)}) to ", strong(two.name), f" ({_where(two)}).")),
        Paragraph(f"What differs: {differs}."),
        Notes(
            [
                f"Differences are second minus first, with their {percent(compared.alpha)} interval; of costs relative.",
                "The column over says what an interval covers. Only patients and seeds speak of other patients too.",
            ]
        ),
    ]
    groups: dict[tuple[TableKey, str, str, bool | None], list[Change]] = {}
    for change in compared.changes:
        groups.setdefault((table_of(change.method), change.kind, change.metric, change.higher), []).append(change)
    for (table, kind, metric, higher), members in groups.items():
        title = f"{directed(metric, higher)}{' of imputations' * (kind == 'imputation')}: {table.title}"
        page += [Heading(2, title), _table(members)]
        if notes := _notes(members):
            page.append(Notes(notes))
    return page


def _where(run: RunInfo) -> str:
    return ", ".join(filter(None, [run.day, run.code, run.in_words()]))


def _table(changes: Sequence[Change]) -> Table:
    fusers = any(change.method.fuser for change in changes)
    names = ("imputer", *(("fuser",) * fusers), "first", "second", "difference", "over", "seeds")
    return Table([Column(name) for name in names], [_row(change, fusers) for change in changes])


def _row(change: Change, fusers: bool) -> list[Cell]:
    form = ".4g" if change.kind == "cost" else ".4f"
    values = [None if value is None else Number(value, form) for value in (change.first, change.second)]
    labels = [Label(change.method.imputer), *([Label(change.method.fuser)] if fusers else [])]
    over = change.over or None
    return [*labels, *values, _difference(change), over, ", ".join(map(str, change.seeds)) or None]


def _difference(change: Change) -> Cell:
    if change.difference is None:
        return None
    if change.kind == "cost":
        return Number(100 * change.difference, "+.1f", unit=" %")
    mark = None
    if change.low is not None and change.high is not None and change.higher is not None:
        mark = sure_mark(*sure(change.low, change.high, change.higher))
    return Number(change.difference, "+z.4f", mark=mark, low=change.low, high=change.high, p=change.p)


def _notes(changes: Sequence[Change]) -> list[str]:
    by_note: dict[str, list[str]] = {}
    for change in changes:
        if change.note:
            by_note.setdefault(short(change.note), []).append(change.method.name)
    paired = {f"{c.method.name} is compared with {c.paired.name} of the first run." for c in changes if c.paired}
    return [*sorted(paired), *(f"Not compared ({some(names, 3)}): {note}" for note, names in by_note.items())]
