"""From results of jobs to records of cells, stored one by one as they come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.execute.api import Result
from bench.files import write_text
from bench.grid.cell import Cell
from bench.results.records import Record
from bench.run.prepare import Prepared, check_clients
from bench.run.record import record_of, skipped, unstorable
from bench.stages.artifacts import size_of
from bench.stages.order import LAST

if TYPE_CHECKING:
    from bench.results.predictions import Predictions


class Writer:
    """Stores what comes. left: cells whose turn did not come; why: the reason of the last of them;
    logs: what failed -> the file that holds what it said.
    """

    def __init__(self, prepared: Prepared):
        self.prepared = prepared
        self.left = 0
        self.why = ""
        self.logs: dict[str, Path] = {}

    def take(self, result: Result) -> None:
        """One job has ended: learn how long it took, and store the record of a cell whose last
        one it was.
        """
        job, prepared = result.job, self.prepared
        if result.status == "ok":
            prepared.estimates.see(job.stage, job.cell, result.seconds)
            if job.stage == "cohort" and (size := size_of(prepared.store, job.id)):
                check_clients(prepared.request, prepared.registry, prepared.store, job.id)
                prepared.estimates.resize(*size)
        elif result.log:
            path = prepared.ledger.folder / "logs" / f"{job.id}.log"
            write_text(path, result.log)
            self.logs[job.label] = path
        if job.stage != LAST.name:
            return
        if result.status == "not-run":
            self.left += 1
            self.why = result.reason
            return
        if result.record is not None:
            prepared.done[result.record.key] = result.record
            return
        predictions = result.output.predictions if result.output else None
        self._store(record_of(prepared, job.cell, result), predictions)

    def skip(self, cell: Cell) -> None:
        """Store the record of a cell that cannot be run."""
        self._store(skipped(self.prepared, cell))

    def _store(self, record: Record, predictions: Predictions | None = None) -> None:
        """Store a record. One that could not be read again is a failed cell."""
        ledger = self.prepared.ledger
        try:
            record = ledger.write(record, predictions)
        except ValueError as error:
            record = ledger.write(unstorable(record, error))
        self.prepared.done[record.key] = record
