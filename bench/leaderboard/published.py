"""What others published, set beside our numbers or below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from bench.data.release import elsewhere
from bench.leaderboard.blocks import Cell, Number, Rich, strong
from bench.leaderboard.words import metric
from bench.results.coordinates import TableKey
from bench.results.records import Export

PLACE = [name for name in TableKey.__struct_fields__ if name != "task"]


class PublishedScore(msgspec.Struct, frozen=True):
    """A value somebody else published. elsewhere: why it does not stand beside ours; empty where
    it does. notes: what is odd about it.
    """

    method: str
    metric: str
    value: float
    std: float | None
    source: str
    elsewhere: str = ""
    notes: tuple[str, ...] = ()


def published(export: Export, task: str, table: TableKey, lacking: Sequence[str]) -> list[PublishedScore]:
    """What was published for a table, in the order of the suite. lacking: modalities of it that
    no record has.
    """
    return [
        PublishedScore(
            entry.method,
            entry.metric,
            entry.value,
            entry.std,
            entry.source,
            elsewhere(export, entry, lacking),
            entry.notes,
        )
        for entry in export.published
        if entry.task == task and entry.modalities in ("", table.modalities) and entry.scenario in ("", table.scenario)
    ]


def cell(values: Iterable[PublishedScore], metric: str) -> Cell:
    """All values of one metric; an empty cell where there is none."""
    return tuple(Number(v.value, std=v.std) for v in values if v.metric == metric) or ""


def below(beside: Sequence[PublishedScore], elsewhere: Sequence[PublishedScore]) -> list[str]:
    """All that a table says of published values below it.

    beside: values that stand in the table. elsewhere: values that do not, which are told here.
    """
    return [*_sources(beside), *_footnotes(elsewhere), *_oddities([*beside, *elsewhere])]


def _oddities(values: Sequence[PublishedScore]) -> list[str]:
    """What is odd about published values, each note once. One that not all of them bear names
    those that do.
    """
    bearers: dict[str, list[PublishedScore]] = {}
    for value in values:
        for note in value.notes:
            bearers.setdefault(note, []).append(value)
    lines: list[str] = []
    for note, bearing in bearers.items():
        named = "" if len(bearing) == len(values) else f"{', '.join(f'{v.method} {_words(v)}' for v in bearing)}: "
        lines.append(Rich(strong("Of what was published:"), f" {named}{note}"))
    return lines


def _sources(values: Iterable[PublishedScore]) -> list[str]:
    """The sentence that says where published values are from, source by source; empty where none
    is named.
    """
    methods: dict[str, set[str]] = {}
    for value in values:
        if value.source:
            methods.setdefault(value.source, set()).add(value.method)
    named = "; ".join(f"{source} ({', '.join(sorted(methods[source]))})" for source in sorted(methods))
    return [f"Published by others, on their data and split: {named}."] if named else []


def _footnotes(values: Iterable[PublishedScore]) -> list[str]:
    """Published values that do not stand beside ours, a sentence for each reason, method by
    method.
    """
    by_reason: dict[str, dict[str, list[PublishedScore]]] = {}
    for value in values:
        by_reason.setdefault(value.elsewhere, {}).setdefault(value.method, []).append(value)
    lines: list[str] = []
    for reason, methods in by_reason.items():
        named = sorted({value.source for scores in methods.values() for value in scores if value.source})
        shown = "; ".join(f"{method} {', '.join(map(_words, scores))}" for method, scores in methods.items())
        source = f" ({'; '.join(named)})" if named else ""
        lines.append(Rich(strong(f"Published, but not to be set beside ours: {reason}."), f" {shown}{source}."))
    return lines


def _words(value: PublishedScore) -> str:
    spread = "" if value.std is None else f" ± {value.std:.4f}"
    return f"{metric(value.metric)} {value.value:.4f}{spread}"
