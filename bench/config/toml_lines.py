"""On which line of a TOML text a key is written, for errors that name their place."""

from __future__ import annotations

import re

_KEY = r"""(?:[\w\-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w\-]+|"[^"]*"|'[^']*'))*"""


def line_of(text: str, dotted: str) -> int:
    """The line of a TOML text on which a dotted key is written, or the nearest table around it;
    0 when there is none.
    """
    wanted = re.findall(r"[^.\[\]]+", dotted)
    table: list[str] = []
    best, line = 0, 0
    for number, content in enumerate(text.splitlines(), 1):
        header = re.match(rf"\s*\[\[?\s*({_KEY})\s*\]", content)
        entry = re.match(rf"\s*({_KEY})\s*=", content)
        if header:
            written = table = _parts(header[1])
        elif entry:
            written = table + _parts(entry[1])
        else:
            continue
        if written == wanted[: len(written)] and len(written) > best:
            best, line = len(written), number
    return line


def _parts(key: str) -> list[str]:
    parts = re.findall(r"""[\w\-]+|"[^"]*"|'[^']*'""", key)
    return [step for part in parts for step in part.strip("\"'").split(".")]
