"""Text of strangers stays text: in Markdown, HTML, CSV, JSON and on a terminal, wherever in an
export it was planted.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bench.cli import main as cli
from bench.gate import gate
from bench.gate.report import to_junit, to_markdown
from bench.leaderboard import render, save_export
from bench.leaderboard.blocks import Heading, Notes, Paragraph, Rich, strong
from bench.leaderboard.board import Board
from bench.leaderboard.render.html import to_html
from bench.leaderboard.render.markdown import to_markdown as blocks_to_markdown
from bench.metrics.own import OWN
from bench.pages import site
from bench.pages.sources import Source, Unread
from bench.registry import Broken, Registry
from bench.results.records import STATUSES, Audit, Bin, Calibration, Correction, Export, Pattern
from bench.results.redact import is_public
from bench.text import clean
from support.fake_exports import PUBLISHED, alter, make_export, simulated_export

HOSTILE = (
    "<script>alert(1)</script>", "</td></table><img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "<javascript:x>",
    "![i](http://x/y.png)", "\n# heading\n", "\n\n---\n\n", "a | b | c", "\\| x", "\\", "\\\\|", "`code` ``",
    "**bold** _em_ ~~s~~", "&lt;b&gt; &#60;b>", "\r\n| a |", "- item", "1. item", "> quote", "    code", "===",
    "=cmd|' /C calc'!A0", "+1+1", "-1-1", "@SUM(A1)", "\t=1", "\x1b[31mred\x1b[0m", "\u009b31m", "\u202egnp.exe", "\u2066x",
    "a\0b", "\x07", "\u2028line",
    "[red]x[/red]", "\ufeff", "[x]: http://y", "\"onmouseover=\"x", "'", '"', "\ue000\ue03c", "https://x.y", "__x__", "*x*",
    "<!-- x", "<![CDATA[", "\uff1d1+1", "$\\frac{1}{2}$", "\U000e0041", "x" * 400,
)  # fmt: skip

hostile = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=16),
    st.text(st.sampled_from("\\|`*_[]()<>&!#=-+~ \n\r\t1.:'\"@a"), max_size=16),
)


class Tags(HTMLParser):
    """The elements of a page with the names of their attributes."""

    def __init__(self, content: str):
        super().__init__()
        self.found: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found[tag, tuple(sorted(name for name, _ in attributes))] += 1

    handle_startendtag = handle_starttag

    def handle_comment(self, data: str) -> None:
        self.found["comment", ()] += 1


def tokens(text: str) -> list[Token]:
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [each for block in blocks for each in (block, *(block.children or ()))]


def structure(text: str) -> Counter[str]:
    """How often each element occurs: headings, tables, rows, cells, lists, links, emphasis,
    code, HTML.
    """
    return Counter(f"{each.type} {each.tag}" for each in tokens(text) if each.type not in ("text", "text_special"))


def shown(text: str) -> str:
    """What a reader of one line of Markdown sees."""
    return "".join(each.content for each in tokens(text) if not each.children and each.type != "inline")


@settings(max_examples=400, deadline=None)
@given(hostile)
def test_markdown_shows_the_text_itself_in_a_paragraph_a_list_a_heading_and_a_cell(text: str) -> None:
    cleaned, wanted = clean.markdown(text), clean.line(text)
    for frame in ("{}", "- {}", "## {}", "x {} y", "**{}**", "| a | b |\n|---|---|\n| {} | z |\n| 1 | 2 |"):
        parsed, plain = structure(frame.format(cleaned)), structure(frame.format("a" if wanted else ""))
        assert parsed == plain or (frame == "**{}**" and not (wanted[:1].isalnum() and wanted[-1:].isalnum())), frame
    assert shown(f"x{cleaned}y") == f"x{wanted}y"
    assert shown(f"x {clean.code(text)}") == f"x {wanted.replace('`', chr(39)) or ' '}".replace("x  ", "x  ")


LINKS = re.compile(r"(?i)[a-z]://|www\.|mailto:|xmpp:|(?<!\\)@\w")
BARE = ("http://", "https://a.b/c?d=e", "ftp://x", "www.a.org", "WWW.", "me@a.org", "@team", " ", "(", "x", "mailto:a")


@given(st.lists(st.sampled_from(BARE)))
def test_what_programs_make_links_of_stands_nowhere_bare(parts: list[str]) -> None:
    text = "".join(parts)
    cleaned = clean.markdown(text)
    assert not LINKS.search(cleaned)
    assert shown(f"x {cleaned}y") == f"x {clean.line(text)}y"


class Text(HTMLParser):
    """All that a page shows of its main part."""

    def __init__(self, content: str):
        super().__init__()
        self.shown = ""
        self.feed(content[content.index("<main>") : content.index("</main>")])
        self.close()

    def handle_data(self, data: str) -> None:
        self.shown += data


@settings(max_examples=200, deadline=None)
@given(hostile)
def test_a_page_and_markdown_show_a_text_as_it_is_and_take_nothing_in_it_for_markup(text: str) -> None:
    line = clean.line(text)
    blocks = [Heading(2, text), Paragraph(Rich("a ", strong("b"), " ", text)), Notes([text, Rich(strong(text))])]
    plain = [Heading(2, "x"), Paragraph(Rich("a ", strong("b"), " ", "x")), Notes(["x", Rich(strong("x"))])]
    page, other = to_html(blocks), to_html(plain)
    assert "".join(Text(page).shown.split()) == "".join(f"{line}a b {line}{line}{line}".split())
    assert Tags(page).found == Tags(other).found or not line
    assert structure(blocks_to_markdown(blocks)) == structure(blocks_to_markdown(plain)) or not line
    assert Tags(f"<b>{clean.html(text)}</b>").found == Counter({("b", ()): 1})
    assert Tags(f'<b title="{clean.html(text)}"></b>').found == Counter({("b", ("title",)): 1})


@settings(max_examples=300, deadline=None)
@given(hostile)
def test_a_line_is_one_line_of_characters_that_can_be_seen(text: str) -> None:
    assert clean.line(text).isprintable()
    assert clean.line(clean.line(text)) == clean.line(text)
    assert clean.lines(text).replace("\n", "").isprintable()
    assert clean.lines(text).count("\n") == text.count("\n")
    if text.isprintable():
        assert clean.line(text) == " ".join(text.split())


@pytest.mark.parametrize(
    ("value", "written"),
    [(-0.5, -0.5), (3, 3), (None, None), ("-0.5", "-0.5"), ("+3e-4", "+3e-4"), ("-1-1", "'-1-1"), ("=1", "'=1"),
     ("-inf", "'-inf"), ("\t=1", "'=1"), ("\uff1d1", "'\uff1d1"), ("-\u0663", "'-\u0663"), ("a=1", "a=1"), ("@x", "'@x"),
     ("", "")],
)  # fmt: skip
def test_a_cell_of_csv_that_is_no_number_is_no_formula(value: Any, written: Any) -> None:
    assert clean.cell(value) == written


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_json_says_the_same_with_escapes(text: str) -> None:
    escaped = clean.json_text(msgspec.json.encode({"a": text}).decode())
    assert escaped.isprintable()
    assert json.loads(escaped) == {"a": text}


def whole() -> Export:
    """An export in which every section has something to show."""
    export = make_export(
        ["mean", "locf", "csdi"],
        ["linear", "gru"],
        scenarios=["natural", "mcar(rate=0.1)"],
        published=PUBLISHED,
        notes=("A note.",),
        modality_sets={"all": ["labs", "vitals"]},
        statistics=simulated_export({"a": 0.5, "b": 0.9}).statistics,
        splits=["stay"],
        scaling="everything",
        hiding="train",
    )
    for record in export.records:
        record.costs.update({"imputer_parameters": 7.0, "draws": 3.0, "fit_seconds": 1.0, "parameters": 9.0})
        alter(record, patterns=[Pattern("labs", 700, 0.7), Pattern("labs+notes", 300, 0.8)])
        alter(record, calibration=Calibration(0.05, 0.1, [Bin(500, 0.05, 0.07), Bin(60, 0.5, 0.4)]))
        alter(record, counts={"train": 5, "valid": 5, "test": 5, "without_notes": 2})
    broken = export.records[0]
    alter(broken, status="failed", reason="it broke", scores={})
    alter(
        export.records[-1],
        audits={"batch-independent": Audit(False, "largest difference 1"), "own": Audit(None, "why")},
    )
    alter(export.records[-2], notes=["a note of a fit"])
    return export


KEPT = frozenset(
    {
        *STATUSES,
        *OWN,
        *get_args(Correction),
        "crps",
        "coverage50",
        "coverage90",
        "hidden",
        "expected",
        "realised",
        "standard_error",
        "absent",
        "all",
    }
    | {"binary", "", "permuted-labels", "repeat", "ece", "parameters", "imputer_parameters", "draws", "fit_seconds"}
)
"""Strings that decide what a table is made of; all others are a stranger's to choose."""


