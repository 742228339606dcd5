"""What the leaderboard is of: title, suite, data, how many cells, and what a reader must know
first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bench.data.release import GENERATED
from bench.grid.differences import sentence
from bench.leaderboard.blocks import Block, Heading, Marked, Paragraph, Rich, code, strong
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import statuses
from bench.leaderboard.statements import nobody, protocol_notes, run_notes, split_notes, title
from bench.leaderboard.words import capital, count
from bench.results.records import Override, Record
from bench.results.redact import redact_command


class Head(msgspec.Struct, kw_only=True):
    """What stands at the head of a board.

    - release: which release the data are, empty where it is not recorded.
    - overrides: in what the run differs from the suite and its profile.
    - statuses: status -> how many scored cells.
    - `nobody`: modality set -> the modalities of it that no record has.
    """

    schema: int
    suite: str
    profile: str
    overrides: list[Override]
    title: str
    dataset: str
    release: str
    synthetic: bool
    command: str
    statuses: dict[str, int]
    notes: list[str]
    nobody: dict[str, list[str]]


def aggregate(board: Board) -> Head:
    export, records = board.export, board.records
    by_set: dict[str, list[Record]] = {at.modalities: [] for at in board.cells}
    for record in records:
        by_set[record.coordinates.modalities].append(record)
    return Head(
        schema=export.schema,
        suite=export.suite,
        profile=export.profile,
        overrides=export.overrides,
        title=title(export, records),
        dataset=export.dataset,
        release=GENERATED if export.synthetic else export.release,
        synthetic=export.synthetic,
        command=redact_command(export.command),
        statuses=statuses(board.scored),
        notes=[*run_notes(export), *split_notes(export, records), *protocol_notes(export, records), *board.stray],
        nobody={name: lacking for name, inside in by_set.items() if (lacking := nobody(inside))},
    )


def blocks(board: Board) -> list[Block]:
    head = board[SECTION]
    paragraphs: list[str] = []
    if differs := sentence(head.overrides):
        paragraphs.append(Rich(strong(f"{capital(differs)}.")))
    release = f" ({head.release})" if head.release else ""
    states = ", ".join(f"{count} {status}" for status, count in head.statuses.items())
    where = Rich("Suite ", code(head.suite), ", profile ", code(head.profile), ", dataset ", code(head.dataset))
    paragraphs.append(Rich(where, release, f"; {count(sum(head.statuses.values()), 'planned cell')}: {states}."))
    if head.synthetic:
        generated = strong("The records of this leaderboard were generated")
        paragraphs.append(Rich(generated, ": its numbers say nothing about real ones."))
    return [Heading(1, head.title), *map(Paragraph, [*paragraphs, *filter(_warns, head.notes)])]


def _warns(note: str) -> bool:
    """Whether it begins with words that must not be missed."""
    first = note.parts[0] if isinstance(note, Rich) else ""
    return isinstance(first, Marked) and first.mark == "strong"


SECTION = Section("", aggregate, blocks)

NOTES: Section[Any] = Section(
    "", None, lambda board: [Paragraph(each) for each in board[SECTION].notes if not _warns(each)]
)
"""What else holds for all tables; below the result, above the tables."""
