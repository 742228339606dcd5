"""Where the pages of a site lie, and the relative links between them."""

from __future__ import annotations

import hashlib
import posixpath

from bench.leaderboard.blocks import Link, Rich
from bench.text.names import is_name

INDEX = "index.html"
METHODS = "methods/index.html"
SUITES = "suites/index.html"


def file_name(name: str) -> str:
    """The name of a file for a name or a label: itself where it is a name in small letters, else a
    digest. Two of them share no file, also where a file system takes small letters for large ones.
    """
    return name if is_name(name) and name == name.lower() else hashlib.sha256(name.encode()).hexdigest()[:16]


def board_place(stem: str) -> str:
    return f"boards/{file_name(stem)}.html"


def method_place(kind: str, name: str) -> str:
    return f"methods/{kind}-{file_name(name)}.html"


def suite_place(name: str) -> str:
    return f"suites/suite-{file_name(name)}.html"


def history_place(suite: str) -> str:
    return f"history/suite-{file_name(suite)}.html"


def link(here: str, there: str, text: str) -> Rich:
    """A link from one page of the site to another."""
    return Rich(Link(text, posixpath.relpath(there, posixpath.dirname(here) or ".")))
