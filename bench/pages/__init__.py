"""A static site of leaderboards: pages that link to each other, for any static host.

- `sources.read(files)`: exports as boards, and the files that cannot be read.
- `site(...)`: all pages, path -> content; a pure function of boards and declarations.
- `folder.write(folder, pages)`.

Pages are blocks, written by the renderer of single pages. They load nothing, and links are
relative, so a site works from files and below any address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.leaderboard.blocks import Block, Link
from bench.leaderboard.board import blocks_of
from bench.leaderboard.render.html import to_html
from bench.leaderboard.sections.all import SECTIONS
from bench.pages import index, methods, suites
from bench.pages.places import INDEX, METHODS, SUITES, history_place, link, method_place, suite_place
from bench.pages.results import results
from bench.pages.sources import Source, Unread
from bench.pages.suites import Shown
from bench.registry import Registry

__all__ = ["site"]


def site(
    sources: Sequence[Source],
    unread: Sequence[Unread],
    registry: Registry,
    known: Sequence[Shown],
    histories: Mapping[str, Sequence[Block]],
    version: str,
) -> dict[str, bytes]:
    """All pages of a site: path -> content. The same bytes for the same boards and declarations.

    - unread: files that are named on the index.
    - registry: whose methods have a page, as have those that stand in a board.
    - known: suites that have a page, as have those of the boards.
    - histories: suite -> the page of its history.
    - version: of gapbench.
    """
    cards = methods.cards(registry, results(sources))
    shown = suites.everyone(known, sources)
    pages: dict[str, Sequence[Block]] = {INDEX: index.blocks(sources, unread, histories, version)}
    pages |= {source.place: blocks_of(source.board, SECTIONS) for source in sources}
    pages |= {METHODS: methods.index(cards), SUITES: suites.index(shown, sources)}
    pages |= {method_place(*component): methods.card(component, *card) for component, card in cards.items()}
    pages |= {suite_place(suite.name): suites.page(suite, sources, histories) for suite in shown}
    pages |= {history_place(suite): page for suite, page in histories.items()}
    return {place: to_html(blocks, _above(place)).encode() for place, blocks in pages.items()}


def _above(here: str) -> list[Link]:
    """The links that stand above each page."""
    places = {index.TITLE: INDEX, methods.TITLE: METHODS, suites.TITLE: SUITES}
    return [part for text, there in places.items() for part in link(here, there, text).parts if isinstance(part, Link)]
