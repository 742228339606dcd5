"""Every link between files of the project leads somewhere: to a file that exists, and to a place
in it that exists.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.pages import ROOT, anchors, links

IGNORED = {".venv", "build", "results", ".pytest_cache"}
PAGES = [path for path in sorted(ROOT.rglob("*.md")) if not IGNORED & {*path.relative_to(ROOT).parts}]


def broken(path: Path) -> list[str]:
    """The links of a Markdown file that lead nowhere. Addresses of other places are not asked."""
    found = []
    for link in links(path.read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            found.append(link)
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_place_that_exist(path):
    assert broken(path) == []


def listed(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else listed(value)


def test_the_site_lists_every_page_once():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("leaderboards/**/*.md")]
    assert sorted(listed(nav)) == sorted(str(path.relative_to(ROOT)) for path in pages)


def test_a_link_to_a_file_or_a_place_that_does_not_exist_is_found(tmp_path):
    (tmp_path / "there.md").write_text("# A place, or two\n\n## `code` here\n\n## Twice\n\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-place-or-two) [c](there.md#code-here) [d](there.md#twice-1) `[e](no.md)`\n\n"
        "```\n[f](no.md)\n```\n\n[g](gone.md) [h](there.md#gone) [i](#gone) ![j](gone.png)\n"
    )
    assert broken(page) == ["gone.md", "there.md#gone", "#gone", "gone.png"]
