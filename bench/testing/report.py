"""What a conformance run found: one outcome per check, and a summary that says how many ran."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bench.text.clean import line

Status = Literal["passed", "failed", "skipped", "expected"]

_MARKS: dict[Status, str] = {"passed": "ok", "failed": "FAILED", "skipped": "skipped", "expected": "expected failure"}


@dataclass(frozen=True)
class Outcome:
    """One check: its name, what became of it, the promise, why (empty when it passed), and how long
    it took.

    needed: what failed in an earlier check, where this one was skipped because it could not start
            without.
    """

    name: str
    status: Status
    promise: str
    detail: str = ""
    seconds: float = 0.0
    needed: str = ""


@dataclass(frozen=True)
class Report:
    """All outcomes of one component."""

    kind: str
    name: str
    plugin: str
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """No promise is broken, and at least one check passed."""
        return not self.of("failed") and bool(self.of("passed"))

    def of(self, status: Status) -> list[Outcome]:
        """The outcomes with one status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    def summary(self) -> str:
        """One line: how many checks ran, passed, failed; how many were skipped and why."""
        passed, failed, expected = self.of("passed"), self.of("failed"), self.of("expected")
        ran = len(passed) + len(failed) + len(expected)
        parts = [f"{len(passed)} passed", f"{len(failed)} failed"]
        if expected:
            parts.append(f"{len(expected)} expected failure{'' if len(expected) == 1 else 's'}")
        told_of = f"{ran} check{'' if ran == 1 else 's'} ran: {', '.join(parts)}"
        skipped = self.of("skipped")
        reasons: dict[str, list[str]] = {}
        for outcome in skipped:
            reasons.setdefault(outcome.detail, []).append(outcome.name)
        why = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
        return f"{told_of}; {len(skipped)} skipped" + (f": {why}" if why else "")

    def to_text(self) -> str:
        """The report for a terminal: a line per check, the promise under each that failed, the
        summary.
        """
        width = max((len(outcome.name) for outcome in self.outcomes), default=0)
        lines = [f"{self.kind} {self.name} (from {self.plugin or 'the caller'})"]
        for outcome in self.outcomes:
            detail = f": {line(outcome.detail)}" if outcome.detail else ""
            lines.append(f"  {outcome.name:<{width}}  {_MARKS[outcome.status]}{detail}")
            if outcome.status == "failed":
                lines.append(f"  {'':<{width}}  promised: {outcome.promise}")
        return "\n".join([*lines, self.summary()])

    def to_plain(self) -> dict[str, Any]:
        """The same as plain data, for `--json`."""
        return {
            "kind": self.kind,
            "name": self.name,
            "plugin": self.plugin,
            "ok": self.ok,
            "summary": self.summary(),
            "checks": [
                {"name": o.name, "status": o.status, "detail": o.detail, "seconds": round(o.seconds, 4)}
                for o in self.outcomes
            ],
        }
