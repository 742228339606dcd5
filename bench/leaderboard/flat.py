"""An export as CSV: one line per planned cell, in the order of the plan, with every number a record holds."""

from __future__ import annotations

import csv
import io

from bench.leaderboard.aggregate import Cells
from bench.leaderboard.redact import redact_text
from bench.records import Coordinates, Record

BLOCKS = ("test", "validation", "imputation", "hidden", "audit", "records", "cost")
"""Groups of columns, in their order; a column is called by its block and the name inside."""

COSTS_THAT_REPEAT = frozenset({"parameters"})
"""Costs that are the same whenever a cell is run again; all others are timings or measured memory."""

PLACE = Coordinates.__struct_fields__
Column = tuple[int, str]


def to_csv(cells: Cells, controls: tuple[set[str], set[str]], wall_costs: bool = True) -> str:
    """Header and one line per planned cell. controls: labels of the imputers and of the fusers that are controls.

    Columns: coordinates, control (0 or 1), key, status, reason, then those of `BLOCKS`, each name that any record has;
    audits are pass, fail or n.a. Numbers are written in full. wall_costs=False leaves out the costs that differ from
    run to run.
    """
    values = [_values(record, wall_costs) if record else {} for record in cells.values()]
    columns = sorted({column for line in values for column in line})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    named = [f"{BLOCKS[block]} {name}" for block, name in columns]
    writer.writerow([*PLACE, "control", "key", "status", "reason", *named])
    for (at, record), line in zip(cells.items(), values, strict=True):
        control = int(at.imputer in controls[0] or at.fuser in controls[1])
        state = (record.key, record.status, redact_text(record.reason)) if record else ("", "not-run", "")
        place = (getattr(at, name) for name in PLACE)
        writer.writerow([*place, control, *state, *map(line.get, columns)])
    return text.getvalue()


def _values(record: Record, wall_costs: bool) -> dict[Column, float | str]:
    """(place of the block, name) -> value."""
    values: dict[Column, float | str] = {}
    for block, group in ((0, record.scores), (1, record.validation), (3, record.hidden), (5, record.counts)):
        for name, value in group.items():
            values[block, name] = value
    for modality, scores in record.imputation.items():
        for name, value in scores.items():
            values[2, f"{modality} {name}"] = value
    for name, audit in record.audits.items():
        values[4, name] = "n.a." if audit.passed is None else "pass" if audit.passed else "fail"
    for name, value in record.costs.items():
        if wall_costs or name in COSTS_THAT_REPEAT:
            values[6, name] = value
    return values
