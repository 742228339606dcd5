"""A page for each method: what it is, its paper and parameters, where it wins, its ranks and what
it costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bench.discovery.parameters import parameters
from bench.discovery.spec import TAGS, Spec
from bench.leaderboard.blocks import Block, Cell, Column, Command, Heading, Notes, Number, Paragraph, Rich, Table
from bench.leaderboard.rows import cell
from bench.leaderboard.words import capital, columns, count, directed, spaced
from bench.pages.places import METHODS, link, method_place
from bench.pages.results import COSTS, Best, Cost, Results
from bench.pages.row_links import Component, named
from bench.registry import Registry

TITLE = "Methods"
KINDS = {"imputer": "Imputers", "fuser": "Fusers", "federation": "Federations"}
SCALES = {"_bytes": (1 / 2**20, " MiB"), "bytes_": (1 / 2**20, " MiB"), "seconds_per": (1e3, " ms")}
"""Part of the name of a cost -> by what it is multiplied, and its unit then."""

Cards = Mapping[Component, tuple[Spec | None, Results]]


def cards(registry: Registry, results: Mapping[Component, Results]) -> dict[Component, tuple[Spec | None, Results]]:
    """All methods that are installed or stand in a leaderboard, by kind and name; None of one that
    is not installed.
    """
    specs: dict[Component, Spec] = {("imputer", spec.name): spec for spec in registry.specs("imputer")} | {
        ("fuser", spec.name): spec for spec in registry.specs("fuser")
    }
    specs |= {("federation", spec.name): spec for spec in registry.specs("federation")}
    order = {kind: place for place, kind in enumerate(KINDS)}
    everyone = sorted({*specs, *results}, key=lambda each: (order[each[0]], each[1]))
    return {each: (specs.get(each), results.get(each) or Results()) for each in everyone}


def index(known: Cards) -> list[Block]:
    """The page that lists them."""
    page: list[Block] = [Heading(1, TITLE)]
    for kind, title in KINDS.items():
        rows: list[list[Cell]] = [
            [
                link(METHODS, method_place(kind, name), name),
                spec.summary if spec else "not installed here",
                len(of.best),
                sum(each.row.rank == 1 for each in of.best),
            ]
            for (each_kind, name), (spec, of) in known.items()
            if each_kind == kind
        ]
        if rows:
            page += [Heading(2, title), Table(columns("name", "what it is", "tables", "first in"), rows)]
    return page


def card(component: Component, spec: Spec | None, of: Results) -> list[Block]:
    """The page of one method."""
    kind, name = component
    here = method_place(kind, name)
    page: list[Block] = [Heading(1, f"{capital(kind)} {name}"), *(_declared(spec) if spec else _unknown())]
    page += [Heading(2, "Where it wins"), *_wins(here, of.best)]
    if of.best:
        page += [Heading(2, "Ranks"), Paragraph("Its best row of each table."), _ranks(here, of.best)]
    if of.costs:
        about = "Means over ok cells. They differ from machine to machine and from run to run."
        page += [Heading(2, "Cost"), Paragraph(about), _costs(here, kind, of.costs)]
    return page


def _unknown() -> list[Block]:
    return [Paragraph("No plugin of this installation has it: this page is made of leaderboards alone.")]


def _declared(spec: Spec) -> list[Block]:
    version = f"Version {spec.version}, from {spec.plugin}; {spec.randomness}."
    page: list[Block] = [Paragraph(spec.summary)] if spec.summary else []
    page += [Paragraph(f"Paper: {spec.paper}" if spec.paper else "It declares no paper."), Paragraph(version)]
    page.append(Command(f"bench show {spec.name}"))
    if spec.tags:
        page += [Heading(2, "Tags"), Notes([f"{tag}: {TAGS.get(tag, '')}" for tag in sorted(spec.tags)])]
    rows: list[list[Cell]] = [
        [each.name, _default(each.default), each.accepted, each.description] for each in parameters(spec.params)
    ]
    if rows:
        page += [Heading(2, "Parameters"), Table(columns("parameter", "default", "accepted", "meaning"), rows)]
    return page


def _default(value: Any) -> str:
    if value == "required":
        return "needed"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _wins(here: str, best: Sequence[Best]) -> list[Block]:
    """Tables in which a row with it is first, and those in which it ties with the first."""
    if not best:
        return [Paragraph("It stands in no leaderboard of this site.")]
    first = [each for each in best if each.row.rank == 1]
    tied = [each for each in best if each.row.rank != 1 and each.row.tie_group == 1]
    page: list[Block] = [Paragraph(f"First in {len(first)} of {count(len(best), 'table')}.")]
    if first:
        page.append(Notes([_place(here, each) for each in first]))
    if tied:
        tie = "Not first, but in the first tie group: no comparison shows a difference from the best row."
        page += [Paragraph(tie), Notes([_place(here, each) for each in tied])]
    return page


def _place(here: str, each: Best) -> Rich:
    generated = " (generated data)" * each.source.board.export.synthetic
    return Rich(
        link(here, each.source.place, each.source.name), f", {each.table.title}{generated}: ", named(here, each.row)
    )


def _ranks(here: str, best: Sequence[Best]) -> Table:
    rows: list[list[Cell]] = []
    for each in best:
        table, row = each.table, each.row
        ranked = len(table.eligible)
        rows.append(
            [
                link(here, each.source.place, each.source.name),
                "generated" if each.source.board.export.synthetic else "recorded",
                table.title,
                named(here, row),
                row.rank,
                ranked,
                row.tie_group,
                directed(table.primary, table.higher[table.primary]),
                cell(row.scores.get(table.primary)),
                row.unranked or None,
            ]
        )
    heads = ("leaderboard", "data", "table", "row", "rank", "of", "tie group", "metric", "score", "why unranked")
    return Table(columns(*heads), rows)


def _costs(here: str, kind: str, costs: Sequence[Cost]) -> Table:
    names = [name for name in COSTS[kind] if any(name in each.values for each in costs)]
    head = [*columns("leaderboard", "label"), *(Column(spaced(name)) for name in names), Column("cells")]
    rows: list[list[Cell]] = [
        [
            link(here, each.source.place, each.source.name),
            each.label,
            *(_number(name, each.values.get(name)) for name in names),
            each.cells,
        ]
        for each in costs
    ]
    return Table(head, rows)


def _number(name: str, value: float | None) -> Cell:
    if value is None:
        return None
    scale, unit = next((scaled for part, scaled in SCALES.items() if part in name), (1.0, ""))
    seconds = name.endswith("seconds")
    form = ",.2f" if seconds or unit == " ms" else ",.1f" if unit else ",.0f"
    return Number(value * scale, form, unit=unit or " s" * seconds)
