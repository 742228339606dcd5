"""What a table, a figure and a note are is decided once: every target writes the same blocks,
and loses nothing.
"""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.leaderboard import Board, render
from bench.leaderboard.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Interval,
    Label,
    Missing,
    Notes,
    Number,
    Paragraph,
    Rich,
    Table,
    emphasis,
    joined,
    strong,
)
from bench.leaderboard.board import Section, blocks_of
from bench.leaderboard.render.csv import to_csv
from bench.leaderboard.render.html import to_html
from bench.leaderboard.render.json import to_json
from bench.leaderboard.render.markdown import to_markdown
from bench.leaderboard.render.spelling import pieces
from bench.leaderboard.sections.all import SECTIONS
from bench.text import clean
from support.whole_export import whole

hostile = st.sampled_from(
    [
        "a|b",
        "<script>x</script>",
        "two\nlines",
        "`code`",
        "*x* _y_",
        "\x1b[31mred",
        "\u202egnp.exe",
        "=1+1",
        "-1",
        "# x",
        "\\",
        "",
    ]
) | st.text(max_size=8)
real = st.floats(-1e6, 1e6, allow_subnormal=False)
numbers = st.builds(
    lambda value, form, mark, spread: Number(value, form, mark, **spread),
    real,
    st.sampled_from([".4f", "+.4f", ".1f", ",.0f"]),
    st.sampled_from([None, "strong", "second", "emphasis"]),
    st.sampled_from(
        [{}, {"std": 0.25}, {"low": -0.5, "high": 2.5}, {"low": 0.0, "high": 1.0, "p": 0.03125}, {"note": "point"}]
    ),
)
cells: st.SearchStrategy[Cell] = st.one_of(
    numbers,
    st.none(),
    hostile,
    st.integers(-9999, 99999),
    real,
    st.builds(Interval, real, real, st.booleans()),
    st.builds(Label, hostile, st.booleans()),
    st.builds(Missing, hostile),
    st.lists(numbers, min_size=1, max_size=3).map(tuple),
    st.builds(lambda one, two: Rich(one, " ", strong(two), " ", emphasis(one)), hostile, hostile),
)
columns = st.builds(Column, hostile, st.sampled_from([None, True, False]))
tables = st.integers(1, 4).flatmap(
    lambda n: st.builds(
        Table,
        st.lists(columns, min_size=n, max_size=n),
        st.lists(st.lists(cells, min_size=n, max_size=n), max_size=5),
    )
)
blocks = st.lists(
    st.one_of(
        tables,
        st.builds(Heading, st.integers(1, 4), hostile),
        st.builds(Paragraph, hostile),
        st.builds(Notes, st.lists(hostile, max_size=3)),
    ),
    max_size=5,
)


class Cells(HTMLParser):
    """The cells of the tables of a page, row by row, as they are read."""

    def __init__(self, content: str):
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(content)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def of_markdown(text: str) -> list[list[str]]:
    """The cells of the tables of a page of Markdown, as a parser reads them."""
    return Cells(MarkdownIt("commonmark").enable("table").render(text)).rows


def read(cell: Cell) -> str:
    """A cell as a person reads it, white space aside."""
    return spaceless("".join(clean.line(text) for text, _, _ in pieces(cell)))


def spaceless(text: str) -> str:
    return "".join(text.split())


def header(table: Table) -> list[str]:
    return [column.name + {None: "", True: "↑", False: "↓"}[column.higher] for column in table.columns]


def expected(found: list[Block]) -> list[list[str]]:
    rows = [row for block in found if isinstance(block, Table) for row in (header(block), *block.rows)]
    return [[read(cell) for cell in row] for row in rows]


def shown(rows: list[list[str]]) -> list[list[str]]:
    return [[spaceless(cell) for cell in row] for row in rows]


@settings(max_examples=150, deadline=None)
@given(blocks)
def test_markdown_and_the_page_show_every_cell_of_every_table_in_its_place_and_no_other(found: list[Block]) -> None:
    assert shown(of_markdown(to_markdown(found))) == expected(found)
    assert shown(Cells(to_html(found)).rows) == expected(found)


