"""How the tables are to be read."""

from __future__ import annotations

from typing import Any

from bench.leaderboard.blocks import Block, Heading, Marked, Paragraph, Rich, strong
from bench.leaderboard.board import Board, Section
from bench.leaderboard.words import CORRECTIONS


def text(correction: str) -> Rich:
    """correction: how the p-values of the tables are adjusted for their number; "" where none
    are stored.
    """
    adjusted = f"; p-values adjusted over all pairs of a table by {CORRECTIONS[correction]}" if correction else ""
    return Rich(
        strong("Scores"),
        " are of the test part: mean ± sample standard deviation over the planned seeds. A row with a missing or failed seed has "
        "no mean and no rank, a row that failed an audit no rank. The best of a column is ",
        strong("bold"),
        ", the second ",
        Marked("underlined", "second"),
        "; scores that print the same are equal. ",
        strong("Tie groups"),
        ": the best method leads group 1 together with all that cannot be distinguished from it; the best of the rest leads "
        "group 2, and so on. A row whose scores scatter more can be in an earlier group than one that ranks above it. ",
        strong("Intervals and comparisons"),
        f": paired bootstrap over patients and, where several were run, seeds{adjusted}. ",
        strong("†"),
        " marks a control. ",
        strong("Audits"),
        ": passed / applicable. docs/reference/leaderboard.md explains all of it.",
    )


def blocks(board: Board) -> list[Block]:
    statistics = board.export.statistics
    return [Heading(2, "How to read this"), Paragraph(text(statistics.correction if statistics else ""))]


SECTION: Section[Any] = Section("reading", None, blocks)
