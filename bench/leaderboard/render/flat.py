"""An export as CSV: one line per planned cell, in the order of the plan, with every number a record holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from bench.data.release import GENERATED
from bench.grid.differences import sentence
from bench.leaderboard.aggregate import Cells
from bench.leaderboard.sections.statements import EDITED
from bench.results.records import Audit, Coordinates, Export, Method, Record, method_of
from bench.results.redact import redact_text
from bench.text.clean import cell

BLOCKS = ("test", "validation", "calibration", "pattern", "imputation", "hidden", "audit", "records", "cost")
"""Groups of columns, in their order; a column is called by its block and the name inside."""

COSTS_THAT_REPEAT = frozenset({"parameters", "imputer_parameters", "draws"})
"""Costs that are the same whenever a cell is run again; all others are timings or measured memory."""

CALIBRATION = ("ece", "brier")

PLACE = Coordinates.__struct_fields__


def to_csv(export: Export, cells: Cells, unranked: Mapping[Method, str], wall_costs: bool = True) -> str:
    """Header and one line per planned cell. unranked: method -> the audits that failed, because of which its row has no rank.

    Columns: coordinates, release (of the data), differs (in what the run differs from the suite and its profile; both the same
    on every line, since what reads CSV would not understand a comment above the header), control (0 or 1), key, status,
    reason, unranked, then those of `BLOCKS`, each name that any record has; audits are pass, fail or n.a. Numbers are written
    in full; text that a spreadsheet would take for a formula has an apostrophe before it (`bench.text.clean.cell`).
    wall_costs=False leaves out the costs that differ from run to run.
    """
    names = _names(record for record in cells.values() if record)
    if not wall_costs:
        names["cost"] = [name for name in names["cost"] if name in COSTS_THAT_REPEAT]
    modalities = _pairs(names["imputation"])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    differs, edited = sentence(export.overrides), frozenset(export.edited)
    controls = set(export.control_imputers), set(export.control_fusers)
    release = GENERATED if export.synthetic else export.release
    named = [*PLACE, "release", "differs", "control", "key", "status", "reason", "unranked"]
    writer.writerow(map(cell, [*named, *(f"{block} {name}" for block in BLOCKS for name in names[block])]))
    for at, record in cells.items():
        line = [getattr(at, name) for name in PLACE]
        line += release, differs, int(at.imputer in controls[0] or at.fuser in controls[1])
        lost = unranked.get(method_of(at), "")
        if record is None:
            writer.writerow(map(cell, [*line, "", "not-run", "", lost, *([None] * sum(map(len, names.values())))]))
            continue
        reason = "; ".join(filter(None, [record.reason, EDITED * (record.key in edited)]))
        line += record.key, record.status, redact_text(reason), lost
        line += map(record.scores.get, names["test"])
        line += map(record.validation.get, names["validation"])
        line += [getattr(record.calibration, name, None) for name in names["calibration"]]
        line += map(_patterns(record).get, names["pattern"])
        line += [record.imputation.get(modality, {}).get(name) for modality, name in modalities]
        line += map(record.hidden.get, names["hidden"])
        line += [_outcome(record.audits.get(name)) for name in names["audit"]]
        line += map(record.counts.get, names["records"])
        line += map(record.costs.get, names["cost"])
        writer.writerow(map(cell, line))
    return text.getvalue()


def _names(records: Iterable[Record]) -> dict[str, list[str]]:
    """Block -> the names any record has in it, sorted."""
    found: dict[str, set[str]] = {block: set() for block in BLOCKS}
    for record in records:
        found["test"].update(record.scores)
        found["validation"].update(record.validation)
        found["imputation"].update(
            f"{modality} {name}" for modality, scores in record.imputation.items() for name in scores
        )
        found["calibration"].update(CALIBRATION if record.calibration else ())
        found["pattern"].update(_patterns(record))
        found["hidden"].update(record.hidden)
        found["audit"].update(record.audits)
        found["records"].update(record.counts)
        found["cost"].update(record.costs)
    return {block: sorted(names) for block, names in found.items()}


def _patterns(record: Record) -> dict[str, float | None]:
    """Two columns for each combination of modalities: how many records, and their score."""
    return {
        f"{pattern.name} {what}": getattr(pattern, what) for pattern in record.patterns for what in ("records", "score")
    }


def _pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """(modality, metric) of the columns of imputation scores; metrics are single words."""
    return [(modality, metric) for modality, _, metric in (name.rpartition(" ") for name in names)]


def _outcome(audit: Audit | None) -> str | None:
    if audit is None:
        return None
    return "n.a." if audit.passed is None else "pass" if audit.passed else "fail"
