"""The export of a run as it ended, with its name, its date and the revision of the code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import bench
from bench.config.command import Request
from bench.errors import StorageError
from bench.results import snapshots
from bench.results.provenance import revision, revision_of
from bench.results.records import Export
from bench.results.redact import redact
from bench.results.run_info import RunInfo
from bench.run.execute import Outcome
from bench.run.export import planned_export
from bench.run.prepare import Prepared


def check(request: Request, prepared: Prepared | None = None) -> None:
    """UsageError where no run may have the name, or another has it. Without a plan, before any data
    are made, a run that was stopped may have planned the same.
    """
    settings = request.settings
    if settings.name:
        keys = [cell.key for cell in prepared.plan.cells] if prepared else None
        snapshots.check_free(settings.out_folder(), request.suite.name, settings.name, keys)


def export_of(outcome: Outcome) -> Export:
    """All that a run left behind and that may be shared, with the second in which it ended.

    It has no comparisons: `bench report` makes them of predictions, which stay in the ledger.
    """
    prepared, now = outcome.prepared, datetime.now(UTC)
    harness, here = revision(), revision_of(Path.cwd())
    info = RunInfo(
        name=prepared.request.settings.name or now.strftime("%Y%m%d-%H%M%S"),
        date=f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
        version=bench.__version__,
        revision=harness,
        checkout=here if here != harness else "",
        shard=prepared.request.settings.shard,
        status={status: count for status, count in sorted(outcome.counts.items()) if count},
        stopped=outcome.stopped if outcome.unfinished else "",
    )
    records = [
        msgspec.structs.replace(prepared.done[cell.key], coordinates=cell.coordinates)
        for cell in prepared.plan.cells
        if cell.key in prepared.done
    ]
    export = redact(msgspec.structs.replace(planned_export(prepared), records=records))
    return msgspec.structs.replace(export, run=info)


def keep(outcome: Outcome, say: Callable[[str], None]) -> Path | None:
    """Store the snapshot of a run. Where that cannot be, the results are in the ledger all the
    same, so this is a warning.
    """
    try:
        return snapshots.keep(outcome.prepared.request.settings.out_folder(), export_of(outcome))
    except StorageError as error:
        say(f"warning: this run is not among bench runs: {error}")
        return None
