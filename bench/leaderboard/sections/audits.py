"""What the audits of each method say."""

from __future__ import annotations

from typing import Any

from bench.leaderboard.audited import in_order
from bench.leaderboard.blocks import Block, Cell, Heading, Notes, Paragraph, Rich, Table, failed, passed
from bench.leaderboard.board import Board, Section
from bench.leaderboard.sections import tables
from bench.leaderboard.words import columns, short

TEXT: dict[str, str] = {
    "passed": Rich(passed("pass")),
    "failed": Rich(failed("FAIL")),
    "not applicable": "n.a.",
    "not run": "not run",
}


def blocks(board: Board) -> list[Block]:
    """A line per method and table; what failed or was not run is spelt out below."""
    title = Heading(2, "Audits")
    names = in_order({name for table in board[tables.SECTION] for row in table.rows for name in row.audits})
    if not names:
        return [title, Paragraph("No audit was run.")]
    several = len(board[tables.SECTION]) > 1
    body: list[list[Cell]] = []
    details = []
    for table in board[tables.SECTION]:
        for row in sorted(table.rows, key=lambda row: row.pair):
            states = [TEXT[row.audits[name].state] if name in row.audits else None for name in names]
            body.append([*[table.title] * several, *row.pair, *states])
            about = f"{table.title}, {row.name}" if several else row.name
            details += [
                f"{name}, {about}, {result.state}: {short(result.detail) or 'it has no outcome'}"
                for name, result in row.audits.items()
                if result.state in ("failed", "not run")
            ]
    legend = (
        "Over all seeds of a method. n.a.: does not apply. –: not planned for this method (permuted labels and the "
        "repeated cell are run once per task and fuser)."
    )
    grid = Table(columns(*["table"] * several, "imputer", "fuser", *names), body)
    return [title, Paragraph(legend), grid, *([Notes(details)] if details else [])]


SECTION: Section[Any] = Section("audits", None, blocks)
