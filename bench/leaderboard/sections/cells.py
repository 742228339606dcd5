"""Every planned cell in a line, in the order of the plan, with every number its record holds:
for programs, not for pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from bench.data.release import GENERATED
from bench.grid.axes import AXES, shown
from bench.grid.differences import sentence
from bench.leaderboard.blocks import Cell, Table
from bench.leaderboard.board import Board
from bench.leaderboard.sections import tables
from bench.leaderboard.statements import EDITED
from bench.leaderboard.words import columns
from bench.results.coordinates import Coordinates, method_in, method_of
from bench.results.records import Audit, Export, Record
from bench.results.redact import redact_text

BLOCKS = (
    "test",
    "validation",
    "calibration",
    "pattern",
    "imputation",
    "completion",
    "hidden",
    "audit",
    "records",
    "cost",
)
"""Groups of columns, in their order; a column is called by its block and the name inside."""

COSTS_THAT_REPEAT = frozenset({"parameters", "imputer_parameters", "draws", "completion_draws"})
"""Costs that are the same whenever a cell is run again; all others are timings or measured
memory.
"""

CALIBRATION = ("ece", "brier")


def place(board: Board) -> list[str]:
    """The coordinates that stand in every line: an axis whose value is the default one
    everywhere is left out.
    """
    hidden = {axis.name for axis in AXES if not any(shown(axis.name, getattr(at, axis.name)) for at in board.cells)}
    return [name for name in Coordinates.__struct_fields__ if name not in hidden]


def cells(board: Board) -> Table:
    """One line per planned cell.

    Columns, in this order:

    - coordinates.
    - release (of the data), differs (in what the run differs from the suite and its profile). Both
      are the same on every line, since what reads CSV would not understand a comment above the
      header.
    - control (0 or 1), key, status, reason.
    - unranked (the audits that failed, because of which its row has no rank).
    - those of `BLOCKS`, each name that any record has; audits are pass, fail or n.a.

    Of a board without costs, the columns that differ from run to run are left out.
    """
    export = board.export
    names = _names(board.records)
    if not board.wall_costs:
        names["cost"] = [name for name in names["cost"] if name in COSTS_THAT_REPEAT]
    unranked = {
        method_in(table, *row.pair): row.unranked
        for table in board[tables.SECTION]
        for row in table.rows
        if row.unranked
    }
    differs, edited = sentence(export.overrides), frozenset(export.edited)
    release = GENERATED if export.synthetic else export.release
    modalities, completed = (
        [name.rsplit(" ", 1) for name in names[block]]  # metrics are single words
        for block in ("imputation", "completion")
    )
    empty = [None] * sum(map(len, names.values()))
    lines: list[Sequence[Cell]] = []
    where = place(board)
    place_of = attrgetter(*where)
    for at, record in board.cells.items():
        line: list[Cell] = [*place_of(at)]
        line += release, differs, int(_is_control(at, export))
        lost = unranked.get(method_of(at), "") if unranked else ""
        if record is None:
            lines.append([*line, "", "not-run", "", lost, *empty])
            continue
        reason = "; ".join(filter(None, [record.reason, EDITED * (record.key in edited)]))
        line += record.key, record.status, redact_text(reason), lost
        line += map(record.scores.get, names["test"])
        line += map(record.validation.get, names["validation"])
        line += [getattr(record.calibration, name, None) for name in names["calibration"]]
        if names["pattern"]:
            line += map(_patterns(record).get, names["pattern"])
        line += [record.imputation.get(modality, {}).get(name) for modality, name in modalities]
        line += [record.completion.get(modality, {}).get(name) for modality, name in completed]
        line += map(record.hidden.get, names["hidden"])
        line += [_outcome(record.audits.get(name)) for name in names["audit"]]
        line += map(record.counts.get, names["records"])
        line += map(record.costs.get, names["cost"])
        lines.append(line)
    header = [*where, "release", "differs", "control", "key", "status", "reason", "unranked"]
    return Table(columns(*header, *(f"{block} {name}" for block in BLOCKS for name in names[block])), lines)


def _is_control(at: Coordinates, export: Export) -> bool:
    """Whether its imputer or its fuser is in the grid as a control, as rows have it."""
    of_imputer = at.imputer in export.control_imputers and (at.imputer, at.fuser) not in export.completing
    return of_imputer or at.fuser in export.control_fusers


def _names(records: Iterable[Record]) -> dict[str, list[str]]:
    """Block -> the names any record has in it, sorted."""
    by_block: dict[str, set[str]] = {block: set() for block in BLOCKS}
    for record in records:
        by_block["test"].update(record.scores)
        by_block["validation"].update(record.validation)
        for block, scored in (("imputation", record.imputation), ("completion", record.completion)):
            by_block[block].update(f"{modality} {name}" for modality, scores in scored.items() for name in scores)
        by_block["calibration"].update(CALIBRATION if record.calibration else ())
        by_block["pattern"].update(_patterns(record))
        by_block["hidden"].update(record.hidden)
        by_block["audit"].update(record.audits)
        by_block["records"].update(record.counts)
        by_block["cost"].update(record.costs)
    return {block: sorted(names) for block, names in by_block.items()}


def _patterns(record: Record) -> dict[str, float | None]:
    """Two columns for each combination of modalities: how many records, and their score."""
    return {
        f"{pattern.name} {what}": getattr(pattern, what) for pattern in record.patterns for what in ("records", "score")
    }


def _outcome(audit: Audit | None) -> str | None:
    if audit is None:
        return None
    return "n.a." if audit.passed is None else "pass" if audit.passed else "fail"
