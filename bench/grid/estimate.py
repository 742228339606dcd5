"""How long a job will probably take: what the ledger has seen of the same method, else what its plugin declares."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bench.config.asked import Variant
from bench.grid.plan import Cell
from bench.registry import Registry
from bench.results.records import Record

IMPUTE = ("impute_fit_seconds", "impute_seconds")
FUSE = ("fit_seconds", "predict_seconds")
OVERHEAD = 1.5
"""A job takes longer than its method: loading, audits, scoring. Estimates are multiplied by this."""


class Estimates:
    """Seconds per job. Learns from `see` while a run goes on."""

    def __init__(self, registry: Registry, records: int, draws: int = 1):
        self.registry, self.records, self.draws = registry, records, draws
        self.seen: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        self.declared: dict[tuple[str, str], float] = {}

    def resize(self, records: int) -> None:
        """The cohort has so many records, now that it is there."""
        self.records = records
        self.declared.clear()

    def learn(self, suite: str, past: Iterable[Record]) -> None:
        """Take the costs of finished cells of a suite."""
        for record in past:
            at = record.coordinates
            if record.status == "ok" and at.suite == suite:
                self.see("impute", at.scenario, at.imputer, sum(record.costs.get(name, 0.0) for name in IMPUTE))
                self.see("fuse", at.task, at.fuser, sum(record.costs.get(name, 0.0) for name in FUSE))

    def see(self, stage: str, where: str, method: str, seconds: float) -> None:
        """Note what one job of a method took."""
        insort(self.seen[stage, where, method], seconds)
        insort(self.seen[stage, "", method], seconds)

    def impute(self, cell: Cell) -> float:
        """Expected seconds of a cell's imputation."""
        return self._of("impute", cell.coordinates.scenario, cell.coordinates.imputer, cell.imputer)

    def fuse(self, cell: Cell) -> float:
        """Expected seconds of a cell's fit, prediction and audits."""
        return self._of("fuse", cell.coordinates.task, cell.coordinates.fuser, cell.fuser)

    def _of(self, stage: str, where: str, label: str, method: Variant) -> float:
        for key in ((stage, where, label), (stage, "", label)):
            if self.seen.get(key):
                return OVERHEAD * _median(self.seen[key])
        if (stage, label) not in self.declared:
            spec = self.registry.get(method.kind, method.name)
            self.declared[stage, label] = spec.expected_seconds(method.params, self.records, self.draws)
        return OVERHEAD * self.declared[stage, label]


def _median(ordered: Sequence[float]) -> float:
    """The median of numbers that are in order: asked for once per cell, so it must not sort."""
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
