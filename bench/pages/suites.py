"""A page for each suite: what it asks for, and its leaderboards."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from bench.config.layers import Layers, find_suites, read, resolve
from bench.errors import BenchError
from bench.grid.described import axes_in_words
from bench.leaderboard.blocks import Block, Cell, Command, Heading, Notes, Paragraph, Table
from bench.leaderboard.words import columns
from bench.pages.index import boards
from bench.pages.places import SUITES, history_place, link, suite_place
from bench.pages.sources import Source
from bench.results.redact import redact_text

TITLE = "Suites"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A suite. profiles: name -> axis -> its values in words. problem: why it cannot be used."""

    name: str
    title: str = ""
    summary: str = ""
    dataset: str = ""
    profiles: dict[str, dict[str, str]] = {}
    problem: str = ""


def installed() -> list[Shown]:
    """All suites of this installation, by name."""
    return [_installed(name) for name in sorted(find_suites())]


def _installed(name: str) -> Shown:
    try:
        tree, path = read(name)
        profiles = dict.fromkeys(["demo", *tree.get("profiles", {})])
        resolved = {profile: resolve(Layers(tree, path, profile, {})) for profile in profiles}
    except BenchError as error:
        return Shown(name=name, problem=redact_text(str(error)))
    suite = resolved["demo"]
    words = {profile: axes_in_words(each) for profile, each in resolved.items()}
    return Shown(name=name, title=suite.title, summary=suite.summary, dataset=suite.dataset, profiles=words)


def everyone(suites: Sequence[Shown], sources: Sequence[Source]) -> list[Shown]:
    """The installed suites, and those that only a leaderboard names."""
    known = {suite.name: suite for suite in suites}
    for source in sources:
        export = source.board.export
        alone = "This installation does not have it: this page is made of leaderboards alone."
        known.setdefault(
            export.suite, Shown(name=export.suite, title=export.title, dataset=export.dataset, problem=alone)
        )
    return [known[name] for name in sorted(known)]


def index(suites: Sequence[Shown], sources: Sequence[Source]) -> list[Block]:
    """The page that lists them."""
    rows: list[list[Cell]] = [
        [
            link(SUITES, suite_place(suite.name), suite.name),
            suite.title or None,
            suite.dataset or None,
            sum(source.board.export.suite == suite.name for source in sources),
        ]
        for suite in suites
    ]
    return [Heading(1, TITLE), Table(columns("suite", "title", "dataset", "leaderboards"), rows)]


def page(suite: Shown, sources: Sequence[Source], histories: Collection[str]) -> list[Block]:
    """The page of one suite. histories: the suites that have one."""
    here = suite_place(suite.name)
    own = [source for source in sources if source.board.export.suite == suite.name]
    blocks: list[Block] = [Heading(1, f"Suite {suite.name}")]
    blocks += [Paragraph(text) for text in (suite.title, suite.summary, suite.problem) if text]
    if suite.dataset:
        blocks.append(Paragraph(f"Dataset: {suite.dataset}"))
    blocks.append(Heading(2, "Its leaderboards"))
    blocks.append(boards(here, own) if own else Paragraph("This site has no leaderboard of it."))
    if suite.name in histories:
        blocks.append(Paragraph(link(here, history_place(suite.name), "History over its runs")))
    for profile, axes in suite.profiles.items():
        word = "" if profile == "demo" else f" profile={profile}"
        blocks += [Heading(2, f"Profile {profile}"), Notes([f"{axis}: {values}" for axis, values in axes.items()])]
        blocks.append(Command(f"bench run suite={suite.name}{word}"))
    return blocks
