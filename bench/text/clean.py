"""Text from others, made harmless for the place it goes to: a terminal, Markdown, HTML, CSV or
JSON.

It comes from plugins, suites, records files and whatever components say: names, labels, reasons,
sources, summaries. What is left of a text reads as it was written. Characters that cannot be seen
(control characters, escape sequences, marks that turn the direction of writing, lone surrogates)
become U+FFFD. Text of our own, with its Markdown, is not sent through here: each part from others
is cleaned where the sentence is put together.
"""

from __future__ import annotations

import html as _html
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TextIO

REPLACEMENT = "\ufffd"


@lru_cache(maxsize=4096)  # thousands of rows share their labels
def line(text: str) -> str:
    """One line of printable characters; every run of white space is one space. For a terminal,
    and the base of the others.
    """
    return "".join(_printable(" ".join(text.split())))


def indented(text: str) -> str:
    """`line` that keeps the spaces before it: a line of a list on a terminal."""
    return " " * (len(text) - len(text.lstrip(" "))) + line(text)


def lines(text: str) -> str:
    """The same for a text whose line breaks are meant; other white space stays as wide as it is."""
    return "\n".join("".join(_printable(part.replace("\t", " "))) for part in text.split("\n"))


def _printable(text: str) -> Iterator[str]:
    return (char if char.isprintable() else REPLACEMENT for char in text) if not text.isprintable() else iter((text,))


_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<!\w)_+|_++(?!\w)")
_LINKS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=www)\.|(?<=mailto):|(?<=xmpp):|@(?=\w)")
"""By what programs such as GitHub's make links of text that is none: an address, a mail,
somebody's name.
"""
_BEGINS = re.compile(r"([#+=>-])|(\d{1,9})([.)])(?=\s|$)")


@lru_cache(maxsize=4096)
def markdown(text: str) -> str:
    """One line that a parser of Markdown shows as it is: no markup, link, heading, list or HTML,
    and no end of a table's cell.
    """
    escaped = _MARKUP.sub(lambda match: "".join(f"\\{char}" for char in match[0]), line(text))
    escaped = _LINKS.sub(lambda match: f"\\{match[0]}", escaped.replace("&", "&amp;").replace("<", "&lt;"))
    if begins := _BEGINS.match(escaped):
        at = begins.start(1) if begins[1] else begins.start(3)
        escaped = f"{escaped[:at]}\\{escaped[at:]}"
    return escaped


def code(text: str) -> str:
    """A span of code in Markdown; backticks, which would end it, become apostrophes."""
    return f"`{line(text).replace('`', chr(39)) or ' '}`"


def html(text: str) -> str:
    """Text of an HTML page, or of an attribute in quotes."""
    return _html.escape(line(text))


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""By what a program for spreadsheets knows a formula, full-width forms included."""


def cell(value: Any) -> Any:
    """A cell of a CSV file. Text that a spreadsheet would take for a formula gets an apostrophe
    before it; numbers stay.
    """
    if not isinstance(value, str):
        return value
    text = line(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def json_text(text: str) -> str:
    """JSON that says the same, with every character that cannot be seen written as an escape."""
    return text if text.replace("\n", "").isprintable() else "".join(map(_escaped, text))


def _escaped(char: str) -> str:
    return char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1]


class Printed:
    """A stream that prints `lines` of what it is given, for everything that is written to a
    terminal.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(lines(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
