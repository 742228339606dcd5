"""The site of the committed leaderboards: whole pages, links that lead somewhere, nothing loaded,
every number there; and a folder that is never anybody else's.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from html import unescape
from pathlib import Path

import msgspec
import pytest

from bench.cli import main as cli
from bench.errors import UsageError
from bench.leaderboard import save_export
from bench.pages import site
from bench.pages.folder import MARKER, write
from bench.pages.sources import Source, Unread, read
from bench.pages.standing import control_of, overview
from bench.pages.suites import installed
from bench.registry import Registry, discover
from bench.results.records import TaskSummary
from support.fake_exports import make_export
from support.html_page import Tags
from support.made_runs import made_run, noisy, save_runs

FOLDER = Path(__file__).resolve().parents[2] / "leaderboards"
EXPORTS = sorted(FOLDER.glob("*.records.json"))
TITLE = re.compile(r"^<title>(\S.*)</title>$", re.MULTILINE)
"""Of the page; those of points in pictures stand within a line."""


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    boards, unread = read(EXPORTS)
    assert not unread
    return boards


@pytest.fixture(scope="module")
def pages(sources: list[Source]) -> dict[str, str]:
    return {
        place: content.decode() for place, content in site(sources, [], discover(), installed(), {}, "0.1.0").items()
    }


@pytest.fixture(scope="module")
def parsed(pages: dict[str, str]) -> dict[str, Tags]:
    """Every element is closed, which the parser checks."""
    return {place: Tags(content) for place, content in pages.items()}


def test_every_link_is_relative_and_leads_to_a_page_or_a_part_of_one(parsed: dict[str, Tags]) -> None:
    ids = {place: {values["id"] for _, values in tags.found if "id" in values} for place, tags in parsed.items()}
    for place, tags in parsed.items():
        for href in (values["href"] or "" for tag, values in tags.found if tag == "a"):
            path, _, part = href.partition("#")
            assert not path.startswith("/")
            assert ":" not in path
            there = posixpath.normpath(posixpath.join(posixpath.dirname(place), path)) if path else place
            assert there in parsed, f"{place} -> {href}"
            assert not part or part in ids[there], f"{place} -> {href}"


def test_every_page_can_be_reached_from_the_index(parsed: dict[str, Tags]) -> None:
    reached, todo = set(), ["index.html"]
    while todo:
        place = todo.pop()
        if place in reached:
            continue
        reached.add(place)
        hrefs = (values["href"] or "" for tag, values in parsed[place].found if tag == "a")
        paths = filter(None, (href.partition("#")[0] for href in hrefs))
        todo += [posixpath.normpath(posixpath.join(posixpath.dirname(place), path)) for path in paths]
    assert reached == parsed.keys()


def test_every_page_has_a_language_a_title_one_first_heading_and_tables_with_captions(
    pages: dict[str, str], parsed: dict[str, Tags]
) -> None:
    for place, tags in parsed.items():
        names = [tag for tag, _ in tags.found]
        assert names.count("h1") == 1, place
        assert ("html", {"lang": "en"}) in tags.found
        assert len(TITLE.findall(pages[place])) == 1
        assert any(values.get("name") == "viewport" for tag, values in tags.found if tag == "meta")
        assert names.count("caption") == names.count("table")
        assert all(values["scope"] == "col" for tag, values in tags.found if tag == "th")


def test_no_page_loads_anything(pages: dict[str, str], parsed: dict[str, Tags]) -> None:
    loading = {"src", "srcset", "data", "action", "background", "poster", "xlink:href", "style"}
    for place, tags in parsed.items():
        for tag, attributes in tags.found:
            assert tag not in {"link", "img", "iframe", "object", "embed", "base", "image", "use", "form"}
            assert not loading & attributes.keys()
            assert not any(name.startswith("on") for name in attributes)
        for inside in re.findall(r"<(?:style|script)>(.*?)</", pages[place], re.DOTALL):
            assert not re.search(r"url\(|@import|fetch|XMLHttpRequest|https?:", inside)


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_a_board_holds_every_cell_of_the_committed_table(path: Path, parsed: dict[str, Tags]) -> None:
    written = path.with_name(path.name.replace("records.json", "md")).read_text().splitlines()
    rows = [
        line
        for line, before in zip(written[2:], written[1:], strict=False)
        if line.startswith("| ") and before.startswith("|")
    ]
    cells = [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    plain = [re.sub(r"\\(.)", r"\1", unescape(re.sub(r"(?<!\\)[*`]|</?u>", "", cell))) for cell in cells]
    assert parsed[f"boards/{path.name.replace('records.json', 'html')}"].cells == plain
    assert len(plain) > 20


def test_the_index_names_every_board_and_generated_data_say_so_in_the_title(
    sources: list[Source], pages: dict[str, str], parsed: dict[str, Tags]
) -> None:
    assert len(sources) == len(EXPORTS)
    for source in sources:
        export = source.board.export
        (title,) = TITLE.findall(pages[source.place])
        assert ("synthetic" in title) == export.synthetic
        assert any(cell.startswith(export.title) for cell in parsed["index.html"].cells)


def test_the_overview_keeps_recorded_and_generated_data_apart(sources: list[Source]) -> None:
    both = [overview([s for s in sources if s.board.export.synthetic is generated]) for generated in (False, True)]
    counts = [
        sum(len(s.tables) for s in sources if s.board.export.synthetic is generated) for generated in (False, True)
    ]
    assert [over.tables for over in both] == counts
    for over in both:
        skill = {each.method: each.skill for each in over.standings}
        assert all(skill[control] is not None for control in over.controls.values())
    names = [each.method for each in both[0].standings]
    assert len(names) == len(set(names)) > 100


def test_the_control_of_a_table_is_chosen_by_validation_scores_among_controls() -> None:
    def quality(imputer: str, fuser: str, seed: int) -> float:
        return {"mean": 0.6, "zero": 0.7}.get(imputer, 0.9)

    export = make_export(
        ["mean", "zero", "locf"], ["linear", "gru"], quality=quality, control_imputers=["mean", "zero"]
    )
    ((source,), _) = _sources(export)
    (table,) = source.tables
    assert control_of(export, table) == "zero + linear"
    assert control_of(msgspec.structs.replace(export, control_fusers=[]), table) == ""


def _sources(*exports):
    from bench.leaderboard.board import Board

    return [Source(f"board{k}", Board(export)) for k, export in enumerate(exports)], []


def test_a_metric_without_losses_has_a_win_rate_alone_and_is_named() -> None:
    gain = TaskSummary("ihm", "binary", ("gain",))
    (over,) = [overview(_sources(make_export(tasks=[gain], audit_cells=False))[0])]
    assert all(each.skill is None and each.win_rate for each in over.standings)
    assert list(over.left_out) == ["board0: ihm · all · natural"]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The command, where nothing is installed."""
    monkeypatch.setattr("bench.registry.discover", lambda **_: Registry())
    monkeypatch.setattr("bench.pages.suites.installed", list)
    monkeypatch.setattr(sys, "argv", ["bench", "site", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_damaged_export_is_named_and_the_rest_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("leaderboards").mkdir()
    save_export(Path("leaderboards/good.records.json"), make_export())
    content = Path("leaderboards/good.records.json").read_bytes()
    Path("leaderboards/torn.records.json").write_bytes(content[: len(content) // 2])
    assert run(monkeypatch) == 0
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "torn.records.json" in warning
    index = Path("public/index.html").read_text()
    assert "torn.records.json" in index
    assert str(tmp_path) not in index
    assert Path("public/boards/demo.html").exists()
    Path("leaderboards/good.records.json").unlink()
    assert run(monkeypatch, "to=other") == 5
    assert not Path("other").exists()


def test_a_site_replaces_a_site_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_export(Path("a.records.json"), make_export())
    save_export(Path("b.records.json"), make_export(suite="other"))
    assert run(monkeypatch, "a.records.json", "b.records.json", "to=site") == 0
    assert Path("site/boards/other.html").exists()
    Path("site/CNAME").write_text("example.org")
    assert run(monkeypatch, "from=a.records.json", "to=site") == 0
    assert not Path("site/boards/other.html").exists()
    assert Path("site/CNAME").read_text() == "example.org"
    first = {path: path.read_bytes() for path in Path("site").rglob("*.html")}
    assert run(monkeypatch, "from=a.records.json", "to=site") == 0
    assert {path: path.read_bytes() for path in Path("site").rglob("*.html")} == first

    Path("mine").mkdir()
    Path("mine/index.html").write_text("my own")
    capsys.readouterr()
    for folder in ("mine", "a.records.json"):
        assert run(monkeypatch, "from=a.records.json", f"to={folder}") == 2
        assert folder in capsys.readouterr().err
    assert Path("mine/index.html").read_text() == "my own"
    assert run(monkeypatch, "from=nowhere") == 2
    shutil.rmtree("site")
    assert run(monkeypatch, "to=site") == 2, "nothing to make a site of"


def test_a_marker_that_lists_what_is_no_page_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious.html").write_text("x")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    (folder / MARKER).write_text('{"pages": ["../precious.html", "notes.txt", "a/../../precious.html"]}')
    write(folder, {"index.html": b"page"})
    assert (tmp_path / "precious.html").exists()
    assert (folder / "notes.txt").exists()
    (folder / MARKER).write_text("[]")
    with pytest.raises(UsageError):
        write(folder, {"index.html": b"page"})


def test_two_exports_of_one_name_have_a_page_each(tmp_path: Path) -> None:
    for name in "ab":
        save_export(tmp_path / f"{name}.records.json", make_export(title=name))
    boards, unread = read([*sorted(tmp_path.glob("*.json")), tmp_path / "a.records.json"])
    assert [each.name for each in boards] == ["demo", "demo-2"]
    assert unread == []
    index = site(boards, [Unread("<x>", "<y>")], Registry(), [], {}, "0")["index.html"].decode()
    assert "&lt;x&gt;: &lt;y&gt;" in index


def test_runs_that_are_kept_have_a_board_and_a_history_and_damaged_ones_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    value = noisy({("locf", "gru"): (4, 0.2)})
    save_runs(Path("results"), [made_run(number, value, synthetic=True) for number in range(8)])
    whole = Path("results/runs/demo/run2.json").read_bytes()
    Path("results/runs/demo/run2.json").write_bytes(whole[: len(whole) // 2])
    Path("results/runs/demo/torn.json").write_bytes(whole[:50])
    assert run(monkeypatch) == 0
    messages = capsys.readouterr().err.splitlines()
    index = Path("public/index.html").read_text()
    for name in ("run2.json", "torn.json"):
        assert len([line for line in messages if name in line]) == 1
        assert name in index
    assert 'href="history/suite-demo.html"' in index
    assert Path("public/boards/demo-run-run7.html").exists()
    page = Path("public/history/suite-demo.html").read_text()
    assert "<h1>History of Demonstration (synthetic cohort)</h1>" in page
    assert "better from run <strong>run4</strong>" in page
    assert 'href="../history/suite-demo.html"' in Path("public/suites/suite-demo.html").read_text()


def test_a_damaged_newest_run_is_named_once_and_the_one_before_has_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = save_runs(Path("results"), [made_run(number, noisy()) for number in range(2)])
    paths[1].write_bytes(paths[1].read_bytes()[:-9])
    assert run(monkeypatch) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert "demo/run1.json is left out" in warning
    assert Path("public/index.html").read_text().count("demo/run1.json") == 1
    assert Path("public/boards/demo-run-run0.html").exists()
    paths[0].write_bytes(paths[0].read_bytes()[:-9])
    assert run(monkeypatch) == 5
    assert "none of the 2 exports can be read" in capsys.readouterr().err


def test_a_site_without_any_scored_row_says_that_there_is_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_export(Path("stopped.records.json"), make_export(records=[]))
    assert run(monkeypatch, "stopped.records.json") == 0
    assert "there is nothing to compare" in Path("public/index.html").read_text()
