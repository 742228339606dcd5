"""How long a job will probably take: what the ledger has seen of the same method, else what its
plugin declares.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bench.grid.cell import Cell
from bench.registry import Registry
from bench.results.records import Record
from bench.stages.order import BY_NAME, STAGES
from bench.workload import Workload

JOB, RECORD, SHARE = 0.1, 5e-5, 1.1
"""What a job takes: so many seconds, so many for each record (loading, selecting, scoring, audits),
and so many times the method's own, since audits ask it again.
"""

CHANNELS = 10
"""Channels of a modality of which nothing is known."""


class Estimates:
    """Seconds per job. Learns from `see` while a run goes on.

    records: of the whole cohort. channels: modality -> how many it has, as far as that is known.
    """

    def __init__(self, registry: Registry, records: int, channels: Mapping[str, int], draws: int = 1):
        self.registry, self.records, self.channels, self.draws = registry, records, channels, draws
        self.seen: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        self.declared: dict[tuple[str, str, str, tuple[str, ...]], float] = {}

    def resize(self, records: int, channels: Mapping[str, int]) -> None:
        """The cohort has so many records and channels, now that it is there."""
        self.records, self.channels = records, channels
        self.declared.clear()

    def learn(self, suite: str, past: Iterable[Record]) -> None:
        """Take the costs of finished cells of a suite."""
        for record in past:
            at = record.coordinates
            if record.status == "ok" and at.suite == suite:
                for stage in STAGES:
                    if stage.costs:
                        seconds = sum(record.costs.get(name, 0.0) for name in stage.costs)
                        self._see(stage.name, stage.where(at), getattr(at, stage.kind), self._whole(seconds))

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
                return _median(self.seen[key])
        at = (stage, method.label, where, cell.modalities)
        if at not in self.declared:
            spec = which.spec(cell, self.registry)
            self.declared[at] = self._whole(spec.expected_seconds(method.params, self._workload(cell, which.kind)))
        return self.declared[at]

    def _whole(self, method: float) -> float:
        """Seconds of a job whose method takes so many."""
        return JOB + RECORD * self.records + SHARE * method

    def _workload(self, cell: Cell, kind: str) -> Workload:
        """A fuser has to do with the records whose outcome is known, all others with the whole
        cohort.
        """
        task = self.registry.get("dataset", cell.dataset.name).tasks[cell.coordinates.task]
        return Workload(
            records=math.ceil(self.records * task.eligible) if kind == "fuser" else self.records,
            draws=self.draws,
            channels={name: self.channels.get(name, CHANNELS) for name in cell.modalities},
            labels=task.outputs if kind == "fuser" and task.kind != "regression" else 1,
        )


def _median(ordered: Sequence[float]) -> float:
    """The median of numbers that are in order: asked for once per cell, so it must not sort."""
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
