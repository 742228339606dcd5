"""The rows of a submission as the suite here plans them: nothing but methods is taken from who
submits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from bench.config.request import request
from bench.grid.axes import PATIENT, REPEATS
from bench.grid.cell import Cell
from bench.registry import Registry, Spec
from bench.results.coordinates import Coordinates, cell_in_words
from bench.results.records import Export, Override, Record, failed_audits
from bench.run.export import planned_export
from bench.run.prepare import Prepared, prepare

MOST_NAMED = 5
"""Cells that one reason names."""


def row_of(at: Coordinates) -> Coordinates:
    """The row of a cell: its coordinates without seed, split and audit."""
    return msgspec.structs.replace(at, seed=0, split=PATIENT, audit="")


def plan(
    suite: str, words: Sequence[str], places: Sequence[str], device: str, registry: Registry,
    fetch: Callable[[str], None] | None = None,
) -> Prepared:  # fmt: skip
    """The whole suite for some methods. words: those of `bench.submissions.folder.OF_METHODS`;
    places: where data, cache and results lie. Raises BenchError.
    """
    return prepare(request([f"suite={suite}", *words, *places], registry), registry, fetch, on=device)


def of_rows(prepared: Prepared, rows: Collection[Coordinates]) -> Prepared:
    """The same with the cells of these rows alone."""
    cells = tuple(cell for cell in prepared.plan.cells if row_of(cell.coordinates) in rows)
    return dataclasses.replace(prepared, plan=msgspec.structs.replace(prepared.plan, cells=cells))


def export_of(prepared: Prepared, records: Collection[Record]) -> Export:
    """What a table of these records says, all but the records themselves from the plan here."""
    return msgspec.structs.replace(planned_export(prepared), records=list(records))


def unfinished(cells: Collection[Cell], records: Collection[Record]) -> list[str]:
    """Which cells have no result that could stand in a table, and why."""
    by_coordinates = {record.coordinates: record for record in records}
    problems = []
    for cell in cells:
        record = by_coordinates.get(cell.coordinates)
        if record is None:
            problems.append(f"{cell_in_words(cell.coordinates)}: not run")
        elif record.status != "ok":
            problems.append(f"{cell_in_words(cell.coordinates)}: {record.status} {record.reason}".rstrip())
    return problems


def lacking(overrides: Iterable[Override]) -> list[str]:
    """Seeds and splits of the suite that a run with these overrides leaves out, in words."""
    problems = []
    for name in REPEATS:
        for override in overrides:
            if override.key == f"grid.{name}":
                left_out = sorted(set(override.suite.split(", ")) - set(override.value.split(", ")))
                problems += [f"{name} {value} of the suite is left out" for value in left_out]
    return problems


def failing(records: Collection[Record]) -> list[str]:
    """Which cells failed an audit."""
    return [
        f"{cell_in_words(record.coordinates)}: {name} failed ({detail})"
        for record in records
        for name, detail in failed_audits(record).items()
    ]


def listed(problems: Sequence[str]) -> str:
    """Reasons on one line, a few of them in full."""
    more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
    return "; ".join(problems[:MOST_NAMED]) + more


def is_open(dataset: Spec, synthetic: bool) -> bool:
    """Whether what was predicted of single records may be published: of generated data, and of data
    that anybody may download as a whole, without terms.

    That is what a dataset declares by a download (`fetch`) that is not of a part alone
    (`fetch_name`).
    """
    return synthetic or "synthetic" in dataset.tags or bool(dataset.fetch and not dataset.fetch_name)
