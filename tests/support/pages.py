"""The pages of the manual, as tests read them, and what a Markdown file links to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)
PLACE = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


def page(name: str) -> str:
    """The text of a page of the manual, by its path under docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def links(text: str) -> Iterator[str]:
    """The targets of a Markdown text's links and images; what stands in code is no link."""
    yield from (match[1] for match in LINK.finditer(CODE.sub("", FENCE.sub("", text))))


def anchors(text: str) -> set[str]:
    """What a link may name behind `#`: the headings of a Markdown text as GitHub and the site
    spell them, and its places.
    """
    text, names, found = FENCE.sub("", text), dict[str, int](), set[str]()
    for heading in HEADING.findall(text):
        name = slug(heading)
        repeated = names.get(name, 0)
        names[name] = repeated + 1
        found.add(f"{name}-{repeated}" if repeated else name)
    return found | set(PLACE.findall(text))


def slug(heading: str) -> str:
    """The anchor of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = unicodedata.normalize("NFC", text.replace("`", "")).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
