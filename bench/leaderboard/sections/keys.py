"""The key of every cell, by which one can be looked at and run again."""

from __future__ import annotations

import msgspec

from bench.leaderboard.blocks import Block, Cell, Heading, Paragraph, Rich, Table, code
from bench.leaderboard.board import Board, Section
from bench.leaderboard.words import columns
from bench.results.coordinates import Method, TableKey, method_of, table_of
from bench.results.short_keys import length_for

ABOUT = Rich(
    "Every cell has a key, of which the tables show the beginning. ",
    code("bench cell KEY"),
    " shows what it holds, ",
    code("bench rerun KEY"),
    " computes it again and compares the bits.",
)


class KeyedRow(Method, kw_only=True, frozen=True):
    """The cells of a row, or one kind of its audit cells.

    - keys: seed, with its split -> the key in full.
    - statuses: of those cells that are not ok.
    """

    audit: str
    keys: dict[str, str]
    statuses: dict[str, str]


def aggregate(board: Board) -> list[KeyedRow]:
    """All planned cells, in the order of the plan."""
    keys = dict(board.export.planned)
    rows: dict[tuple[Method, str], KeyedRow] = {}
    for at, record in board.cells.items():
        method, repeat = method_of(at), str(at.repeat)
        row = rows.setdefault(
            (method, at.audit), KeyedRow(**msgspec.structs.asdict(method), audit=at.audit, keys={}, statuses={})
        )
        row.keys[repeat] = keys[at]
        if record is None or record.status != "ok":
            row.statuses[repeat] = record.status if record else "not-run"
    return list(rows.values())


def blocks(board: Board) -> list[Block]:
    """A table beside each of those with scores: a line per row, a column per seed."""
    rows_of_table: dict[TableKey, list[KeyedRow]] = {}
    for row in board[SECTION]:
        rows_of_table.setdefault(table_of(row), []).append(row)
    length = length_for(key for row in board[SECTION] for key in row.keys.values())
    parts: list[Block] = [Heading(2, "Cells"), Paragraph(ABOUT)]
    for table, rows in rows_of_table.items():
        parts += [Heading(3, table.title)] * (len(rows_of_table) > 1)
        parts.append(_table(rows, length))
    return parts


def _table(rows: list[KeyedRow], length: int) -> Table:
    repeats = list(dict.fromkeys(repeat for row in rows for repeat in row.keys))
    audited = any(row.audit for row in rows)
    body: list[list[Cell]] = [
        [row.imputer, row.fuser, *[row.audit] * audited, *(_cell(row, repeat, length) for repeat in repeats)]
        for row in rows
    ]
    named = [f"seed {repeat}" if repeat.isdigit() else repeat for repeat in repeats]
    return Table(columns("imputer", "fuser", *["audit"] * audited, *named), body)


def _cell(row: KeyedRow, repeat: str, length: int) -> Cell:
    if repeat not in row.keys:
        return None
    status = row.statuses.get(repeat, "")
    return Rich(code(row.keys[repeat][:length]), f" {status}" if status else "")


SECTION = Section("cells", aggregate, blocks)
