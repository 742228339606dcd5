"""Scores on hidden entries: one row per imputer, since an imputation is made once for all tasks
and fusers; and one per fuser that completes by itself.
"""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Iterable, Mapping

import msgspec

from bench.figures.looks import Looks
from bench.figures.shapes import Axis, ScoreRow, Scores
from bench.leaderboard import published
from bench.leaderboard.audited import audit_results, failure
from bench.leaderboard.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Interval,
    Label,
    Notes,
    Number,
    Paragraph,
    Rich,
    Table,
    emphasis,
    strong,
)
from bench.leaderboard.board import Board, Cells, Section
from bench.leaderboard.published import PublishedScore
from bench.leaderboard.rows import Difference, Score, best_two, coverage
from bench.leaderboard.sections import tables
from bench.leaderboard.statements import nobody, protocol_notes, split_notes
from bench.leaderboard.words import capital, columns, metric, percent, short
from bench.results.completions import completion_of, imputations
from bench.results.coordinates import Coordinates, Repeat, TableKey, method_in, table_of
from bench.results.records import IMPUTATION, IMPUTER_AUDITS, Export, ImputationStatistics, Record
from bench.statistics.ties import tie_groups

COVERAGE = {"coverage50": 0.5, "coverage90": 0.9}
METRICS = ("mae", "rmse", "crps", *COVERAGE)

_SAME = 1e-9
"""Scores of one imputation in two cells agree up to this; more is a finding and is noted."""


class ImputationRow(msgspec.Struct, kw_only=True):
    """One imputer, or fuser that completes by itself: modality (and "all") -> metric -> score.
    Empty unless every planned seed has scores.

    - own: of a fuser; `imputer` then is its label in `bench.results.completions`.
    - draws, parameters: of the imputer, where its records say so and all seeds agree (parameters 0:
      does not apply).
    - unranked: the imputer's audits that failed, because of which it stands below, is compared with
      no other and never best.
    - interval, tie_group, to_best (MAE minus that of the best): of MAE over all entries, where
      comparisons are stored.
    """

    imputer: str
    control: bool
    seeds_planned: list[Repeat]
    seeds_scored: list[Repeat]
    scores: dict[str, dict[str, Score]]
    own: bool = False
    unranked: str = ""
    draws: int | None = None
    parameters: int | None = None
    tie_group: int | None = None
    interval: tuple[float, float] | None = None
    to_best: Difference | None = None

    @property
    def eligible(self) -> bool:
        """Whether it may be ranked and compared: it has the score by which imputers are ordered,
        MAE over all entries, and failed no audit.
        """
        return not self.unranked and "mae" in self.scores.get("all", {})


class Imputation(TableKey, kw_only=True, frozen=True):
    """Scores on the entries that a scenario hid, for one modality set (standardised scale, lower is
    better).

    - expected, realised: the hidden share, mean over seeds.
    - entries: modality -> entries scored per seed, mean over seeds.
    - absent: the share of hidden entries of test records in modalities that are absent to fusers,
      mean over seeds.
    - silent: imputers without scores, since they fill nothing.
    - alpha: of the comparisons, where there are any.
    """

    expected: float | None
    realised: float | None
    metrics: list[str]
    columns: list[str]
    entries: dict[str, float]
    rows: list[ImputationRow]
    silent: list[str]
    notes: list[str]
    absent: float | None
    alpha: float | None
    published: list[PublishedScore]
    elsewhere: list[PublishedScore]


def aggregate(board: Board) -> list[Imputation]:
    """One per table of imputations in which something was hidden and scored, in the order of the
    plan.
    """
    tables = (_table(board.export, key, cells) for key, cells in by_table(board).items())
    return [table for table in tables if table.rows]


def by_table(board: Board) -> dict[TableKey, dict[str, dict[Coordinates, Record | None]]]:
    """The scored cells by the table and the label of their imputation."""
    by_key: dict[TableKey, dict[str, dict[Coordinates, Record | None]]] = {}
    for method, at, record in imputations(board.scored):
        by_key.setdefault(table_of(method), {}).setdefault(method.imputer, {})[at] = record
    return by_key


