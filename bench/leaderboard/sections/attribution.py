"""How much is the imputer worth, how much the fuser, in one table? See
`bench.statistics.two_way`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bench.figures.shapes import Shares
from bench.leaderboard.blocks import (
    Block,
    Cell,
    Figure,
    Heading,
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
from bench.leaderboard.rows import sure, sure_mark
from bench.leaderboard.sections import tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import columns, directed, percent, some
from bench.results.coordinates import Method, TableKey, method_in, table_of
from bench.results.records import Comparison
from bench.statistics.two_way import FACTORS, Share, TwoWay, complete_block, take_apart

ALPHA = 0.05
"""Of the intervals, where no comparisons are stored that say another."""

SIDE_BY_SIDE = 6
"""Tables of the board that stand beside each other as columns."""

LISTED = 12
"""Pairs that do better or worse together than apart, spelt out per page; the JSON file holds
all.
"""

NAMED = 6
"""Methods named in one sentence."""


class Level(msgspec.Struct, frozen=True):
    """One imputer or fuser: its mean over all of the other factor minus the mean of the block,
    with its interval.
    """

    name: str
    control: bool
    effect: float
    low: float | None = None
    high: float | None = None


class Complete(msgspec.Struct, kw_only=True):
    """A complete block of a table, taken apart: score = mean + imputer + fuser + interaction.

    - controls: whether control rows are in it.
    - interaction: float [imputers][fusers].
    - interaction_low, interaction_high: its intervals, empty where noise is not known.
    - shares: of "imputer", "fuser" and "interaction"; they sum to 1; empty where nothing differs
      beyond noise.
    - noise: what the intervals are about: "patients and seeds", "patients", "seeds" or "".
    - left_out: the methods of the table that are not in the block.
    """

    controls: bool
    mean: float
    imputers: list[Level]
    fusers: list[Level]
    interaction: list[list[float]]
    interaction_low: list[list[float]]
    interaction_high: list[list[float]]
    shares: dict[str, Share]
    noise: str
    left_out: list[str]


class Attribution(TableKey, kw_only=True, frozen=True):
    """What the imputer and what the fuser is worth in one table, in the primary metric.

    - blocks: the largest complete one, and that of the rows that are no controls; none, and `note`
      says why.
    - alpha: of the intervals.
    """

    metric: str
    higher: bool
    alpha: float
    blocks: list[Complete]
    note: str = ""


def aggregate(board: Board) -> list[Attribution]:
    """One per table with two imputers and two fusers or more."""
    statistics = board.export.statistics
    stored: dict[tuple[TableKey, str], list[Comparison]] = {}
    for c in statistics.comparisons if statistics else []:
        stored.setdefault((table_of(c.a), c.metric), []).append(c)
    attributions = []
    for table in board[tables.SECTION]:
        imputers, fusers = ({getattr(row, kind) for row in table.rows} for kind in ("imputer", "fuser"))
        if len(imputers) > 1 and len(fusers) > 1:
            key = table_of(table)
            about = stored.get((key, table.primary), []) if table.alpha else []
            attributions.append(_attribution(table, board.methods[key], about))
    return attributions


def _attribution(table: TaskTable, methods: Mapping[Method, Cells], stored: Sequence[Comparison]) -> Attribution:
    seeds = {
        (m.imputer, m.fuser): tuple(sorted(at.repeat for at, record in cells.items() if record))
        for m, cells in methods.items()
    }
    eligible = table.eligible
    common = max(sorted(seeds[at] for at in eligible), key=[seeds[at] for at in eligible].count, default=())
    # A file may hold rows of other seeds, which have no common mean.
    whole = {at for at in eligible if seeds[at] == common}
    chosen = [complete_block(whole), complete_block({at for at in whole if not eligible[at].control})]
    usable = [each for each in dict.fromkeys(chosen) if min(map(len, each)) > 1]
    scores = {
        (m.imputer, m.fuser): [
            record.scores[table.primary]
            for _, record in sorted(cells.items(), key=lambda item: item[0].repeat)
            if record is not None
        ]
        for m, cells in methods.items()
        if (m.imputer, m.fuser) in whole
    }
    alpha = table.alpha or ALPHA
    key = table_of(table)
    complete = []
    for imputers, fusers in usable:
        values = [[scores[i, f] for f in fusers] for i in imputers]
        names = [method_in(key, i, f) for i in imputers for f in fusers]
        complete.append(_complete(table, imputers, fusers, take_apart(values, names, stored, alpha)))
    return Attribution(
        **msgspec.structs.asdict(key),
        metric=table.primary,
        higher=table.primary_higher,
        alpha=alpha,
        blocks=complete,
        note=""
        if usable
        else "no two imputers have all their seeds with the same two fusers, so their effects cannot be separated",
    )


def _complete(table: TaskTable, imputers: Sequence[str], fusers: Sequence[str], parts: TwoWay) -> Complete:
    inside = {(i, f) for i in imputers for f in fusers}
    controls = (
        {row.imputer for row in table.rows if row.control_imputer},
        {row.fuser for row in table.rows if row.control_fuser},
    )
    levels = {
        "imputers": [Level(i, i in controls[0], *e) for i, e in zip(imputers, parts.imputers, strict=True)],
        "fusers": [Level(f, f in controls[1], *e) for f, e in zip(fusers, parts.fusers, strict=True)],
    }
    return Complete(
        **(msgspec.structs.asdict(parts) | levels),
        controls=any(row.control for row in table.rows if row.pair in inside),
        left_out=sorted(row.name for row in table.rows if row.pair not in inside),
    )


def blocks(board: Board) -> list[Block]:
    attributions = board[SECTION]
    if not attributions:
        return []
    complete = [(each, block) for each in attributions for block in each.blocks]
    holes = [f"{each.title}: {each.note}." for each in attributions if each.note]
    title = Heading(3, "Imputer or fuser?")
    if not complete:
        return [title, Notes(holes)]
    level = percent(attributions[0].alpha)
    about = (
        "On the largest complete block of imputers × fusers, the mean score is the mean of the block + imputer + fuser + "
        "interaction. Shares of what differs between methods, what noise alone would give taken off, with "
        f"{level} intervals. The column p: how often noise alone would differ as much; –: all of them together differ "
        "no more than noise would. They are about these methods: a control "
        "that is far worse than all others makes its factor large."
    )
    body: list[list[Cell]] = [
        [
            each.title,
            "all" if block.controls else "without controls",
            f"{len(block.imputers)} × {len(block.fusers)}",
            *(_share(block.shares.get(name)) for name in FACTORS),
            block.noise or None,
        ]
        for each, block in complete
    ]
    header = columns("table", "methods", "imputers × fusers", *FACTORS, "noise of")
    notes = holes + [note for each, block in complete for note in _left_out(each, block)]
    first = [(each, each.blocks[0]) for each in attributions if each.blocks]
    effects = Rich(
        f"Effects: the mean over the other factor minus the mean of the block, in the primary metric, {level} intervals; ",
        strong("bold"),
        " where the interval excludes 0 for the better, ",
        emphasis("italic"),
        " for the worse.",
    )
    parts: list[Block] = [title, Paragraph(about), Table(header, body), *([Notes(notes)] if notes else [])]
    parts.append(Paragraph(effects))
    for start in range(0, len(first), SIDE_BY_SIDE):
        beside = first[start : start + SIDE_BY_SIDE]
        parts.append(_effects("imputer", beside, [block.imputers for _, block in beside]))
        parts.append(_effects("fuser", beside, [block.fusers for _, block in beside]))
    return [*parts, *_together(first), *_figure(complete)]


def _share(share: Share | None) -> Cell:
    if share is None:
        return None
    low, high = (None if end is None else 100 * end for end in (share.low, share.high))
    return Number(100 * share.value, ".1f", low=low, high=high, p=None if low is None else share.p, unit=" %")


def _left_out(each: Attribution, block: Complete) -> list[str]:
    """The note on methods of which some combination has no score. Controls left out of the block
    without them need no word.
    """
    if not block.left_out or block is not each.blocks[0]:
        return []
    return [f"{each.title}: not every combination was scored; left out: {some(block.left_out, NAMED)}."]


def _effects(factor: str, beside: Sequence[tuple[Attribution, Complete]], levels: Sequence[Sequence[Level]]) -> Table:
    """A line per level, a column per table."""
    by_name = [{level.name: level for level in column} for column in levels]
    names = sorted({name for column in by_name for name in column})
    controls = {level.name for column in levels for level in column if level.control}
    body: list[list[Cell]] = [
        [
            Label(name, name in controls),
            *(_effect(column.get(name), each.higher) for (each, _), column in zip(beside, by_name, strict=True)),
        ]
        for name in names
    ]
    return Table(columns(factor, *(f"{each.title}, {directed(each.metric, each.higher)}" for each, _ in beside)), body)


def _effect(level: Level | None, higher: bool) -> Cell:
    if level is None:
        return None
    if level.low is None or level.high is None:
        return Number(level.effect, "+z.4f")
    mark = sure_mark(*sure(level.low, level.high, higher))
    return Number(level.effect, "+z.4f", mark, low=level.low, high=level.high)


def _together(first: Sequence[tuple[Attribution, Complete]]) -> list[Block]:
    """The pairs whose interaction is surely not 0, the largest first."""
    pairs = [
        (abs(value), f"{each.title}: {i.name} + {f.name} {value:+z.4f} ({low:+z.4f} to {high:+z.4f})")
        for each, block in first
        if block.interaction_low
        for i, values, lows, highs in zip(
            block.imputers, block.interaction, block.interaction_low, block.interaction_high, strict=True
        )
        for f, value, low, high in zip(block.fusers, values, lows, highs, strict=True)
        if low > 0 or high < 0
    ]
    if not pairs:
        return []
    listed = [sentence for _, sentence in sorted(pairs, key=lambda pair: (-pair[0], pair[1]))[:LISTED]]
    more = [f"{len(pairs) - LISTED} more: see the JSON file."] if len(pairs) > LISTED else []
    about = "Pairs that do more or less together than their effects add up to:"
    return [Paragraph(about), Notes([*listed, *more])]


def _figure(complete: Sequence[tuple[Attribution, Complete]]) -> list[Block]:
    rows = [
        (f"{each.title}{'' if block.controls else ', no controls'}", [share.value for share in block.shares.values()])
        for each, block in complete
        if block.shares
    ]
    about = "Shares of what differs between methods"
    return (
        [Figure(Shares(rows, FACTORS, about), f"{about}, noise taken off. Their intervals are above.")] if rows else []
    )


SECTION = Section("attributions", aggregate, blocks, chapter="What the grid tells")