@settings(max_examples=150, deadline=None)
@given(tables)
def test_csv_holds_every_number_in_full_in_the_order_in_which_the_page_shows_it(table: Table) -> None:
    names, *rows = csv.reader(io.StringIO(to_csv([table])))
    assert len(rows) == len(table.rows)
    for row, cells in zip(rows, table.rows, strict=True):
        assert len(row) == len(names)
        values = iter(row)
        for cell in cells:
            if isinstance(cell, Number):
                parts = [cell.value, cell.std, cell.low, cell.high, cell.p]
                for part in (part for part in parts if part is not None):
                    assert part in (as_number(value) for value in values), "a number is lost, or out of its order"
            elif isinstance(cell, Interval):
                assert {cell.low, cell.high} <= set(map(as_number, row))
            elif isinstance(cell, int | float):
                assert cell in (as_number(value) for value in values)


def as_number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


@settings(max_examples=100, deadline=None)
@given(blocks)
def test_the_same_blocks_give_the_same_bytes_without_a_character_that_nobody_can_see(found: list[Block]) -> None:
    for target in (to_markdown, to_html, to_csv):
        text = target(found)
        assert text == target(found)
        assert text.replace("\n", "").isprintable()


@given(blocks)
def test_no_text_becomes_a_formula_of_a_spreadsheet(found: list[Block]) -> None:
    for row in csv.reader(io.StringIO(to_csv(found))):
        for value in row:
            assert not value.startswith(("=", "+", "@")) or as_number(value) is not None


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.blocks.__module__.rpartition(".")[2])
def test_every_section_has_blocks_that_every_target_writes(section: Section[Any]) -> None:
    found = section.blocks(Board(whole()))
    assert found
    assert shown(of_markdown(to_markdown(found))) == shown(Cells(to_html(found)).rows) == expected(found)
    tables = [block for block in found if isinstance(block, Table)]
    lines = sum(1 + len(table.rows) for table in tables)
    assert len([row for row in csv.reader(io.StringIO(to_csv(found))) if row]) == lines
    assert to_html(found).count("<figure>") == sum(isinstance(block, Figure) for block in found)


def test_the_numbers_of_a_page_are_those_of_the_markdown_in_the_same_order() -> None:
    rendered = render(whole(), page=True)
    number = re.compile(r"\d[\d,.]*")
    page, markdown = (
        [number.findall(cell) for row in rows for cell in row]
        for rows in (Cells(rendered["html"].decode()).rows, of_markdown(rendered["md"].decode()))
    )
    assert page == markdown
    assert sum(map(len, page)) > 500


def test_a_new_section_is_an_object_that_no_other_part_knows() -> None:
    section = Section(
        "sums",
        lambda board: {"cells": len(board.cells)},
        lambda board: [Paragraph(f"{board[section]['cells']} of all")],
    )
    board, sections = Board(whole()), (*SECTIONS, section)
    cells = len(whole().planned)
    page = blocks_of(board, sections)
    for target in (to_markdown, to_html):
        assert f"{cells} of all" in target(page)
    assert f'"sums": {{\n  "cells": {cells}\n }}' in to_json(board, sections)


def test_the_structure_of_a_section_is_made_when_it_is_asked_for_and_once() -> None:
    calls = []
    section = Section("counted", lambda board: calls.append(board) or len(calls))
    board = Board(whole())
    assert not calls
    assert (board[section], board[section]) == (1, 1)


def test_sections_of_a_chapter_share_its_heading_where_any_has_something_to_say() -> None:
    empty = Section("a", None, chapter="One")
    full = Section("b", None, lambda board: [Paragraph("x")], chapter="One")
    assert blocks_of(Board(whole()), (empty,)) == []
    assert blocks_of(Board(whole()), (empty, full, full)) == [Heading(2, "One"), Paragraph("x"), Paragraph("x")]


@given(st.lists(hostile), hostile)
def test_marked_text_is_its_words_and_keeps_its_marks_when_it_is_joined(texts: list[str], between: str) -> None:
    marked = [Rich("a", strong(text)) for text in texts]
    assert joined(between, marked) == between.join(marked)
    assert [part for part in joined(between, marked).parts if not isinstance(part, str)] == [
        part for text in marked for part in text.parts if not isinstance(part, str)
    ]
    assert (Rich(strong("x")) + between).parts[0] == strong("x")