def _table(export: Export, key: TableKey, by_imputer: Mapping[str, Cells]) -> Imputation:
    scored: dict[str, dict[Repeat, Record]] = {}
    hidden: dict[Repeat, dict[str, float]] = {}
    differing = set()
    own = {completion_of(at).imputer for cells in by_imputer.values() for at in cells} & by_imputer.keys()
    for imputer, cells in sorted(by_imputer.items()):
        for at in sorted(cells):
            record = cells[at]
            if record is None or record.status != "ok":
                continue
            if record.hidden:
                hidden.setdefault(at.repeat, record.hidden)
            if record.imputation:
                first = scored.setdefault(imputer, {}).setdefault(at.repeat, record)
                if not _agree(first.imputation, record.imputation):
                    differing.add(imputer)
    used = [record.imputation for seeds in scored.values() for record in seeds.values()]
    names = ["all"] * any("all" in scores for scores in used)
    names += sorted({name for scores in used for name in scores} - {"all"})
    controls = set(export.control_imputers)
    rows = [
        _row(name, {at.repeat for at in by_imputer[name]}, seeds, name in controls, name in own)
        for name, seeds in scored.items()
    ]
    for row in rows:
        row.unranked = failure(audit_results(by_imputer[row.imputer], {}), IMPUTER_AUDITS)
    mae = {row.imputer: row.scores["all"]["mae"].mean if row.eligible else math.inf for row in rows}
    rows.sort(key=lambda row: (not row.scores, mae[row.imputer], row.imputer))
    records = [record for name, cells in by_imputer.items() if name not in own for record in cells.values() if record]
    notes: list[str] = [
        Rich(strong(f"The scores of {name} differ between cells that share an imputation."))
        for name in sorted(differing)
    ]
    alpha = _compare(export, key, rows, notes) if rows else None
    values = published.published(export, IMPUTATION, key, nobody(records))
    return Imputation(
        **msgspec.structs.asdict(key),
        expected=mean(values.get("expected") for values in hidden.values()),
        realised=mean(values.get("realised") for values in hidden.values()),
        # What a control leaves absent, an imputer may fill (`fill_absent`).
        absent=mean(record.hidden.get("absent") for seeds in scored.values() for record in seeds.values()),
        metrics=[m for m in METRICS if any(m in scores for row in rows for scores in row.scores.values())],
        columns=names,
        entries=_entries(used, names),
        rows=rows,
        silent=sorted(by_imputer.keys() - scored.keys()),
        notes=[*notes, *split_notes(export, records), *protocol_notes(export, records)],
        alpha=alpha,
        published=[value for value in values if not value.elsewhere],
        elsewhere=[value for value in values if value.elsewhere],
    )


def _agree(one: Mapping[str, Mapping[str, float]], two: Mapping[str, Mapping[str, float]]) -> bool:
    return one == two or (
        one.keys() == two.keys()
        and all(
            one[m].keys() == two[m].keys() and all(abs(one[m][k] - two[m][k]) <= _SAME for k in one[m]) for m in one
        )
    )


def _row(imputer: str, planned: set[Repeat], seeds: Mapping[Repeat, Record], control: bool, own: bool) -> ImputationRow:
    """Means only over all planned seeds, and only of what every seed has."""
    row = ImputationRow(
        imputer=imputer,
        control=control,
        own=own,
        seeds_planned=sorted(planned),
        seeds_scored=sorted(seeds),
        scores={},
        draws=_common(seeds.values(), "draws"),
        parameters=_common(seeds.values(), "imputer_parameters"),
    )
    if row.seeds_scored != row.seeds_planned:
        return row
    by_seed = [seeds[seed].imputation for seed in row.seeds_scored]
    for modality in sorted(set.intersection(*(set(scores) for scores in by_seed))):
        metrics = [m for m in METRICS if all(m in scores[modality] for scores in by_seed)]
        row.scores[modality] = {m: Score.over([scores[modality][m] for scores in by_seed]) for m in metrics}
    return row


def _common(records: Iterable[Record], cost: str) -> int | None:
    values = {record.costs.get(cost) for record in records}
    value = values.pop()
    return int(value) if value is not None and not values else None


def _entries(used: list[dict[str, dict[str, float]]], names: list[str]) -> dict[str, float]:
    """How many entries were scored per modality, the mean over seeds; every imputer is scored on
    the same ones.
    """
    entries = {name: mean(scores.get(name, {}).get("hidden") for scores in used) for name in names}
    return {name: value for name, value in entries.items() if value is not None}


def mean(values: Iterable[float | None]) -> float | None:
    """Of the values that are known; None where none is."""
    numbers = [value for value in values if value is not None]
    return plain.fmean(numbers) if numbers else None


