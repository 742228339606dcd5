"""The last run of a suite, planned again from the words it was started with, and what of it is
in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config.layers import name_of
from bench.config.request import request
from bench.config.words import ORIGIN
from bench.errors import StorageError, UsageError, nearest
from bench.execute.job import Setup
from bench.grid.axes import OF_IMPUTATION
from bench.grid.cell import Cell
from bench.grid.matching_rows import matching
from bench.registry import Registry
from bench.results.collect import last_plan
from bench.results.ledger import Ledger
from bench.results.records import Export
from bench.run.edited import words_of
from bench.run.prepare import Prepared, prepare
from bench.run.schedule import setup_of
from bench.stages import artifacts

if TYPE_CHECKING:
    from bench.stages.view import View


@dataclass
class LastRun:
    """prepared, setup: of the same words as the last run. again: the command that makes what is
    missing.
    """

    prepared: Prepared
    setup: Setup
    planned: Export

    @property
    def again(self) -> str:
        return self.prepared.request.command()


def last_run(suite: str, out: str, registry: Registry, cache: str = "", root: str = "") -> LastRun:
    """The last run of a suite (a name or a file) in a folder of results. Raises UsageError when
    there was none.

    root: where the data lie, when the command of the run did not say it or they have moved.
    """
    planned = last_plan(Ledger(Path(out).expanduser()), name_of(suite), suite)
    prepared = prepare(request(words_of(planned, suite, out, cache, root), registry), registry)
    return LastRun(prepared, setup_of(prepared), planned)


def imputations(run: LastRun) -> list[Cell]:
    """A cell for each imputation, as coordinates tell them apart, in the order of the plan."""
    first_cells: dict[Any, Cell] = {}
    for cell in run.prepared.plan.cells:
        if not cell.skip and not cell.coordinates.audit:
            first_cells.setdefault(tuple(getattr(cell.coordinates, name) for name in OF_IMPUTATION), cell)
    return list(first_cells.values())


def choose(cells: Sequence[Cell], values_of_axis: Mapping[str, tuple[str, ...]]) -> list[Cell]:
    """The cells whose axes have the given values. A label without its brackets stands for all its
    variants.

    Raises UsageError, with what there is, for a value that no cell has.
    """
    kept = list(cells)
    for axis, values in values_of_axis.items():
        there = list(dict.fromkeys(str(getattr(cell.coordinates, axis)) for cell in kept))
        stands = [matching(value, there) for value in values]
        for value, labels in zip(values, stands, strict=True):
            if not labels:
                raise UsageError(
                    f'{axis} "{value}" (from {ORIGIN}) is not in the last run; {nearest(value, there)}there: '
                    f"{', '.join(there) or 'nothing that fits the other words'}"
                )
        order = {label: next((k for k, labels in enumerate(stands) if label in labels), None) for label in there}
        kept = [cell for cell in kept if order[str(getattr(cell.coordinates, axis))] is not None]
        kept.sort(key=lambda cell: order[str(getattr(cell.coordinates, axis))] or 0)
    return kept


def only(cells: list[Cell], axis: str) -> None:
    """UsageError, with what there is, unless all cells have the same value of an axis."""
    there = list(dict.fromkeys(str(getattr(cell.coordinates, axis)) for cell in cells))
    if len(there) > 1:
        raise UsageError(f"the last run has several that fit: {axis} {', '.join(there)}; give one of them: {axis}=...")


def missing(what: str, run: LastRun) -> StorageError:
    """The error for something the cache should hold and does not."""
    return StorageError(f"{what} is not in the cache {run.setup.cache}; make it again with: {run.again}")


def seen_of(cell: Cell, run: LastRun, registry: Registry) -> View:
    """What the imputer of a cell saw, from the cache. Raises StorageError when the prepared data
    are not there.
    """
    from bench.stages.view import view

    if not run.setup.store.has(artifacts.cohort(cell.keys["cohort"])):
        raise missing("the prepared data of this suite", run)
    return view(cell, run.setup, registry).select(cell.modalities)
