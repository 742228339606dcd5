"""What the audits of one method say, over its scored cells and the audit cells planned for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bench.leaderboard.board import AuditResult
from bench.results.records import Audit, Coordinates, Record
from bench.results.redact import redact_text

AUDITS = (
    "scored-once",
    "imputed-reaches-fuser",
    "absent-ignored",
    "batch-independent",
    "observed-untouched",
    "imputer-independent",
    "draws-nested",
    "permuted-labels",
    "repeat-identical",
)
"""The audits in the order tables print them; see docs/results.md for what each asks."""

OF_CELL = {"permuted-labels": "permuted-labels", "repeat": "repeat-identical"}
"""Audit cells, by `Coordinates.audit`, and the audit each one is run for."""


def audit_results(
    scored: Mapping[Coordinates, Record | None], audit_cells: Mapping[Coordinates, Record | None]
) -> dict[str, AuditResult]:
    """Audit name -> result. An audit cell speaks only for the audit it was planned for; its scores are nobody's.

    Failed if it failed in any cell; passed if it passed somewhere and failed nowhere; not applicable if every cell
    said so; not run if its audit cell has no outcome.
    """
    outcomes: dict[str, list[tuple[int, Audit]]] = {}
    missing: dict[str, str] = {}
    for at, record in scored.items():
        for name, audit in record.audits.items() if record else ():
            outcomes.setdefault(name, []).append((at.seed, audit))
    for at, record in audit_cells.items():
        name = OF_CELL.get(at.audit, at.audit)
        if record and name in record.audits:
            outcomes.setdefault(name, []).append((at.seed, record.audits[name]))
        elif name not in outcomes:
            missing[name] = f"{record.status}: {redact_text(record.reason)}" if record and record.status != "ok" else ""
    results = {name: _result(sorted(found, key=_order)) for name, found in outcomes.items()}
    results |= {name: AuditResult("not run", why) for name, why in missing.items() if name not in results}
    known = [name for name in AUDITS if name in results]
    return {name: results[name] for name in [*known, *sorted(results.keys() - set(AUDITS))]}


def failure(results: Mapping[str, AuditResult], names: Collection[str] = ()) -> str:
    """Which audits failed and how, in words; "" where none did. names: those that count, all where none is named."""
    return "; ".join(
        f"audit {name} failed ({result.detail})" if result.detail else f"audit {name} failed"
        for name, result in results.items()
        if result.state == "failed" and (not names or name in names)
    )


def _order(entry: tuple[int, Audit]) -> tuple[int, str, str]:
    return entry[0], str(entry[1].passed), entry[1].detail


def _result(found: list[tuple[int, Audit]]) -> AuditResult:
    failed = [
        f"seed {seed}: {redact_text(audit.detail)}" if audit.detail else f"seed {seed}"
        for seed, audit in found
        if audit.passed is False
    ]
    if failed:
        return AuditResult("failed", "; ".join(dict.fromkeys(failed)))
    if any(audit.passed for _, audit in found):
        return AuditResult("passed")
    return AuditResult("not applicable", redact_text(next((audit.detail for _, audit in found if audit.detail), "")))