def planted(export: Export, plant: Callable[[str], str], kept: frozenset[str]) -> Export:
    """The export with every string changed alike, names in dictionaries included, so that what
    belongs together still does.
    """

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return value if value in kept else plant(value)
        if isinstance(value, list | tuple):
            return [walk(each) for each in value]
        if isinstance(value, dict):
            return {
                key if key in FIELDS else walk(key): provenance(each) if key == "provenance" else walk(each)
                for key, each in value.items()
            }
        return value

    def provenance(entries: dict[str, str]) -> dict[str, str]:
        found = {}
        for name, value in entries.items():
            to = plant(name), plant(value)
            found.update([to if is_public(*to) else (name, value)])
        return found

    return msgspec.convert(walk(msgspec.to_builtins(export)), Export)


def _fields(struct: Any) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def _structs() -> frozenset[str]:
    from bench.results import records

    kinds = [each for each in vars(records).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    return frozenset(name for kind in kinds if kind is not msgspec.Struct for name in _fields(kind))


FIELDS = _structs()

MINIMAL = frozenset({*STATUSES, *get_args(Correction), "permuted-labels", "repeat", ""})


PLACED = ("line", "text", "option")
"""Elements of pictures whose number depends on how much room a name has."""


def elements(page: str) -> Counter[tuple[str, tuple[str, ...]]]:
    return Counter({each: number for each, number in Tags(page).found.items() if each[0] not in PLACED})


@pytest.mark.parametrize("kept", [KEPT, MINIMAL], ids=["free strings", "every string"])
@settings(max_examples=30, deadline=None)
@example(text="<script>alert(1)</script>", before=True)
@example(text="\n# x\n\n| a | b |", before=False)
@example(text="[a](javascript:alert(1))", before=True)
@example(text="|", before=True)
@given(text=hostile, before=st.booleans())
def test_nothing_planted_in_an_export_becomes_more_than_text(kept: frozenset[str], text: str, before: bool) -> None:
    text = text.encode("utf-8", "ignore").decode()

    def rendered(said: str) -> dict[str, str]:
        def plant(value: str) -> str:
            return f"{said}q{value}" if before else f"{value}q{said}q"

        made = render(planted(whole(), plant, kept), page=True)
        return {kind: content.decode() for kind, content in made.items()}

    found, plain = rendered(text), rendered("x")
    assert structure(found["md"]) == structure(plain["md"])
    parsed = tokens(found["md"])
    assert not {"html_block", "link_open", "image"} & {each.type for each in parsed}
    assert {each.content for each in parsed if each.type == "html_inline"} <= {"<u>", "</u>"}, "the second best"
    assert elements(found["html"]) == elements(plain["html"])
    rows, others = (list(csv.reader(io.StringIO(each["csv"]))) for each in (found, plain))
    assert [len(row) for row in rows] == [len(row) for row in others]
    assert found["csv"].count("\n") == plain["csv"].count("\n")
    for cell in (cell for row in rows for cell in row if cell[:1] and cell[0] in "=+-@\t\r"):
        float(cell)
    for kind, content in found.items():
        assert content.replace("\n", "").isprintable(), kind


@pytest.mark.parametrize("text", HOSTILE[::4])
def test_nothing_planted_becomes_more_than_text_on_a_site(text: str) -> None:
    def tags(words: str) -> Counter[tuple[str, tuple[str, ...]]]:
        board = Board(planted(whole(), lambda value: f"{value}q{words}q", KEPT))
        pages = site([Source("a", board)], [Unread(words, words)], Registry(), [], {}, "0.1.0")
        assert all(content.decode().replace("\n", "").isprintable() for content in pages.values())
        return sum((elements(content.decode()) for content in pages.values()), Counter())

    assert tags(text) == tags("x")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_gates_report_is_text_as_well(text: str) -> None:
    exports = [planted(whole(), lambda value, said=said: f"{value}q{said}q", KEPT) for said in (text, "x")]
    (report, markdown), (_, plain) = [(gate(e, e), to_markdown(gate(e, e))) for e in exports]
    assert structure(markdown) == structure(plain)
    assert markdown.replace("\n", "").isprintable()
    assert to_junit(report).decode().replace("\n", "").isprintable()


def spoken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit):
        cli.main()
    return tuple(capsys.readouterr())  # type: ignore[return-value]


