"""Imputations of a plan: those of imputers, which all tasks and fusers share, and what fusers
complete by themselves, which belongs to a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from bench.results.coordinates import Coordinates, Method, imputation_of, method_of
from bench.results.records import COMPLETION_AUDITS, Record

COSTS = {
    "completion_draws": "draws",
    "complete_seconds": "impute_seconds",
    "complete_seconds_per_draw": "impute_seconds_per_draw",
}
"""Cost of a fuser's completion -> that of an imputer which it stands beside."""


def completion_of(at: Coordinates) -> Method:
    """The row of what the fuser of a cell completes by itself, among those of imputers."""
    label = f"{method_of(at).fuser} (fuser, {at.task})"
    return msgspec.structs.replace(imputation_of(at), imputer=label)


def as_imputation(record: Record) -> Record:
    """A record with the scores, audits and costs of the fuser's own completion in place of those
    of the imputer.
    """
    audits = {name: record.audits[own] for name, own in COMPLETION_AUDITS.items() if own in record.audits}
    costs = {name: record.costs[own] for own, name in COSTS.items() if own in record.costs}
    return msgspec.structs.replace(
        record,
        imputation=record.completion,
        imputation_validation={},
        imputation_errors=record.completion_errors,
        audits=audits,
        costs=costs,
    )


def imputations(
    cells: Mapping[Coordinates, Record | None],
) -> Iterator[tuple[Method, Coordinates, Record | None]]:
    """Each imputation with each of its cells. The record of a fuser's own completion is
    `as_imputation`; None where the cell has none.
    """
    for at, record in cells.items():
        yield imputation_of(at), at, record
    if not any(record and record.completion for record in cells.values()):
        return
    complete = {completion_of(at) for at, record in cells.items() if record and record.completion}
    for at, record in cells.items():
        if (method := completion_of(at)) in complete:
            yield method, at, as_imputation(record) if record and record.completion else None
