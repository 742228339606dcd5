"""Tables of one's own as a cohort: a record for each row of labels that has a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.cohort import Cohort, Counts
from bench.components import Context, Dataset, Interrupted
from bench.errors import DataError, nearest
from bench_datasets.long_rows import Rows, count_cohort, kept_rows, series_of_rows
from bench_datasets.longcsv.labels import Records, read_records
from bench_datasets.longcsv.mapping import Mapping, channels, files, read_mapping
from bench_datasets.longcsv.params import LongCsvParams
from bench_datasets.longcsv.tables import Numbers, Texts, read_long
from bench_datasets.mapped import HOURS

ROWS = "measurements"
"""How the counts of that table begin."""


class LongCsv(Dataset[LongCsvParams]):
    """Reads what a TOML file says of two tables; see docs/reference/datasets/longcsv.md.

    - Records: rows of the labels with a measurement that is kept, by id as text.
    - Groups: the column `labels.group`, else the id.
    - Modalities, statics, targets and columns: as the mapping names them.
    """

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort. Every row of both tables is kept or counted in `Cohort.counts`.

        Raises DataError for a mapping that cannot be understood, a table that is damaged or lacks a
        column, a label that is not accepted, and where no measurement is kept.
        """
        params, counts = self.params, Counts()
        mapping, origin = read_mapping(root, params), root / params.mapping
        _, measured, labelled = files(root, params)
        records = read_records(labelled, mapping, origin, counts)
        context.report(f"reading {measured.name} ({measured.stat().st_size / 2**20:,.0f} MiB)")
        table, dated = mapping.measurements, bool(mapping.labels.start)
        texts, numbers = read_long(
            measured,
            {"measurements.id": table.id, "measurements.variable": table.variable},
            {"measurements.value": table.value} | ({} if dated else {"measurements.time": table.time}),
            {"measurements.time": table.time} if dated else {},
            origin,
        )
        if context.should_stop():
            raise Interrupted
        grid, known = mapping.grid, channels(mapping, origin)
        rows = _rows(texts, numbers, records, [each.name for each in known], mapping, counts)
        kept = kept_rows(rows, known, grid.length, grid.bin_hours, counts, ROWS)
        measured_records, places = np.unique(kept.record, return_inverse=True)
        if not len(measured_records):
            raise DataError(_nothing(measured, origin, texts, records, mapping, counts))
        counts.left_out(
            "labels: records without a measurement that is kept, left out", len(records.ids) - len(measured_records)
        )
        records, n = records.take(measured_records), len(measured_records)
        counts.found("labels: records kept", n)
        kept.record[:] = places
        series = series_of_rows(kept, n, known, grid.length, grid.bin_hours)
        count_cohort(series, records.targets, counts)
        return Cohort(
            ids=records.ids,
            groups=records.groups,
            modalities=series,
            statics=records.statics,
            static_names=mapping.labels.statics,
            targets=records.targets,
            columns=records.columns,
            bin_hours=grid.bin_hours,
            counts=counts.by_name(),
        )


def _rows(
    texts: dict[str, Texts],
    numbers: dict[str, Numbers],
    records: Records,
    names: Sequence[str],
    mapping: Mapping,
    counts: Counts,
) -> Rows:
    """The rows that are about a channel of a record at a time; the others are counted, each under
    the first reason that holds.
    """
    ids, variables = texts["measurements.id"], texts["measurements.variable"]
    time, value = numbers["measurements.time"], numbers["measurements.value"]
    record = _lookup(ids, {name: place for place, name in enumerate(records.ids.tolist())})
    channel = _lookup(variables, {name: place for place, name in enumerate(names)})
    left = np.ones(len(record), bool)
    counts.found(f"{ROWS}: rows", len(left))
    start = np.append(records.start, 0.0)  # the last one is for rows of no record
    with np.errstate(over="ignore"):
        hours = time.values - start[record] if mapping.labels.start else time.values * HOURS[mapping.grid.unit]
        timeless = ~np.isfinite(hours.astype(np.float32))
    for count, reason, hit in (
        (counts.unusable, "rows without an id, skipped", ids.codes < 0),
        (counts.unusable, "rows without a variable, skipped", variables.codes < 0),
        (counts.left_out, "rows of variables that are not in the mapping, left out", channel < 0),
        (counts.left_out, "rows of ids without labels, left out", record < 0),
        (counts.unusable, "rows without a time that can be read, skipped", timeless),
        (counts.unusable, "rows with a value that is not a number, skipped", value.bad),
    ):
        count(f"{ROWS}: {reason}", (left & hit).sum())
        left &= ~hit
    absent = len(names) - len(np.unique(channel[channel >= 0]))
    counts.found(f"{ROWS}: variables of the mapping without any row", absent)
    return Rows(record[left], hours[left], channel[left], value.values[left], np.zeros(left.sum(), np.int8))


def _lookup(column: Texts, places: dict[str, int]) -> np.ndarray:
    """The place of each row's text, int64 [rows], -1 where it has none."""
    known: np.ndarray = np.array([*(places.get(name.strip(), -1) for name in column.names), -1], np.int64)
    rows: np.ndarray = known[column.codes]
    return rows


def _nothing(
    path: Path, origin: Path, texts: dict[str, Texts], records: Records, mapping: Mapping, counts: Counts
) -> str:
    """Why no row is kept, by the reason of most rows, with what stands in the table."""
    reasons = {
        name: c.number
        for name, c in counts.by_name().items()
        if c.kind != "found" and not name.startswith(("labels: ", "task "))
    }
    if not reasons:
        return f"{path} holds no row; put measurements there, a row each"
    reason = max(reasons, key=lambda name: reasons[name])
    pairs = {
        "variables": (
            texts["measurements.variable"].names,
            [v for m in mapping.modalities.values() for v in m],
            "the mapping",
        ),
        "ids": (texts["measurements.id"].names, records.ids.tolist(), "the labels"),
    }
    there, wanted, of = next((pairs[key] for key in pairs if f"of {key}" in reason), ([], [], ""))
    shown = f" (the table has {', '.join(there[:3])}; {of}: {', '.join(wanted[:3])})" if of else ""
    near = nearest(there[0], wanted) if there else ""
    return (
        f"no row of {path} is kept; {reason.partition(': ')[2]}: {reasons[reason]:,} of {counts.number(f'{ROWS}: rows'):,}"
        f"{shown}; {near}compare the table with {origin}"
    )
