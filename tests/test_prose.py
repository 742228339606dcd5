"""The manual is written to be read once: short sentences, short lines, usual words.

What the code writes (between `<!-- table: ... -->` and `<!-- end -->`), code blocks and headings
are not looked at.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from support.pages import CODE, FENCE, ROOT

LONGEST_SENTENCE = 30
LONGEST_LINE = 100
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for pattern in ("*.md", "docs/**/*.md", "leaderboards/notes/*.md", "news/README.md")
    for path in sorted(ROOT.glob(pattern))
}
MANNERED = re.compile(
    r"\b(anew|strangers?|of before|the house|(?:is|are|was|were|be) said|say nothing of|to be had|hangs? on|nobody|whoever"
    r"|wherever|thereof|lest|hence|likewise|gravest|reckon\w*|by custom|told apart|so made)\b",
    re.IGNORECASE,
)
"""Words that a reader with school English stumbles over. Say it plainly."""

GENERATED = re.compile(r"<!-- (?:table|presets|components|checks|metrics|help|door): .*?<!-- end -->", re.DOTALL)
INDENTED = re.compile(r"(?:^|(?<=\n\n))(?: {4,}(?![-*\d]).*\n?(?:\n(?= {4}))?)+", re.MULTILINE)
ITEM = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")
END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\bet al)(?<!\bvs)(?<!\bcf)[.!?][)\"”*_]*(?=\s+[\"“(*_]*[A-Z0-9`|]|\s*$)")


def prose(text: str) -> str:
    """The text without what is not written as sentences."""
    text = re.sub(r"<!--.*?-->", "", FENCE.sub("", GENERATED.sub("", text)), flags=re.DOTALL)
    return INDENTED.sub("", text)


def sentences(text: str) -> Iterator[str]:
    """The sentences of paragraphs, of items of lists and of cells of tables."""
    blocks: list[str] = [""]
    for line in prose(text).splitlines():
        if line.lstrip().startswith("|"):
            blocks += [*re.split(r"(?<!\\)\|", line.strip().strip("|")), ""]
        elif not line.strip() or line.startswith("#"):
            blocks.append("")
        elif ITEM.match(line):
            blocks.append(ITEM.sub("", line))
        else:
            blocks[-1] += " " + line.strip()
    for block in blocks:
        plain = re.sub(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)", r"\1", CODE.sub("Code", block))
        start = 0
        for end in END.finditer(plain):
            yield plain[start : end.end()].strip()
            start = end.end()
        yield plain[start:].strip()


def faults(text: str) -> list[str]:
    found = []
    for sentence in sentences(text):
        words = [word for word in sentence.split() if re.search(r"\w", word)]
        if len(words) > LONGEST_SENTENCE:
            found.append(f"{len(words)} words: {sentence}")
        found += [f'"{word}": {sentence}' for word in MANNERED.findall(sentence)]
    for line in prose(text).splitlines():
        shown = re.sub(r"\]\([^)]*\)", "]", line)
        if len(shown) > LONGEST_LINE and not line.lstrip().startswith(("|", "#")):
            found.append(f"{len(shown)} characters: {line}")
    return found + unseen(text)


def unseen(text: str) -> list[str]:
    """Lists and tables that begin in the middle of a paragraph: the site shows them as part of
    it.
    """
    lines = GENERATED.sub("", FENCE.sub("", text)).splitlines()
    return [
        f"an empty line is needed before: {line}"
        for before, line in itertools.pairwise(lines)
        for mark in (r"[-*] ", r"\d+\. ", r"\|")
        if re.match(mark, line) and re.match(r"[^\s|#<]", before) and not ITEM.match(before)
    ]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_is_easily_read(page):
    assert faults(PAGES[page]) == []


def test_what_breaks_the_rules_is_found():
    long = " ".join(["word"] * (LONGEST_SENTENCE + 1))
    assert len(faults(f"{long}.\n")) == 2  # the sentence, and its line
    assert faults(f"A list:\n\n- {' '.join(['w'] * 31)}\n") != []
    assert faults(f"| a | {' '.join(['w'] * 31)} |\n") != []
    assert faults("A stranger reads.\n") != []
    assert faults("A list:\n- item\n") != []


def test_code_links_headings_and_generated_parts_are_no_sentences():
    words = " ".join(["word"] * 40)
    assert (
        faults(f"# {words}\n\n```\n{words}\n```\n\nSo:\n\n    {words}\n\n<!-- table: a -->\n{words}\n<!-- end -->\n")
        == []
    )
    assert faults(f"Short, see [here](a{'b' * 200}.md). `{words}`\n".replace(words, "word")) == []