@pytest.mark.parametrize("text", ["\x1b[2J\x1b[31mred", "\u009b31m", "\u202exe", "a\nSPOOFED  line", "\x07\0\r"])
def test_no_command_writes_a_control_character_or_a_line_of_a_strangers_making(
    text: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry()
    declared = {"summary": text, "paper": text, "version": text, "expected_failures": {"x": text}}
    registry.imputer("strange", "m:A", **declared)
    registry.broken.append(Broken(text, text))
    monkeypatch.setattr("bench.registry.discover", lambda: registry)
    monkeypatch.chdir(tmp_path)
    suite = tmp_path / "s.toml"
    names = 'dataset = "d"\n[grid]\ntask = ["a"]\nimputer = ["strange"]\nfuser = ["b"]\nseed = [1]\n'
    suite.write_text(f"name = 's'\ntitle = {json.dumps(text)}\nsummary = {json.dumps(text)}\n{names}")
    export = planted(whole(), lambda value: f"{value}q{text}q", KEPT | {"demo", "stay", "ihm", "physionet2012"})
    save_export(tmp_path / "e.json", export)
    for words in (
        ("list", "imputers"),
        ("list", "imputers", "--json"),
        ("show", "strange"),
        ("show", "strange", "--json"),
        ("show", str(suite)),
        ("plan", f"suite={text}"),
        (text,),
        ("show", text),
        ("check", "strange"),
        ("report", "from=e.json", "to=t", "--print"),
        ("report", "from=e.json", "to=t", "--json"),
    ):
        out, err = spoken(monkeypatch, capsys, *words)
        assert out or err
        for said in (out, err):
            assert said.replace("\n", "").isprintable(), words
            assert not any(line.startswith("SPOOFED") for line in said.splitlines()), words
