"""The manual and the code are written to be read once: short sentences, short lines, usual words.

Not looked at are what the code writes into pages (between `<!-- table: ... -->` and
`<!-- end -->`), code blocks and headings. Ruff holds the lengths of lines in the code.
"""

from __future__ import annotations

import ast
import inspect
import io
import itertools
import re
import tokenize
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
MODULES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in ("bench", "plugins")
    for path in sorted((ROOT / folder).rglob("*.py"))
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
    return hard(text) + long_lines(text) + unseen(text)


def hard(text: str) -> list[str]:
    """Sentences that are too long or hold a mannered word."""
    found = []
    for sentence in sentences(text):
        words = [word for word in sentence.split() if re.search(r"\w", word)]
        if len(words) > LONGEST_SENTENCE:
            found.append(f"{len(words)} words: {sentence}")
        found += [f'"{word}": {sentence}' for word in MANNERED.findall(sentence)]
    return found


def long_lines(text: str) -> list[str]:
    found = []
    for line in prose(text).splitlines():
        shown = re.sub(r"\]\([^)]*\)", "]", line)
        if len(shown) > LONGEST_LINE and not line.lstrip().startswith(("|", "#")):
            found.append(f"{len(shown)} characters: {line}")
    return found


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


def docstrings(source: str) -> Iterator[str]:
    """Of modules, classes, functions and variables: every text that stands as a statement."""
    for text in _statements(ast.parse(source)):
        yield inspect.cleandoc(text.value)


def messages(source: str) -> Iterator[str]:
    """All other texts, among them what users read. Where one holds a value, "X" stands for it."""
    tree = ast.parse(source)
    passed = {id(text) for text in _statements(tree)}
    for node in ast.walk(tree):  # from the outside in, so that a text comes before its parts
        if id(node) in passed:
            continue
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def comments(source: str) -> Iterator[str]:
    """Each comment; lines of comments that follow each other are one."""
    before, block = -1, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        row, text = token.start[0], token.string.lstrip("# ")
        alone = token.line.lstrip().startswith("#")
        if block and not (alone and row == before + 1):
            yield block
            block = ""
        block, before = f"{block} {text}".strip(), row if alone else -1
    if block:
        yield block


def _statements(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_is_easily_read(page):
    assert faults(PAGES[page]) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_docstrings_are_easily_read(module):
    assert [fault for text in docstrings(MODULES[module]) for fault in hard(text) + unseen(text)] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_messages_and_comments_are_easily_read(module):
    texts = [*messages(MODULES[module]), *comments(MODULES[module])]
    assert [fault for text in texts for fault in hard(text)] == []


def test_what_breaks_the_rules_is_found():
    long = " ".join(["word"] * (LONGEST_SENTENCE + 1))
    assert len(faults(f"{long}.\n")) == 2  # the sentence, and its line
    assert faults(f"A list:\n\n- {' '.join(['w'] * 31)}\n") != []
    assert faults(f"| a | {' '.join(['w'] * 31)} |\n") != []
    assert faults("A stranger reads.\n") != []
    assert faults("A list:\n- item\n") != []


def test_docstrings_messages_and_comments_are_found_in_code():
    source = '''"""Of a module."""

A = 1
"""Of a variable."""


class B:
    """Of a class."""

    def f(self, n):
        """Of a function.

        Its second paragraph.
        """
        # one comment
        # of two lines
        print(f"{n} cells " "of a run", "all")  # beside code
'''
    assert sorted(docstrings(source)) == [
        "Of a class.",
        "Of a function.\n\nIts second paragraph.",
        "Of a module.",
        "Of a variable.",
    ]
    assert sorted(messages(source)) == ["X cells of a run", "all"]
    assert sorted(comments(source)) == ["beside code", "one comment of two lines"]


def test_code_links_headings_and_generated_parts_are_no_sentences():
    words = " ".join(["word"] * 40)
    assert (
        faults(f"# {words}\n\n```\n{words}\n```\n\nSo:\n\n    {words}\n\n<!-- table: a -->\n{words}\n<!-- end -->\n")
        == []
    )
    assert faults(f"Short, see [here](a{'b' * 200}.md). `{words}`\n".replace(words, "word")) == []
