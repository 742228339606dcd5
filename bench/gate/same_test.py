"""Whether two runs of a method are the same test: same data, split, masks, task and records."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bench.gate.quantities import ALL, Cells, Run
from bench.grid.differences import deciding, sentence
from bench.results.coordinates import Method
from bench.results.records import Record, failed_audits

ABSENT = "absent modalities"
WORDS = {"manifest": "digest of the data", "hidden in": "parts in which entries are hidden"}
"""Entries of the provenance that need more words."""
SAME_TEST = ("manifest", "split", "scaling", "hidden in", ABSENT, "profile", "scenario parameters")
"""Entries of `Record.provenance` that must agree for two cells to be the same test."""


PIN_NEXT = "; to have it judged next time: bench baseline pin --replace"
"""What helps where a method is judged; two runs that are compared need no baseline."""


def incomparable(method: Method, baseline: Run, new: Run) -> str:
    """Why a method cannot be compared, or "" when it can."""
    a, b = baseline.export, new.export
    if a.suite != b.suite or a.dataset != b.dataset:
        return f"the baseline is of {a.suite} on {a.dataset}, this run of {b.suite} on {b.dataset}"
    differ = [sentence(deciding(export.overrides)) or "is the suite" for export in (a, b)]
    if differ[0] != differ[1]:
        return f"the suites are not the same: the baseline {differ[0]}; this run {differ[1]}"
    if (
        a.data
        and b.data
        and (changed := sorted(n for n in a.data.keys() | b.data.keys() if a.data.get(n) != b.data.get(n)))
    ):
        values = "; ".join(f"{name} {a.data.get(name)!r}, now {b.data.get(name)!r}" for name in changed)
        return f"parameters of the dataset are not the same: {values}"
    before, after = baseline.cells_of(method), new.cells_of(method)
    if before is None:
        return f"the baseline does not plan it{PIN_NEXT}"
    if after is None:
        return "the new run does not plan it; run the same grid as the baseline"
    if method.task:
        tasks = [{(t.kind, t.metrics) for t in export.tasks if t.name == method.task} for export in (a, b)]
        if tasks[0] != tasks[1]:
            return f"the task {method.task} is defined otherwise: {_definition(tasks[0])}, now {_definition(tasks[1])}"
        metric = baseline.primary(method.task)
        holes = [f"seed {s}: {state(r)}" for s, r in sorted(before.items()) if not scored(r, metric)]
        if holes:
            return f"the baseline is not ok ({'; '.join(holes)})"
    return other_test(before, after, SAME_TEST if method.task else tuple(n for n in SAME_TEST if n != ABSENT))


def scored(record: Record | None, metric: str) -> bool:
    return record is not None and record.status == "ok" and metric in record.scores and not failed_audits(record)


def other_test(before: Cells, after: Cells, names: Iterable[str] = SAME_TEST) -> str:
    """In what the test of these cells differs from that of those before, in words; "" where it is
    the same. names: of `Record.provenance` that must agree.
    """
    for name in names:
        values = [_entries(cells, name) for cells in (before, after)]
        if values[1] and values[0] != values[1]:
            return f"not the same {WORDS.get(name, name)}: {listed(values[0])}, now {listed(values[1])}"
    counts = [{r.counts["test"] for r in c.values() if r and "test" in r.counts} for c in (before, after)]
    if counts[1] and counts[0] != counts[1]:
        return f"the number of test records differs: {listed(map(str, counts[0]))}, now {listed(map(str, counts[1]))}"
    for seed in sorted(before.keys() & after.keys()):
        old, new = before[seed], after[seed]
        if old and new and old.status == new.status == "ok":
            hid, hides = (record.hidden.get("realised") for record in (old, new))
            if hid is not None and hides is not None and not math.isclose(hid, hides, rel_tol=1e-9):
                return f"other entries are hidden under seed {seed}: a share of {hid:.6g}, now {hides:.6g}"
            count, counts_now = (record.imputation.get(ALL, {}).get("hidden") for record in (old, new))
            if count is not None and counts_now is not None and count != counts_now:
                return f"other entries are scored under seed {seed}: {count:.0f} hidden ones, now {counts_now:.0f}"
    return ""


def _entries(cells: Cells, name: str) -> set[str]:
    """What the records say under a name of `SAME_TEST`.

    Absent modalities were always filled, and no record said so, until every ok cell was audited for
    what its fuser makes of their content. A cell that is not ok has no audits and tells nothing of
    it.
    """
    entries = set()
    for record in cells.values():
        if record is None:
            continue
        entry = record.provenance.get(name, "")
        if name == ABSENT and not entry:
            if record.status != "ok":
                continue
            entry = "" if "absent-ignored" in record.audits else "filled"
        entries.add(entry)
    return entries


def _definition(tasks: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    return " or ".join(f"{kind} by {', '.join(metrics)}" for kind, metrics in sorted(tasks)) or "unknown"


def listed(values: Iterable[str]) -> str:
    return " and ".join(sorted((f"{v[:16]}…" if len(v) > 40 else v) or "none" for v in values)) or "none"


def state(record: Record | None) -> str:
    """How a cell stands, in words."""
    if record is None:
        return "not-run"
    if failed := failed_audits(record):
        return f"the audit {' and '.join(sorted(failed))} failed"
    if record.status == "ok":
        return "ok, but its primary score is not a number"
    return f"{record.status}: {record.reason}" if record.reason else record.status