def _compare(export: Export, key: TableKey, rows: list[ImputationRow], notes: list[str]) -> float | None:
    """Intervals, tie groups and differences to the best, where stored comparisons are of this
    very table. Returns their alpha.
    """
    statistics = export.statistics
    stored = statistics.imputation if statistics else ImputationStatistics()
    by_method = {method_in(key, row.imputer): row for row in rows if row.eligible}
    about = next((table for table in stored.tables if table_of(table) == key), None)
    intervals = {i.method: (i.low, i.high) for i in stored.intervals if i.metric == "mae"}
    seeds = sorted({seed for row in rows for seed in row.seeds_planned})
    known = about is not None and list(about.seeds) == seeds and by_method.keys() <= intervals.keys()
    if not by_method or about is None or statistics is None or not known:
        why = f" ({about.reason})" if about and about.reason else ""
        notes.append(f"No comparisons of these imputers are stored{why}: which of them tie is not known.")
        return None
    if about.reason:
        notes.append(f"{capital(about.reason)}.")
    ranked = list(by_method)
    inside = [c for c in stored.comparisons if {c.a, c.b} <= by_method.keys()]
    for method, group in zip(ranked, tie_groups(ranked, inside, statistics.alpha), strict=True):
        by_method[method].tie_group, by_method[method].interval = group, intervals[method]
    for comparison in inside:
        for best, other in ((comparison.a, comparison.b), (comparison.b, comparison.a)):
            if best == ranked[0]:
                by_method[other].to_best = Difference.of(comparison, other)
    return statistics.alpha


def blocks(board: Board) -> list[Block]:
    """One sentence where results are there and the plan hid nothing."""
    title = Heading(2, "Imputation of hidden entries")
    if not board[SECTION]:
        if not any(row.seeds_ok for table in board[tables.SECTION] for row in table.rows):
            return []
        none = "No recorded entry was hidden and then filled, so there is no imputation error."
        return [title, Paragraph(none)]
    about = Rich(
        "On entries that were recorded and then hidden, test part, standardised scale. Lower is better; coverage is right "
        "where it equals its level (50 % or 90 %). CRPS of a single draw is marked ",
        emphasis("point"),
        ": it is the absolute error over the mean size of the truth.",
    )
    return [title, Paragraph(about), *[block for table in board[SECTION] for block in _blocks(table, board.looks)]]


def _blocks(table: Imputation, looks: Looks) -> list[Block]:
    parts: list[Block] = [Heading(3, table.title)]
    if table.realised is not None and table.expected is not None:
        entries = ", ".join(f"{name} {value:,.0f}" for name, value in table.entries.items())
        parts.append(
            Paragraph(
                f"Hidden: {100 * table.realised:.2f} % realised, {100 * table.expected:.2f} % expected (whole cohort, mean "
                f"over seeds). Entries scored per seed: {entries}."
            )
        )
    parts += [*_figure(table, looks), _over_all(table)]
    if len(table.columns) > 2:
        parts.append(_by_modality(table))
    notes = [*table.notes, *_own_note(table), *_coverage_note(table), *_absent_note(table)]
    if table.silent:
        notes.append(f"Without scores, since they fill nothing or have no ok cell: {', '.join(table.silent)}.")
    notes += published.below(table.published, table.elsewhere)
    return [*parts, Notes(notes)] if notes else parts


def _own_note(table: Imputation) -> list[str]:
    """What rows of fusers are."""
    if not any(row.own for row in table.rows):
        return []
    return [
        'Rows marked "(fuser, TASK)" are what a fuser completed by itself, trained for that task; it is scored on the same '
        "entries."
    ]


def _absent_note(table: Imputation) -> list[str]:
    """What share of the errors is of values that no fuser reads."""
    if not table.absent:
        return []
    share = "All hidden entries" if table.absent == 1 else f"{100 * table.absent:.1f} % of the hidden entries"
    return [
        f"{share} lie in modalities that their records then lack altogether: these stay absent to fusers, which read no value "
        "that was imputed there."
    ]


