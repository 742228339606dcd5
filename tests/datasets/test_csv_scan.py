"""Rows counted without parsing: the same as the csv module counts, however the bytes come, and
no quote goes unseen.
"""

from __future__ import annotations

import csv
import io
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_datasets import csv_scan
from bench_datasets.csv_scan import Scan, scan

FIELDS = st.text(alphabet='ab1,"\n ', max_size=6)
PLAIN = st.lists(st.text(alphabet="ab1", max_size=4), min_size=3, max_size=3)
TABLES = st.lists(st.lists(FIELDS, min_size=3, max_size=3), max_size=8)


def scanned(content: bytes, block: int = 2**20) -> Scan:
    before, csv_scan.BLOCK = csv_scan.BLOCK, block
    try:
        return scan(io.BytesIO(content), threading.Event())
    finally:
        csv_scan.BLOCK = before


def saved(rows: list[list[str]], end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end, quoting=quoting).writerows([["x", "y", "z"], *rows])  # type: ignore[arg-type]
    return stream.getvalue().encode()


@settings(deadline=None)
@given(
    rows=TABLES, end=st.sampled_from(["\n", "\r\n"]), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.integers(1, 40),
)  # fmt: skip
def test_rows_are_those_that_were_written_in_blocks_of_any_size(
    rows: list[list[str]], end: str, quoting: int, block: int
) -> None:
    found = scanned(saved(rows, end, quoting), block)
    assert (found.rows, found.damage, found.cut) == (len(rows), "", False)
    assert bool(found.several_lines) == any("\n" in field for row in rows for field in row)


@settings(deadline=None)
@given(content=st.text(alphabet='ab,"\n\r', max_size=60), block=st.integers(1, 20))
def test_any_bytes_give_the_same_answer_in_blocks_of_any_size(content: str, block: int) -> None:
    assert scanned(content.encode(), block) == scanned(content.encode())


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(st.text(alphabet="ab1", max_size=4), min_size=3, max_size=3), min_size=1, max_size=8),
    data=st.data(),
)
def test_a_quote_that_begins_a_field_and_never_ends_is_found_with_its_line(
    rows: list[list[str]], data: st.DataObject
) -> None:
    line = data.draw(st.integers(1, len(rows)))
    lines = saved(rows).decode().split("\n")
    lines[line] = lines[line].replace(",", ',"', 1)
    assert scanned("\n".join(lines).encode()).damage == f"the quote opened in line {line + 1} is never closed"


@pytest.mark.parametrize(
    ("content", "rows", "damage"),
    [
        (b'a,b\n1,5" tube\n2,x\n', 2, ""),
        (b'a,b\n1,"x"y\n2,z\n', 2, "the quote opened in line 2 is closed in the middle of a field, in line 2"),
        (b"a,b\r1,2\r3,4\r", 2, ""),
        (b"a,b\n1,2\r3,4\n", 2, "lines end in two ways, some of them with a carriage return alone"),
        (b"a,b\n\n1,2\n\n", 1, ""),
        (b"a,b\n1,2", 1, ""),
        (b"", 0, ""),
        (b'a,b\n1,"x\ry"\n2,z\n', 2, ""),
        (b'a,b\r\n1,"x\ry\nz"\r\n2,z\r\n', 2, ""),
    ],
)
def test_what_a_table_may_hold_and_what_not(content: bytes, rows: int, damage: str) -> None:
    found = scanned(content)
    assert (found.rows, found.damage) == (rows, damage)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_scan, "LONGEST_LINE", 2**16)
    assert "line 2 has no end" in scanned(b"a,b\n" + b"x" * 2**18, 2**12).damage


def test_a_file_that_does_not_end_with_its_line_is_told() -> None:
    assert scanned(b"a,b\n1,2").cut
    assert not scanned(b"a,b\n1,2\n").cut
