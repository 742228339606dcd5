"""How the tables are to be read."""

from __future__ import annotations

from typing import Any

from bench.leaderboard.blocks import Block, Heading, Marked, Paragraph, Rich, strong
from bench.leaderboard.board import Board, Section

TEXT = Rich(
    strong("Scores"),
    " are of the test part: mean ± sample standard deviation over the planned seeds. A row with a missing or failed seed has no "
    "mean and no rank, a row that failed an audit no rank. The best of a column is ",
    strong("bold"),
    ", the second ",
    Marked("underlined", "second"),
    "; equal when printed is equal. ",
    strong("Tie groups"),
    ": the best method leads group 1 together with all that cannot be told apart from it; the best of the rest leads group 2, "
    "and so on. ",
    strong("Intervals and comparisons"),
    ": paired bootstrap over patients and, where several were run, seeds; Holm's correction over all pairs of a table. ",
    strong("†"),
    " marks a control. ",
    strong("Audits"),
    ": passed / applicable. docs/reference/leaderboard.md explains all of it.",
)


def blocks(board: Board) -> list[Block]:
    return [Heading(2, "How to read this"), Paragraph(TEXT)]


SECTION: Section[Any] = Section("reading", None, blocks)
