"""The exports that a site is made of, each as a board; and those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench.errors import BenchError
from bench.leaderboard.board import Board
from bench.leaderboard.sections import tables
from bench.leaderboard.task_table import TaskTable
from bench.pages.places import board_place
from bench.results.collect import stem
from bench.results.export_file import load_export
from bench.results.redact import redact, redact_text

EXPORTS = "*.records.json"


class Source(msgspec.Struct, frozen=True):
    """A board and the name of its page, which no other board of the site has."""

    name: str
    board: Board

    @property
    def place(self) -> str:
        return board_place(self.name)

    @property
    def tables(self) -> list[TaskTable]:
        return self.board[tables.SECTION]


class Unread(msgspec.Struct, frozen=True):
    """A file that is no whole export: its name without folders, and why, in one line."""

    name: str
    reason: str


def read(files: Iterable[Path]) -> tuple[list[Source], list[Unread]]:
    """The boards of these files by name, and the files that cannot be read. A file that is named
    twice is one.
    """
    boards: list[tuple[str, Board]] = []
    unread = []
    for file in {each.resolve(): each for each in files}.values():
        try:
            export = redact(load_export(file))
            boards.append((stem(export), Board(export)))
        except BenchError as error:
            unread.append(Unread(file.name, redact_text(str(error).replace(str(file), file.name))))
    return _named(sorted(boards, key=lambda each: each[0])), sorted(unread, key=lambda each: each.name)


def _named(boards: Sequence[tuple[str, Board]]) -> list[Source]:
    """Of boards with one name, all but the first get a number that no other name has."""
    names = {name for name, _ in boards}
    sources: list[Source] = []
    for name, board in boards:
        unused, number = name, 1
        while unused in {each.name for each in sources} or (number > 1 and unused in names):
            number += 1
            unused = f"{name}-{number}"
        sources.append(Source(unused, board))
    return sources
