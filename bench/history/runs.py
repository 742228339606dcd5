"""The runs of a history: snapshots by suite and name, or export files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from bench.leaderboard.board import join
from bench.results.export_file import load_export
from bench.results.records import Export, Record
from bench.results.run_info import RunInfo


def of_file(path: Path) -> Export:
    """The export in a file, as a run. One that does not name its run is called by its file and has
    no date. Raises StorageError.
    """
    export = load_export(path)
    return export if export.run else msgspec.structs.replace(export, run=_described(export, path))


def info_of(export: Export) -> RunInfo:
    """What is known of the run that an export is of."""
    return export.run or _described(export, Path(export.suite))


def _described(export: Export, path: Path) -> RunInfo:
    cells, _ = join(export)
    records = [record for record in cells.values() if record]
    return RunInfo(
        name=path.name.removesuffix(".json").removesuffix(".records"),
        date="",
        version=_agreed(records, "gapbench"),
        revision=_agreed(records, "revision"),
        status=dict(sorted(Counter(record.status if record else "not-run" for record in cells.values()).items())),
    )


def _agreed(records: list[Record], name: str) -> str:
    """What all records say under a name of their provenance; empty where they do not agree."""
    values = {record.provenance.get(name, "") for record in records}
    return values.pop() if len(values) == 1 else ""
