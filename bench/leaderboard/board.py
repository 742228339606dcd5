"""A leaderboard: the planned cells of an export with their records, and what each section makes
of them, when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from bench.figures.looks import Looks
from bench.leaderboard.blocks import Block, Heading
from bench.metrics.known import metrics
from bench.results.coordinates import Coordinates, Method, TableKey, method_of, table_of
from bench.results.export_file import finite
from bench.results.records import Export, Record

T = TypeVar("T")

Cells = Mapping[Coordinates, Record | None]
"""Planned cells in the order of the plan, each with its record, or None where it was not run."""


@dataclass(frozen=True)
class Section(Generic[T]):
    """One part of a leaderboard, and all that is known of it.

    - name: under which the JSON holds its structure; "" puts the fields of the structure beside the
      other sections.
    - aggregate: from the board to the structure; None of a section without one.
    - blocks: what pages show of it; none where there is nothing to show.
    - chapter: a heading that several sections share.
    """

    name: str
    aggregate: Callable[[Board], T] | None
    blocks: Callable[[Board], list[Block]] = lambda board: []
    chapter: str = ""


@dataclass
class Board:
    """An export and the structures of the sections. A pure function of the export; the order of its
    records changes nothing.

    wall_costs False leaves out all that differs from run to run of the same cells: seconds and
    memory.
    """

    export: Export
    wall_costs: bool = True
    _structures: dict[Section[Any], Any] = field(default_factory=dict)

    def __getitem__(self, section: Section[T]) -> T:
        """The structure of a section, made once."""
        if section not in self._structures:
            assert section.aggregate is not None, section
            self._structures[section] = section.aggregate(self)
        structure: T = self._structures[section]
        return structure

    @cached_property
    def _joined(self) -> tuple[dict[Coordinates, Record | None], list[str]]:
        return join(self.export)

    @property
    def cells(self) -> Cells:
        return self._joined[0]

    @property
    def stray(self) -> list[str]:
        """A note on records that are not shown."""
        return self._joined[1]

    @cached_property
    def scored(self) -> Cells:
        """The cells that are no audit cells."""
        return {at: record for at, record in self.cells.items() if not at.audit}

    @cached_property
    def records(self) -> list[Record]:
        return [record for record in self.cells.values() if record]

    @cached_property
    def methods(self) -> dict[TableKey, dict[Method, dict[Coordinates, Record | None]]]:
        """Table -> method -> its scored cells."""
        tables: dict[TableKey, dict[Method, dict[Coordinates, Record | None]]] = {}
        for at, record in self.scored.items():
            method = method_of(at)
            tables.setdefault(table_of(method), {}).setdefault(method, {})[at] = record
        return tables

    @cached_property
    def looks(self) -> Looks:
        """The colour and the shape of each method in all pictures."""
        return Looks(method.pair for inside in self.methods.values() for method in inside)

    @cached_property
    def audits(self) -> dict[Method, dict[Coordinates, Record | None]]:
        """Method -> its audit cells."""
        methods: dict[Method, dict[Coordinates, Record | None]] = {}
        for at, record in self.cells.items():
            if at.audit:
                methods.setdefault(method_of(at), {})[at] = record
        return methods


def blocks_of(board: Board, sections: Sequence[Section[Any]]) -> list[Block]:
    """The page: the blocks of all sections, with the headings of their chapters."""
    from_sections: list[Block] = []
    begun = set()
    for section in sections:
        blocks = section.blocks(board)
        if blocks and section.chapter and section.chapter not in begun:
            begun.add(section.chapter)
            from_sections.append(Heading(2, section.chapter))
        from_sections += blocks
    return from_sections


def higher_is_better(export: Export, metric: str) -> bool | None:
    """The direction of a metric, None where it has none. Of an unknown metric larger is better."""
    known = export.metrics.get(metric) or metrics().get(metric)
    return known.higher if known else True


def join(export: Export) -> tuple[dict[Coordinates, Record | None], list[str]]:
    """The planned cells with their records, and notes on records that are not shown.

    A record belongs to a planned cell when coordinates and key agree. One that was made from other
    sources, parameters or data has another key and is not a result of this plan. Two records of one
    key are the same result twice.
    """
    by_key: dict[tuple[Coordinates, str], Record] = {}
    for record in export.records:
        at = record.coordinates, record.key
        if at not in by_key or _preference(record) < _preference(by_key[at]):
            by_key[at] = record
    cells: dict[Coordinates, Record | None] = {at: by_key.pop((at, key), None) for at, key in export.planned}
    cells = {at: finite(record) if record else None for at, record in cells.items()}
    others = f"{len(by_key)} record{'s are' if len(by_key) > 1 else ' is'} of another plan or of edited sources"
    return cells, [f"{others}: not shown."] if by_key else []


def _preference(record: Record) -> tuple[bool, bytes]:
    return record.status != "ok", msgspec.json.encode(record, order="deterministic")
