"""Counts the rows of a CSV file without parsing it, and finds quotes that are never closed.

Readers of CSV are lenient: an unclosed quote swallows all rows up to the next quote, without an
error. This module scans the bytes beside the reader, by the rules of RFC 4180. A quote opens a
field only at its beginning, and closes it only before a comma or the end of a line.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

BLOCK = 2**20
LONGEST_LINE = 64 * 2**20
"""Bytes. A line that is longer is none: the longest report has a few thousand."""

QUOTE, COMMA, LF, CR = b'",\n\r'
_OPEN = re.compile(rb'(?:\A|[,\n\r])(")')
_CLOSE = re.compile(rb'[^"]*(?:""[^"]*)*"(?!")')


class Readable(Protocol):
    """A file of bytes, compressed or not."""

    def read(self, size: int, /) -> bytes: ...


@dataclass
class Scan:
    """What a file holds.

    - rows: records after the first line, blank lines not counted.
    - damage: what no CSV has, with its line; or empty.
    - several_lines: the first line of a field that goes over several lines, or 0.
    - cut: the last line has no end.
    """

    rows: int = 0
    damage: str = ""
    several_lines: int = 0
    cut: bool = False


def scan(stream: Readable, stop: threading.Event) -> Scan:
    """Read a stream to its end, or until it should stop. Raises what reading raises."""
    state = _State()
    for block in _blocks(stream, stop, state):
        state.take(block)
    return state.done()


def _blocks(stream: Readable, stop: threading.Event, state: _State) -> Iterator[bytes]:
    """The bytes in blocks that end with a line."""
    left = b""
    while not stop.is_set() and (block := stream.read(BLOCK)):
        block = left + block
        # A CR at the very end may be half of a CRLF.
        end = max(block.rfind(b"\n"), block.rfind(b"\r", 0, len(block) - 1)) + 1
        left = block[end:]
        if len(left) > LONGEST_LINE:
            state.damage = state.damage or f"line {state.lines + 1:,} has no end within {LONGEST_LINE // 2**20} MiB"
            return
        if end:
            yield block[:end]
    if left and not stop.is_set():
        state.cut = not left.endswith(b"\r")
        yield left


class _State:
    """Counts after the blocks so far. lines: ends of lines, whether quoted or not; opened: the
    line of an open quote, or 0.
    """

    def __init__(self) -> None:
        self.lines = self.records = self.line_feeds = self.returns = 0
        self.opened = self.several_lines = 0
        self.damage = ""
        self.cut = False

    def take(self, block: bytes) -> None:
        odd = block.startswith(b"\n") or any(mark in block for mark in (b'"', b"\r", b"\n\n"))
        if not self.opened and not odd:
            ends_here = block.count(b"\n")
            self.line_feeds += ends_here
            self.lines += ends_here
            self.records += ends_here + (not block.endswith(b"\n"))
            return
        text = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(text == LF)
        if b"\r" in block:
            returns = np.flatnonzero(text == CR)
            alone = returns[text[np.minimum(returns + 1, len(text) - 1)] != LF]
            ends = np.sort(np.concatenate([ends, alone]))
        quoted = self._quoted(block, text, ends) if self.opened or b'"' in block else np.zeros(len(ends), bool)
        feeds = text[ends] == LF
        self.line_feeds += int((~quoted & feeds).sum())
        self.returns += int((~quoted & ~feeds).sum())
        # A blank line is an end right after an end; that of a CRLF has its CR between.
        starts = np.concatenate([[0], ends[:-1] + 1])
        blank = (ends == starts) | ((ends == starts + 1) & (text[starts] == CR)) if len(ends) else np.zeros(0, bool)
        self.records += int((~quoted & ~blank).sum())
        if len(text) and (not len(ends) or ends[-1] != len(text) - 1):  # the last line of the file, without its end
            self.records += not self.opened
        self.lines += len(ends)

    def _quoted(self, block: bytes, text: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Which ends of lines are inside a quoted field, bool [ends]."""
        quotes = np.flatnonzero(text == QUOTE)
        inside_before = np.arange(len(quotes)) + bool(self.opened)
        opening = inside_before % 2 == 0
        before = np.where(quotes > 0, text[quotes - 1], LF)
        after = np.where(quotes < len(text) - 1, text[np.minimum(quotes + 1, len(text) - 1)], LF)
        # Two quotes side by side in a quoted field close it and open it again.
        if not np.isin(np.where(opening, before, after), (COMMA, LF, CR, QUOTE)).all():
            return self._one_by_one(block, ends)
        quoted: np.ndarray = (np.searchsorted(quotes, ends) + bool(self.opened)) % 2 == 1
        still = (len(quotes) + bool(self.opened)) % 2 == 1
        if quoted.any():
            first = int(np.argmax(quoted))
            self._goes_on(self.opened or self.lines + first + 1)
        if still and len(quotes):
            self.opened = self.lines + int(np.searchsorted(ends, quotes[-1])) + 1
        elif not still:
            self.opened = 0
        return quoted

    def _one_by_one(self, block: bytes, ends: np.ndarray) -> np.ndarray:
        """The same where quotes stand inside fields: field by field."""
        quoted = np.zeros(len(ends), bool)
        place = 0
        opened_at = 0 if self.opened else -1
        while True:
            if opened_at < 0:
                if not (match := _OPEN.search(block, place)):
                    return quoted
                opened_at, place = match.span(1)
                self.opened = self.lines + int(np.searchsorted(ends, opened_at)) + 1
            closed = _CLOSE.match(block, place)
            stop = closed.end() if closed else len(block)
            inside = slice(int(np.searchsorted(ends, opened_at)), int(np.searchsorted(ends, stop)))
            quoted[inside] = True
            if quoted[inside].any():
                self._goes_on(self.opened)
            if not closed:
                return quoted
            if stop < len(block) and block[stop] not in (COMMA, LF, CR):
                line = self.lines + int(np.searchsorted(ends, stop)) + 1
                self.damage = self.damage or (
                    f"the quote opened in line {self.opened:,} is closed in the middle of a field, in line {line:,}"
                )
            place, opened_at, self.opened = stop, -1, 0
        return quoted

    def _goes_on(self, line: int) -> None:
        self.several_lines = self.several_lines or line

    def done(self) -> Scan:
        damage = self.damage
        if self.opened:
            damage = damage or f"the quote opened in line {self.opened:,} is never closed"
        if self.returns and self.line_feeds:
            damage = damage or "lines end in two ways, some of them with a carriage return alone"
        return Scan(max(self.records - 1, 0), damage, self.several_lines, self.cut)
