"""Where the numbers come from: the command, and what the records say of code, data and machines."""

from __future__ import annotations

from bench.leaderboard.blocks import Block, Cell, Command, Heading, Table
from bench.leaderboard.board import Board, Section
from bench.leaderboard.sections import head
from bench.leaderboard.statements import counted, provenance
from bench.leaderboard.words import columns, spaced

CALLED = {"manifest": "digest of the data"}
"""Entries of the provenance under another name than in the records."""


def aggregate(board: Board) -> dict[str, dict[str, int]]:
    """Name -> value -> how many records say so."""
    return provenance(board.records)


def blocks(board: Board) -> list[Block]:
    body: list[list[Cell]] = [
        [spaced(CALLED.get(name, name)), counted(values)] for name, values in board[SECTION].items()
    ]
    parts: list[Block] = [Heading(2, "Where these numbers come from"), Command(board[head.SECTION].command)]
    return [*parts, Table(columns("what", "value"), body)] if body else parts


SECTION = Section("provenance", aggregate, blocks)