def _over_all(table: Imputation) -> Table:
    """Scores over all hidden entries, and what others published: a column per metric, a line per
    method that is no row.
    """
    rows = table.rows
    header = [Column("imputer")]
    filled: list[list[Cell]] = [[Label(row.imputer, row.control) for row in rows]]
    for name in table.metrics:
        header.append(Column(metric(name)))
        filled.append(_scores(table, name, "all"))
        if name == "mae" and table.alpha:
            header += columns(f"{percent(table.alpha)} interval", "MAE − best", "tie group")
            filled.append([Interval(*row.interval) if row.interval else None for row in rows])
            filled.append([_difference(row.to_best) for row in rows])
            filled.append([row.tie_group for row in rows])
    for name in ("draws", "parameters"):
        numbers = [getattr(row, name) for row in rows]
        if any(numbers):
            header.append(Column(name))
            filled.append([number or None for number in numbers])
    header.append(Column("seeds"))
    filled.append([_seeds(row) for row in rows])
    lines = {row.imputer: list(line) for row, line in zip(rows, zip(*filled, strict=True), strict=True)}
    for method in sorted({value.method for value in table.published} - lines.keys()):
        lines[method] = [method, *[""] * (len(header) - 2), "published"]
    foreign = [m for m in table.metrics if any(value.metric == m for value in table.published)]
    for method, line in lines.items():
        values = [value for value in table.published if value.method == method]
        line += [published.cell(values, name) for name in foreign]
    return Table([*header, *(Column(f"{metric(name)} (published)") for name in foreign)], list(lines.values()))


def _seeds(row: ImputationRow) -> str:
    """How many seeds have scores, and why the row has no rank all the same."""
    counts = f"{len(row.seeds_scored)} of {len(row.seeds_planned)}"
    return Rich(counts, " (", strong("no rank"), f": {short(row.unranked)})") if row.unranked else counts


def _by_modality(table: Imputation) -> Table:
    """The same scores of each modality on its own, marked within it."""
    body: list[list[Cell]] = []
    for name in table.columns:
        if name == "all":
            continue
        scores = [_scores(table, each, name) for each in table.metrics]
        for place, row in enumerate(table.rows):
            if row.scores.get(name):
                body.append([name, Label(row.imputer, row.control), *(column[place] for column in scores)])
    return Table(columns("modality", "imputer", *map(metric, table.metrics)), body)


def _scores(table: Imputation, name: str, modality: str) -> list[Cell]:
    """One column."""
    scores = [row.scores.get(modality, {}).get(name) for row in table.rows]
    if name in COVERAGE:
        return [coverage(score) for score in scores]
    cells = best_two(scores, higher=False, eligible=[row.eligible for row in table.rows])
    if name != "crps":
        return cells
    return [
        msgspec.structs.replace(cell, note="point") if isinstance(cell, Number) and row.draws == 1 else cell
        for cell, row in zip(cells, table.rows, strict=True)
    ]


def _difference(difference: Difference | None) -> Cell:
    return Number(difference.mean, "+z.4f", low=difference.low, high=difference.high) if difference else None


def _coverage_note(table: Imputation) -> list[str]:
    """What coverage to expect of a perfect forecaster with so few draws: (draws - 1) / (draws +
    1) of the level.
    """
    draws = sorted({row.draws for row in table.rows if row.draws and row.draws > 1})
    if not draws or not set(table.metrics) & COVERAGE.keys():
        return []
    expected = (
        " and ".join(f"{100 * level * (k - 1) / (k + 1):.0f} %" for level in COVERAGE.values()) + f" with {k} draws"
        for k in draws
    )
    return [f"Coverage to expect of exact draws: {'; '.join(expected)} (docs/reference/leaderboard.md)."]


def _figure(table: Imputation, looks: Looks) -> list[Block]:
    rows = [
        ScoreRow(
            name=row.imputer,
            score=score.mean,
            shown=f"{score.mean:.4f}",
            look=looks.imputer(row.imputer),
            low=row.interval[0] if row.interval else None,
            high=row.interval[1] if row.interval else None,
            control=row.control,
            band=None if row.tie_group is None else row.tie_group - 1,
        )
        for row in table.rows
        if row.eligible and (score := row.scores.get("all", {}).get("mae"))
    ]
    caption = (
        "MAE on hidden entries, the best first. Lines: intervals. Methods on one ground tie. Hollow, †: a control."
    )
    about = f"MAE on hidden entries, {table.title}"
    return [Figure(Scores(rows, Axis("MAE ↓ (standard deviations)"), about), caption)] if len(rows) > 1 else []


SECTION = Section("imputation", aggregate, blocks)
