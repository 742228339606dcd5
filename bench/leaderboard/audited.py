"""What the audits of one method say, over its scored cells and the audit cells planned for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

from bench.results.coordinates import Coordinates, Repeat, one
from bench.results.records import Audit, Record
from bench.results.redact import redact_text

AUDITS = (
    "scored-once",
    "imputed-reaches-fuser",
    "absent-ignored",
    "batch-independent",
    "observed-untouched",
    "imputer-independent",
    "draws-nested",
    "completion-untouched",
    "completion-independent",
    "completion-nested",
    "clients-apart",
    "declared-alone-sent",
    "permuted-labels",
    "repeat-identical",
)
"""The audits in the order tables print them; see docs/explanation/audits.md for what each asks."""

OF_CELL = {"permuted-labels": "permuted-labels", "repeat": "repeat-identical"}
"""Audit cells, by `Coordinates.audit`, and the audit each one is run for."""


class AuditResult(msgspec.Struct, frozen=True):
    """One audit of one row, over all its cells. detail: what failed, or why it does not apply or
    was not run.
    """

    state: Literal["passed", "failed", "not applicable", "not run"]
    detail: str = ""


def audit_results(
    scored: Mapping[Coordinates, Record | None], audit_cells: Mapping[Coordinates, Record | None]
) -> dict[str, AuditResult]:
    """Audit name -> result. An audit cell speaks only for the audit it was planned for; its scores
    are not used.

    Failed if it failed in any cell; passed if it passed in one and failed in none. Not applicable
    if every cell said so; not run if its audit cell has no outcome.
    """
    outcomes: dict[str, list[tuple[Repeat, Audit]]] = {}
    missing: dict[str, str] = {}
    for at, record in scored.items():
        for name, audit in record.audits.items() if record else ():
            outcomes.setdefault(name, []).append((at.repeat, audit))
    for at, record in audit_cells.items():
        name = OF_CELL.get(at.audit, at.audit)
        if record and name in record.audits:
            outcomes.setdefault(name, []).append((at.repeat, record.audits[name]))
        elif name not in outcomes:
            missing[name] = f"{record.status}: {redact_text(record.reason)}" if record and record.status != "ok" else ""
    results = {name: _result(seen) for name, seen in outcomes.items()}
    results |= {name: AuditResult("not run", why) for name, why in missing.items() if name not in results}
    return {name: results[name] for name in in_order(results)}


def in_order(names: Collection[str]) -> list[str]:
    """Audits as tables print them: those of this version, then others by name."""
    return [name for name in AUDITS if name in names] + sorted(set(names) - set(AUDITS))


def failure(results: Mapping[str, AuditResult], names: Collection[str] = ()) -> str:
    """Which audits failed and how, in words; "" where none did. names: those that count, all
    where none is named.
    """
    return "; ".join(
        f"audit {name} failed ({result.detail})" if result.detail else f"audit {name} failed"
        for name, result in results.items()
        if result.state == "failed" and (not names or name in names)
    )


def _result(outcomes: list[tuple[Repeat, Audit]]) -> AuditResult:
    states = {audit.passed for _, audit in outcomes}
    if False not in states and True in states:
        return AuditResult("passed")
    outcomes = sorted(outcomes, key=lambda each: (each[0], str(each[1].passed), each[1].detail))
    failed = [
        f"{one(repeat)}: {redact_text(audit.detail)}" if audit.detail else one(repeat)
        for repeat, audit in outcomes
        if audit.passed is False
    ]
    if failed:
        return AuditResult("failed", "; ".join(dict.fromkeys(failed)))
    return AuditResult("not applicable", redact_text(next((audit.detail for _, audit in outcomes if audit.detail), "")))
