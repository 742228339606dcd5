"""The sections on what the grid tells as Markdown: imputer or fuser, modalities, patterns of what is missing, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.leaderboard.board import Board, Calibrations, Patterns
from bench.leaderboard.render import text
from bench.leaderboard.sections.grid import Attribution, Block, Level, Marginal, Share
from bench.leaderboard.sections.patterns import ENOUGH
from bench.metrics.calibration import BINS
from bench.metrics.patterns import SMALLEST

SIDE_BY_SIDE = 6
"""Tables of the board that stand beside each other as columns."""

LISTED = 12
"""Pairs that do better or worse together than apart, spelt out per page; the JSON file holds all."""

NAMED = 6
"""Methods named in one sentence."""


def grid_sections(board: Board) -> list[str]:
    """All sections that there is something to say in; none where the grid tells nothing."""
    parts = [
        *_attributions(board.attributions),
        *_marginals(board.marginals, board.nobody),
        *_patterns(board.patterns),
        *_calibrations(board.calibrations),
    ]
    return ["## What the grid tells", *parts] if parts else []


def place(about: Attribution | Patterns | Calibrations) -> str:
    return text.safe(f"{about.task} · {about.modalities} · {about.scenario}")


def _attributions(found: Sequence[Attribution]) -> list[str]:
    blocks = [(each, block) for each in found for block in each.blocks]
    holes = [f"{place(each)}: {each.note}." for each in found if each.note]
    if not found:
        return []
    title = "### Imputer or fuser?"
    if not blocks:
        return [title, text.bullets(holes)]
    percent = f"{100 * (1 - found[0].alpha):g} %"
    said = (
        "On the largest complete block of imputers × fusers, the mean score is the mean of the block + imputer + fuser + "
        "interaction. Shares of what differs between methods, what noise alone would give taken off, with "
        f"{percent} intervals; p: how often noise alone would differ as much; –: all of them together differ "
        "no more than noise would. They are about these methods: a control "
        "that is far worse than all others makes its factor large."
    )
    body = [
        [
            place(each),
            "all" if block.controls else "without controls",
            f"{len(block.imputers)} × {len(block.fusers)}",
            *(_share(block.shares.get(name)) for name in ("imputer", "fuser", "interaction")),
            block.noise or text.NOTHING,
        ]
        for each, block in blocks
    ]
    header = ["table", "methods", "imputers × fusers", "imputer", "fuser", "interaction", "noise of"]
    parts = [title, said, text.grid(header, body)]
    notes = holes + [note for each, block in blocks for note in _left_out(each, block)]
    parts += [text.bullets(notes)] if notes else []
    first = [(each, each.blocks[0]) for each in found if each.blocks]
    parts.append(
        f"Effects: the mean over the other factor minus the mean of the block, in the primary metric, {percent} intervals; "
        "**bold** where the interval excludes 0 for the better, *italic* for the worse."
    )
    for start in range(0, len(first), SIDE_BY_SIDE):
        some = first[start : start + SIDE_BY_SIDE]
        parts += [_effects("imputer", some, [block.imputers for _, block in some])]
        parts += [_effects("fuser", some, [block.fusers for _, block in some])]
    return [*parts, *_together(first)]


def _share(share: Share | None) -> str:
    if share is None:
        return text.NOTHING
    if share.low is None or share.high is None:
        return f"{100 * share.value:.0f} %"
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f}; p {share.p:.3g})"


def _left_out(each: Attribution, block: Block) -> list[str]:
    """The note on methods with holes. Controls left out of the block without them need no word."""
    if not block.left_out or block is not each.blocks[0]:
        return []
    more = f" and {len(block.left_out) - NAMED} more" if len(block.left_out) > NAMED else ""
    named = ", ".join(text.safe(name) for name in block.left_out[:NAMED])
    return [f"{place(each)}: the grid has holes; not in the block: {named}{more}."]


def _effects(factor: str, some: Sequence[tuple[Attribution, Block]], levels: Sequence[Sequence[Level]]) -> str:
    """A line per level, a column per table."""
    at = [{level.name: level for level in column} for column in levels]
    names = sorted({name for column in at for name in column})
    controls = {level.name for column in levels for level in column if level.control}
    header = [factor, *(f"{place(each)}, {_metric(each)}" for each, _ in some)]
    body = [
        [
            text.label(name, name in controls),
            *(_effect(column.get(name), each.higher) for (each, _), column in zip(some, at, strict=True)),
        ]
        for name in names
    ]
    return text.grid(header, body)


def _metric(about: Attribution | Patterns | Marginal) -> str:
    return f"{text.metric(about.metric)} {'↑' if about.higher else '↓'}"


def _effect(level: Level | None, higher: bool) -> str:
    if level is None:
        return text.NOTHING
    if level.low is None or level.high is None:
        return f"{level.effect:+.4f}"
    good, bad = (level.low > 0, level.high < 0) if higher else (level.high < 0, level.low > 0)
    mark = "**" if good else "*" if bad else ""
    return f"{mark}{level.effect:+.4f}{mark} ({level.low:+.4f} to {level.high:+.4f})"


def _together(first: Sequence[tuple[Attribution, Block]]) -> list[str]:
    """The pairs whose interaction is surely not 0, the largest first."""
    found = [
        (
            abs(value),
            f"{place(each)}: {text.safe(i.name)} + {text.safe(f.name)} {value:+.4f} ({low:+.4f} to {high:+.4f})",
        )
        for each, block in first
        if block.interaction_low
        for i, values, lows, highs in zip(
            block.imputers, block.interaction, block.interaction_low, block.interaction_high, strict=True
        )
        for f, value, low, high in zip(block.fusers, values, lows, highs, strict=True)
        if low > 0 or high < 0
    ]
    if not found:
        return []
    listed = [said for _, said in sorted(found, key=lambda pair: (-pair[0], pair[1]))[:LISTED]]
    more = [f"{len(found) - LISTED} more: see the JSON file."] if len(found) > LISTED else []
    return ["Pairs that do more or less together than their effects add up to:", text.bullets([*listed, *more])]


def _marginals(found: Sequence[Marginal], nobody: Mapping[str, Sequence[str]]) -> list[str]:
    if not found:
        return []
    said = (
        "Score with the modality minus score without it, the same imputer and fuser: the mean over methods, the least and the "
        "most, and how many gain and lose; in brackets those whose paired interval excludes 0."
    )
    body = [
        [
            text.safe(f"{each.task} · {each.scenario}"),
            text.modalities(each.modality, {name: [name] for name in nobody.get(each.with_it, ())}),
            text.safe(each.without),
            _metric(each),
            f"{each.mean:+.4f}",
            f"{each.least:+.4f} to {each.most:+.4f}",
            str(len(each.rows)),
            _of(each.better, each.surely_better),
            _of(each.worse, each.surely_worse),
        ]
        for each in found
    ]
    header = ["task", "modality", "added to", "metric", "mean difference", "range", "methods", "gain", "lose"]
    return ["### What a modality is worth", said, text.grid(header, body)]


def _of(count: int, sure: int | None) -> str:
    return f"{count} ({text.NOTHING if sure is None else sure})"


def _patterns(found: Sequence[Patterns]) -> list[str]:
    if not found:
        return []
    said = (
        "The primary score over the test records that have just these modalities, after hiding; means over seeds. "
        f"Combinations of fewer than {SMALLEST} records are taken together as (others). *Italic*: the method's worst, among "
        f"combinations of {ENOUGH} records or more; –: not defined (one class alone), or a record made before this was kept."
    )
    parts = ["### By which modalities a record has", said]
    for table in found:
        sizes = zip(table.names, table.records, strict=True)
        header = ["imputer", "fuser", *(f"{text.safe(name)} ({size:,.0f})" for name, size in sizes)]
        body = [
            [
                text.label(row.imputer, row.control_imputer),
                text.label(row.fuser, row.control_fuser),
                *(
                    f"*{text.mean(score)}*" if index == row.worst else text.mean(score)
                    for index, score in enumerate(row.scores)
                ),
            ]
            for row in table.rows
        ]
        parts += [f"#### {place(table)}, {_metric(table)}", text.grid(header, body), *_worst(table)]
    return parts


def _worst(table: Patterns) -> list[str]:
    """Which combination is worst for how many methods."""
    counted = [sum(row.worst == index for row in table.rows) for index in range(len(table.names))]
    if not any(counted):
        return []
    named = [
        f"{text.safe(name)} for {text.count(count, 'method')}"
        for name, count in zip(table.names, counted, strict=True)
        if count
    ]
    return [f"Worst: {', '.join(named)}."]


def _calibrations(found: Sequence[Calibrations]) -> list[str]:
    if not found:
        return []
    said = (
        f"ECE: the mean distance between the probability and how often it came true, over {BINS} bins of equal width; Brier: "
        "the mean squared error of the probability. Smaller is better. –: a record made before this was kept."
    )
    parts = ["### Calibration", said]
    for table in found:
        marked = [text.best_two([getattr(row, name) for row in table.rows], higher=False) for name in ("ece", "brier")]
        body = [
            [text.label(row.imputer, row.control_imputer), text.label(row.fuser, row.control_fuser), *scores]
            for row, *scores in zip(table.rows, *marked, strict=True)
        ]
        parts += [f"#### {place(table)}", text.grid(["imputer", "fuser", "ECE ↓", "Brier ↓"], body)]
    return parts
