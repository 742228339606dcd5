"""The HTML page: whole and valid by itself, no network, nothing unescaped, readable without
JavaScript, sortable with it.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import msgspec
import pytest

from bench.figures.shapes import Axis, Chart, Line, Look, Point, ScoreRow, Scores, Shares
from bench.figures.svg import svg
from bench.leaderboard import load_export, render
from bench.results.records import Bin, Calibration, Export, Pattern
from support.fake_exports import PUBLISHED, RELEASE, alter, make_export
from support.html_page import Tags

FUSERS = {"linear": 0.75, "gru": 0.8, "mixture of experts": 0.85}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def rich(**changes) -> Export:
    """An export in which every section and every picture of the page has something to show."""
    export = make_export(
        ["mean", "locf", "csdi"],
        FUSERS,
        scenarios=["natural", "mcar(rate=0.1)", "mcar(rate=0.3)"],
        quality=lambda i, f, s: FUSERS[f] + 0.01 * len(i) + 0.0001 * s,
        published=PUBLISHED,
        release=RELEASE,
        **changes,
    )
    for k, r in enumerate(export.records):
        size = 10 ** list(FUSERS).index(r.coordinates.fuser)
        r.costs.update({"parameters": 500.0 * size, "imputer_parameters": 7.0, "seconds_per_sample": 1e-4 * size**1.5})
        r.costs.update({"impute_seconds_per_draw": 1e-4 * len(r.coordinates.imputer), "draws": 3.0})
        alter(r, patterns=[Pattern("labs", 700, 0.7), Pattern("labs+notes", 300, 0.8), Pattern("(others)", 12, None)])
        alter(
            r,
            calibration=Calibration(0.05 + k / 1e4, 0.1, [Bin(500, 0.05, 0.07), Bin(60, 0.5, 0.4), Bin(11, 0.9, 0.8)]),
        )
    return export


def page(export: Export) -> str:
    return render(export, page=True)["html"].decode()


def test_every_element_is_closed_and_every_link_leads_to_a_section_of_the_page() -> None:
    found = Tags(page(rich())).found
    ids = [values["id"] for _, values in found if "id" in values]
    links = [values["href"] for _, values in found if "href" in values]
    assert len(set(ids)) == len(ids) > 5
    assert links == [f"#{name}" for name in ids]


def test_the_page_loads_nothing() -> None:
    content = page(rich(title="https://example.org and url(x)"))
    loading = {"src", "srcset", "data", "action", "background", "poster", "xlink:href"}
    for tag, attributes in Tags(content).found:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "image", "use"}
        assert not loading & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    styles, scripts = (re.findall(rf"<{tag}>(.*?)</{tag}>", content, re.DOTALL) for tag in ("style", "script"))
    assert len(styles) == len(scripts) == 1
    assert not re.search(r"url\(|@import|https?:", styles[0])
    assert not re.search(r"fetch|import|XMLHttpRequest|https?:", scripts[0])


def test_names_are_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    export = rich(title=evil)
    for r in export.records:
        alter(
            r, coordinates=msgspec.structs.replace(r.coordinates, imputer=r.coordinates.imputer + "<u>|</td>&amp;\"'")
        )
    export.planned = [(r.coordinates, r.key) for r in export.records]
    content = page(export)
    assert content.count("<script>") == 1
    assert "<title>&lt;script&gt;" in content
    assert any("mean<u>|</td>&amp;\"'" in cell for cell in Tags(content).cells)


def test_without_javascript_every_cell_of_the_markdown_stands_in_the_page() -> None:
    rendered = render(rich(), page=True)
    written = rendered["md"].decode().splitlines()
    rows = [
        x for x, before in zip(written[2:], written[1:], strict=False) if x.startswith("| ") and before.startswith("|")
    ]
    cells = [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    plain = [unescape(re.sub(r"[*`]|</?u>", "", cell)) for cell in cells]
    assert Tags(rendered["html"].decode()).cells == plain


def test_the_same_records_in_any_order_give_the_same_page() -> None:
    export = rich()
    shuffled = list(export.records)
    random.Random(2).shuffle(shuffled)
    assert page(msgspec.structs.replace(export, records=shuffled)) == page(export)


def test_a_page_is_only_made_when_it_is_asked_for() -> None:
    assert "html" not in render(make_export())


def test_an_export_without_any_result_still_has_a_page() -> None:
    export = make_export()
    export.records = []
    Tags(page(export))
    assert "<svg" not in page(export)


def test_the_page_opens_with_the_winner_and_its_pictures_and_each_other_picture_stands_in_its_section() -> None:
    parts = re.split(r"(?=<h[1-4])", page(rich()))
    shown = {
        re.sub(r"<.*?>", "", part.partition("\n")[0]): part.count("<figure>") for part in parts if "<figure>" in part
    }
    places = [f"ihm · all · {s}" for s in ("natural", "mcar(rate=0.1)", "mcar(rate=0.3)")]
    assert "The best method of each table" in parts[1]
    assert shown == {
        "Demonstration (PhysioNet 2012 sets a, b, c)": 2,  # those of the first table
        places[1]: 2,
        places[2]: 2,
        "Imputer or fuser?": 1,
        "ihm · all · mcar, AUROC ↑": 1,
        f"{places[0]}, AUROC ↑": 1,
        f"{places[1]}, AUROC ↑": 1,
        f"{places[2]}, AUROC ↑": 1,
        "all · mcar(rate=0.1)": 1,
        "all · mcar(rate=0.3)": 1,
        "all · mcar: over the rate, all entries": 1,
        places[0]: 3,  # reliability, then score over size and over speed
    } | {place: shown[place] for place in places}


def test_scores_stand_in_their_order_each_with_its_interval_as_a_share_of_the_width() -> None:
    rows = [
        ScoreRow(name, v, f"{v}", Look(k, k), v - 0.1, v + 0.1, control=k == 1, band=k)
        for k, (name, v) in enumerate({"a": 0.8, "b": 0.6}.items())
    ]
    drawn = svg(Scores(rows, Axis("AUROC", ends=(0.5, 0.9)), "about"))
    assert re.findall(r'class="who">(\w)', drawn) == ["a", "b"]
    assert re.findall(r"row (band\d)", drawn) == ["band0", "band1"]
    places = [float(v) for v in re.findall(r'<svg x="([\d.]+)%"', drawn)]
    reach = [tuple(map(float, ends)) for ends in re.findall(r'"reach c\d" x1="([\d.]+)%" x2="([\d.]+)%"', drawn)]
    assert [low + high for low, high in reach] == pytest.approx([2 * place for place in places], abs=0.02)
    assert (places[0] - places[1]) / 97 == pytest.approx(0.2 / 0.4, abs=0.001)
    assert drawn.count("†") == drawn.count(" faint") == 1


def test_a_point_stands_where_its_values_say() -> None:
    points = [Point(1, 0.0, "a"), Point(10, 0.5, "b"), Point(100, 1.0, "c")]
    drawn = svg(Chart([Line(points)], Axis("x", log=True), Axis("y", ends=(0, 1)), "about"))
    x, y = zip(*(map(float, place) for place in re.findall(r"translate\(([\d.]+) ([\d.]+)\)", drawn)), strict=True)
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)
    assert y[0] - y[1] == pytest.approx(y[1] - y[2], abs=0.11)
    assert y[0] > y[2]
    assert "<title>b</title>" in drawn
    assert svg(Chart([], Axis("x"), Axis("y"), "about")) == ""


def test_a_picture_of_equal_values_and_of_very_large_ones_has_finite_places() -> None:
    for values in ([0.8, 0.8], [0.0, 0.0], [1e-9, 1e9]):
        drawn = svg(Chart([Line([Point(k + 1, v, "") for k, v in enumerate(values)])], Axis("x"), Axis("y"), "about"))
        places = [float(v) for v in re.findall(r'(?:x1|y1|x)="([-\d.]+)"|translate\(([-\d.]+) ', drawn) for v in v if v]
        assert places
        assert all(math.isfinite(v) and -1 <= v <= 461 for v in places)


def test_shares_are_as_wide_as_they_are_large() -> None:
    drawn = svg(Shares([("a", (0.5, 0.3, 0.2))], ("one", "two", "three"), "about"))
    widths = [float(v) for v in re.findall(r'width="([\d.]+)" height="18"', drawn)]
    assert widths == [150, 90, 60]


LOOK = """<script>
window.onerror = (problem) => { document.documentElement.dataset.broken = problem; };
addEventListener("load", () => {
  const result = {}, all = (where, from = document) => [...from.querySelectorAll(where)];
  const texts = all("svg text").filter((text) => text.textContent.trim() && text.getBoundingClientRect().width);
  const box = (element) => element.getBoundingClientRect();
  result.outside = texts.filter((text) => {
    const own = box(text), whole = box(text.closest(".heat") || text.closest("figure"));
    return own.left < whole.left - 1 || own.right > whole.right + 1 || own.top < whole.top - 1 || own.bottom > whole.bottom + 1;
  }).map((text) => text.textContent);
  result.overprinted = all("figure svg").flatMap((svg) => {
    const inside = all("text:not([transform])", svg).filter((text) => text.closest("svg") === svg);
    return inside.flatMap((one, k) => inside.slice(k + 1).filter((other) => {
      const a = box(one), b = box(other);
      return a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 4 && b.top < a.bottom - 4;
    }).map((other) => one.textContent + " / " + other.textContent));
  });
  result.loaded = performance.getEntriesByType("resource").length;
  const table = document.querySelector("main details table"), heads = [...table.tHead.rows[0].cells];
  const at = (name) => heads.findIndex((cell) => cell.textContent.startsWith(name));
  const rows = () => [...table.tBodies[0].rows].filter((row) => row.checkVisibility());
  const seen = (name) => rows().map((row) => row.cells[at(name)].textContent.split(" ")[0]);
  const press = (name) => heads[at(name)].querySelector("button").click();
  result.rank = heads[at("rank")].getAttribute("aria-sort");
  press("AUPRC"); result.first = seen("AUPRC"); result.sorted = heads[at("AUPRC")].getAttribute("aria-sort");
  press("AUPRC"); result.second = seen("AUPRC");
  const low = document.querySelector("th[data-best=low]"), lowest = low.closest("table");
  low.querySelector("button").click();
  result.lowest = [...lowest.tBodies[0].rows].map((row) => row.cells[low.cellIndex].dataset.value);
  const tools = table.closest(".wide").previousElementSibling;
  result.all = rows().length;
  const search = tools.querySelector("input");
  search.value = "GRU locf"; search.dispatchEvent(new Event("input"));
  result.searched = rows().map((row) => row.cells[at("imputer")].textContent + " " + row.cells[at("fuser")].textContent);
  search.value = ""; search.dispatchEvent(new Event("input"));
  const select = tools.querySelector("select");
  select.value = select.options[1].value; select.dispatchEvent(new Event("input"));
  result.chosen = [select.value, ...new Set(seen("imputer"))]; result.counted = tools.querySelector("output").textContent;
  select.value = ""; select.dispatchEvent(new Event("input"));
  const part = table.closest("details");
  part.open = false; result.closed = rows().length; part.open = true;
  const wide = table.closest(".wide");
  wide.style.maxHeight = "120px"; wide.style.width = "420px"; dispatchEvent(new Event("resize"));
  wide.scrollTop = 60; wide.scrollLeft = 200;
  result.head = Math.round(box(heads[5]).top - box(wide).top);
  const name = rows()[3].querySelector("td.name.pin"); result.pinned = Math.round(box(name).left - box(wide).left);
  result.overflow = document.documentElement.scrollWidth - innerWidth;
  document.documentElement.dataset.result = JSON.stringify(result);
});
</script>"""


def browse(folder: Path, content: str, width: int = 1200) -> str:
    """The page as a browser of that width has it after its scripts ran."""
    assert CHROMIUM is not None
    (folder / "page.html").write_text(content)
    words = [CHROMIUM, "--headless", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    words += [f"--window-size={width},900"]
    words += ["--no-sandbox"] * (hasattr(os, "geteuid") and os.geteuid() == 0)  # Chromium refuses root with one
    words += ["--virtual-time-budget=5000", "--dump-dom", (folder / "page.html").as_uri()]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout


NO_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: chromium, chromium-browser or google-chrome")


@NO_CHROMIUM
@pytest.mark.parametrize("width", [500, 1200, 1400])
def test_in_a_real_browser_tables_are_sorted_searched_chosen_from_and_folded(tmp_path: Path, width: int) -> None:
    imputers = ["mean", "locf", "linear", "csdi(steps=5)", "csdi(steps=50)", "knn"]
    fusers = {
        name: 0.7 + 0.02 * k for k, name in enumerate(["linear", "gru", "gbm", "mult", "tfn", "mixture of experts"])
    }
    export = make_export(imputers, fusers, quality=lambda i, f, s: fusers[f] + 0.003 * imputers.index(i) + 0.0001 * s)
    for k, record in enumerate(export.records):
        alter(record, calibration=Calibration(0.05 + (7 * k) % 11 / 100, 0.1, [Bin(500, 0.05, 0.07)]))
    shown = browse(tmp_path, page(export).replace("<head>", "<head>" + LOOK), width)
    (root,) = (values for tag, values in Tags(shown).found if tag == "html")
    assert "data-broken" not in root
    result = json.loads(root["data-result"] or "")
    assert (result["outside"], result["overprinted"], result["loaded"]) == ([], [], 0)
    assert (result["rank"], result["sorted"]) == ("ascending", "descending")
    assert len(result["first"]) == len(result["second"]) == 25, "36 rows are folded"
    assert result["first"] == sorted(result["first"], key=float, reverse=True), "the best first"
    assert result["second"] == sorted(result["second"], key=float)
    assert result["lowest"] == sorted(result["lowest"], key=float), "the best first, which is the smallest"
    assert result["searched"] == ["locf gru"]
    assert result["chosen"] == [result["chosen"][0]] * 2
    assert result["counted"] == "6 of 36 rows"
    assert result["closed"] == 0
    assert (result["head"], result["pinned"] >= 0) == (0, True), "the head and the names stay in their places"
    assert result["overflow"] <= 0, "the page itself is never wider than the screen"


@NO_CHROMIUM
def test_without_javascript_every_row_is_seen(tmp_path: Path) -> None:
    look = LOOK.partition("  const result")[0] + "  document.documentElement.dataset.result = "
    look += "[...document.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility()).length; });</script>"
    content = page(rich())
    bare = re.sub(r"<script>.*?</script>", "", content, flags=re.DOTALL).replace("<head>", "<head>" + look)
    (root,) = (values for tag, values in Tags(browse(tmp_path, bare)).found if tag == "html")
    assert int(root["data-result"] or 0) == content.count("<tr>") - content.count("<thead>") > 30


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "leaderboards").glob("*.records.json")), ids=lambda p: p.stem
)
def test_the_committed_leaderboards_have_a_whole_page(path: Path) -> None:
    content = page(load_export(path))
    assert len([tag for tag, _ in Tags(content).found if tag == "svg"]) >= 2
