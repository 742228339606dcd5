"""The main tables as text for a terminal: what `bench report --print` prints."""

from __future__ import annotations

import re

import pytest

from bench.leaderboard import main_tables, render
from support.fake_exports import make_export

EXPORT = make_export()
COLUMNS = re.split(r"  +", next(line for line in main_tables(EXPORT, 1000).splitlines() if line.startswith("rank")))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 1000])
def test_no_line_is_wider_than_the_terminal_and_every_column_is_shown_or_named(width: int) -> None:
    text = main_tables(EXPORT, width)
    assert max(map(len, text.splitlines())) <= width
    assert not re.search(r"</?u>|\*\*|\\\\|\|", text)
    shown = re.split(r"  +", next(line for line in text.splitlines() if re.match(r"rank( |$)", line)))
    named = " ".join(re.findall(r"Not shown, for want of width: (.*?)\.\n", text, re.DOTALL)[:1]).replace("\n", " ")
    assert sorted([*shown, *filter(None, named.split(", "))]) == sorted(COLUMNS)


def test_methods_stand_in_the_order_of_their_ranks_and_other_sections_in_the_file_alone() -> None:
    page, text = render(EXPORT)["md"].decode(), main_tables(EXPORT, 1000)
    ranks = [int(line.split()[0]) for line in text.splitlines() if re.match(r"\d+  ", line)]
    assert ranks
    assert ranks[0] == 1
    for heading in re.findall(r"^## (.+)$", page, re.MULTILINE):
        assert (heading in text) is (" · " in heading or heading == "Cells")
