"""The first page of a site: its leaderboards, what could not be read, and the overview."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bench.leaderboard.blocks import Block, Cell, Heading, Notes, Paragraph, Table
from bench.leaderboard.sections import head
from bench.leaderboard.words import columns, count
from bench.pages import standing
from bench.pages.places import INDEX, history_place, link, suite_place
from bench.pages.sources import Source, Unread

TITLE = "Leaderboards"
NO_DATE = "not recorded"


def blocks(
    sources: Sequence[Source], unread: Sequence[Unread], histories: Collection[str], version: str
) -> list[Block]:
    """The page. histories: the suites that have one. version: of gapbench, which made it."""
    suites = {source.board.export.suite for source in sources}
    made_of = f"{count(len(sources), 'leaderboard')} of {count(len(suites), 'suite')}, made by gapbench {version}."
    page: list[Block] = [Heading(1, TITLE), Paragraph(made_of)]
    if unread:
        page += [Heading(2, "Not readable"), Notes([f"{each.name}: {each.reason}" for each in unread])]
    if sources:
        overview = standing.blocks(sources)
        page += [Heading(2, "All leaderboards"), boards(INDEX, sources), Heading(2, "Overview"), *overview]
    if histories:
        page.append(Heading(2, "Histories"))
        page.append(Notes([link(INDEX, history_place(suite), suite) for suite in sorted(histories)]))
    return page


def boards(here: str, sources: Sequence[Source]) -> Table:
    """A row for each leaderboard, with a link to its page."""
    rows: list[list[Cell]] = []
    for source in sources:
        export = source.board.export
        rows.append(
            [
                link(here, source.place, source.board[head.SECTION].title),
                link(here, suite_place(export.suite), export.suite),
                export.profile,
                export.dataset,
                "generated" if export.synthetic else "recorded",
                (export.run.day if export.run else "") or NO_DATE,
                len(source.tables),
                sum(len(table.rows) for table in source.tables),
            ]
        )
    return Table(columns("leaderboard", "suite", "profile", "dataset", "data", "date", "tables", "rows"), rows)
