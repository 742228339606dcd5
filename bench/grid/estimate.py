"""How long a job will probably take: what the ledger has seen of the same method, else what its plugin declares."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bench.grid.cell import Cell
from bench.registry import Registry
from bench.results.records import Record
from bench.stages.order import BY_NAME, STAGES

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
                for stage in STAGES:
                    if stage.costs:
                        seconds = sum(record.costs.get(name, 0.0) for name in stage.costs)
                        self._see(stage.name, stage.where(at), getattr(at, stage.kind), seconds)

    def see(self, stage: str, cell: Cell, seconds: float) -> None:
        """Note what the job of a stage took for a cell."""
        which = BY_NAME[stage]
        self._see(stage, which.where(cell.coordinates), which.variant(cell).label, seconds)

    def _see(self, stage: str, where: str, label: str, seconds: float) -> None:
        insort(self.seen[stage, where, label], seconds)
        if where:
            insort(self.seen[stage, "", label], seconds)

    def of(self, stage: str, cell: Cell) -> float:
        """Expected seconds of the job of a stage for a cell."""
        which = BY_NAME[stage]
        method, where = which.variant(cell), which.where(cell.coordinates)
        for key in ((stage, where, method.label), (stage, "", method.label)):
            if self.seen.get(key):
                return OVERHEAD * _median(self.seen[key])
        if (stage, method.label) not in self.declared:
            spec = which.spec(cell, self.registry)
            self.declared[stage, method.label] = spec.expected_seconds(method.params, self.records, self.draws)
        return OVERHEAD * self.declared[stage, method.label]


def _median(ordered: Sequence[float]) -> float:
    """The median of numbers that are in order: asked for once per cell, so it must not sort."""
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
