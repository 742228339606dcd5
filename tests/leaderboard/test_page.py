"""The HTML page: whole and valid by itself, no network, nothing unescaped, readable without
JavaScript, sortable with it.
"""

from __future__ import annotations

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

from bench.leaderboard import load_export, render
from bench.leaderboard.blocks import Axis, Chart, Line, Point, Shares
from bench.leaderboard.render.svg import svg
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


def test_each_picture_stands_in_its_section() -> None:
    parts = re.split(r"(?=<h[1-4])", page(rich()))
    titles = [re.sub(r"<.*?>", "", part.partition("\n")[0]) for part in parts if "<svg" in part]
    places = [f"ihm · all · {s}" for s in ("natural", "mcar(rate=0.1)", "mcar(rate=0.3)")]
    assert titles == ["Imputer or fuser?", *places, "all · mcar: over the rate, all entries", *places]
    assert [part.count("<svg") for part in parts if "<svg" in part] == [1, 1, 1, 1, 1, 2, 2, 2]


def test_a_point_stands_where_its_values_say() -> None:
    points = [Point(1, 0.0, "a"), Point(10, 0.5, "b"), Point(100, 1.0, "c")]
    drawn = svg(Chart([Line(points)], Axis("x", log=True), Axis("y", ends=(0, 1)), "about"))
    x, y = ([float(v) for v in re.findall(rf' {axis}="([\d.]+)" ?', drawn)] for axis in ("cx", "cy"))
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)
    assert y[0] - y[1] == pytest.approx(y[1] - y[2], abs=0.11)
    assert y[0] > y[2]
    assert "<title>b</title>" in drawn
    assert svg(Chart([], Axis("x"), Axis("y"), "about")) == ""


def test_a_picture_of_equal_values_and_of_very_large_ones_has_finite_places() -> None:
    for values in ([0.8, 0.8], [0.0, 0.0], [1e-9, 1e9]):
        drawn = svg(Chart([Line([Point(k + 1, v, "") for k, v in enumerate(values)])], Axis("x"), Axis("y"), "about"))
        places = [float(v) for v in re.findall(r'(?:cx|cy|x1|y1)="([^"]+)"', drawn)]
        assert places
        assert all(math.isfinite(v) and -1 <= v <= 461 for v in places)


def test_shares_are_as_wide_as_they_are_large() -> None:
    drawn = svg(Shares([("a", (0.5, 0.3, 0.2))], ("one", "two", "three"), "about"))
    widths = [float(v) for v in re.findall(r'width="([\d.]+)" height="18"', drawn)]
    assert widths == [150, 90, 60]


LOOK = """<script>
window.onerror = (said) => { document.documentElement.dataset.broken = said; };
addEventListener("load", () => {
  const outside = [...document.querySelectorAll("svg text")].filter((text) => {
    const own = text.getBoundingClientRect(), all = text.ownerSVGElement.getBoundingClientRect();
    return own.left < all.left - 1 || own.right > all.right + 1 || own.top < all.top - 1 || own.bottom > all.bottom + 1;
  });
  document.documentElement.dataset.outside = outside.map((text) => text.textContent).join("; ");
  document.documentElement.dataset.loaded = performance.getEntriesByType("resource").length;
  const table = document.querySelector("table");
  const head = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent.startsWith("AUPRC"));
  const seen = () => [...table.tBodies[0].rows].map((row) => row.cells[head].textContent.split(" ")[0]).join(" ");
  table.tHead.rows[0].cells[head].querySelector("button").click();
  document.documentElement.dataset.up = seen();
  table.tHead.rows[0].cells[head].querySelector("button").click();
  document.documentElement.dataset.down = seen();
  document.documentElement.dataset.sort = table.tHead.rows[0].cells[head].getAttribute("aria-sort");
});
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: chromium, chromium-browser or google-chrome")
def test_in_a_real_browser_it_sorts_loads_nothing_breaks_nothing_and_no_word_of_a_picture_is_cut_off(
    tmp_path: Path,
) -> None:
    assert CHROMIUM is not None
    (tmp_path / "page.html").write_text(page(rich()).replace("<head>", "<head>" + LOOK))
    words = [
        CHROMIUM,
        "--headless",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1200,900",
    ]
    words += ["--no-sandbox"] * (hasattr(os, "geteuid") and os.geteuid() == 0)  # Chromium refuses root with one
    words += ["--virtual-time-budget=5000", "--dump-dom", (tmp_path / "page.html").as_uri()]
    found = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
    (root,) = (values for tag, values in Tags(found).found if tag == "html")
    assert "data-broken" not in root
    assert (root["data-outside"], root["data-loaded"]) == ("", "0")
    up, down = ((root[name] or "").split() for name in ("data-up", "data-down"))
    scores = [v for v in up if v]
    assert len(scores) == 9
    assert scores == sorted(scores, key=float)
    assert down == sorted(scores, key=float, reverse=True)
    assert root["data-sort"] == "descending"
    assert int(root["data-sortable"] or 0) > 50


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "leaderboards").glob("*.records.json")), ids=lambda p: p.stem
)
def test_the_committed_leaderboards_have_a_whole_page(path: Path) -> None:
    content = page(load_export(path))
    assert len([tag for tag, _ in Tags(content).found if tag == "svg"]) >= 2
