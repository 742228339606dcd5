"""How long a job will probably take: what the ledger has seen of the same method, else what its
plugin declares.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from bench.federated.settings import Partition, Rounds
from bench.grid.cell import Cell
from bench.grid.federated import FREE
from bench.registry import Registry, Spec
from bench.results.records import Record
from bench.stages.order import BY_NAME, STAGES
from bench.train_params import TrainParams
from bench.workload import Workload, effort

JOB, RECORD, SHARE = 0.1, 5e-5, 1.1
"""What a job takes: so many seconds, so many for each record (loading, selecting, scoring, audits),
and so many times the method's own, since audits ask it again.
"""

CHANNELS = 10
"""Channels of a modality of which nothing is known."""

LENGTH = 48
"""Bins of the series for which methods declare their seconds, and of series of which nothing is
known.
"""

CLIENTS = 10
"""Clients of a partition by a column, whose values are not known before any data are read."""


class Estimates:
    """Seconds per job. Learns from `see` while a run goes on.

    - records: of the whole cohort.
    - channels: modality -> how many it has, as far as that is known.
    - length: bins of its series; what a method declares grows in proportion to it.
    - rounds, partition: how a federation trains.
    """

    def __init__(
        self,
        registry: Registry,
        records: int,
        channels: Mapping[str, int],
        draws: int = 1,
        *,
        length: int = LENGTH,
        rounds: Rounds | None = None,
        partition: Partition | None = None,
    ):
        self.registry, self.records, self.channels, self.draws = registry, records, channels, draws
        self.length, self.rounds, self.partition = length, rounds or Rounds(), partition or Partition()
        self.seen: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        self.declared: dict[tuple[str, str, str, tuple[str, ...]], float] = {}

    def resize(self, records: int, channels: Mapping[str, int], length: int) -> None:
        """The cohort has so many records, channels and bins, now that it is there."""
        self.records, self.channels, self.length = records, channels, length
        self.declared.clear()

    def learn(self, suite: str, past: Iterable[Record]) -> None:
        """Take the costs of finished cells of a suite."""
        for record in past:
            at = record.coordinates
            if record.status == "ok" and at.suite == suite:
                for stage in STAGES:
                    if stage.costs:
                        seconds = sum(record.costs.get(name, 0.0) for name in stage.costs)
                        seconds *= self._more_rounds(record, stage.kind)
                        self._see(stage.name, stage.where(at), getattr(at, stage.kind), self._whole(seconds))

    def see(self, stage: str, cell: Cell, seconds: float) -> None:
        """Note what the job of a stage took for a cell."""
        which = BY_NAME[stage]
        self._see(stage, which.where(cell.coordinates), _label(cell, which.kind), seconds)

    def _see(self, stage: str, where: str, label: str, seconds: float) -> None:
        insort(self.seen[stage, where, label], seconds)
        if where:
            insort(self.seen[stage, "", label], seconds)

    def of(self, stage: str, cell: Cell) -> float:
        """Expected seconds of the job of a stage for a cell."""
        which = BY_NAME[stage]
        label, where = _label(cell, which.kind), which.where(cell.coordinates)
        for key in ((stage, where, label), (stage, "", label)):
            if self.seen.get(key):
                return _median(self.seen[key])
        at = (stage, label, where, cell.modalities)
        if at not in self.declared:
            spec = which.spec(cell, self.registry)
            seconds = self._declared(spec, which.variant(cell).params, cell)
            longer = self.length / LENGTH if which.kind in ("imputer", "fuser") else 1.0
            self.declared[at] = self._whole(seconds * longer)
        return self.declared[at]

    def _declared(self, spec: Spec, values: dict[str, Any], cell: Cell) -> float:
        """What a component declares for a cell, trained as the federation of the cell trains it: by
        each client on its own records, whose last batch is seldom full.
        """
        work = self._workload(cell, spec.kind)
        federation = self.registry.get("federation", cell.federation.name)
        if "pooled" in federation.tags or set(FREE) & spec.tags:
            return spec.expected_seconds(values, work)
        clients = self.partition.clients or CLIENTS
        share = msgspec.structs.replace(work, records=max(1, math.ceil(work.records / clients)))
        if "alone" in federation.tags:
            return clients * spec.expected_seconds(values, share)
        if not issubclass(spec.params, TrainParams):
            return spec.expected_seconds(values, work)
        chosen = min(self.rounds.per_round or clients, clients)
        rounds = {**values, **self._budget()}
        if callable(spec.seconds):
            return chosen * spec.expected_seconds(rounds, share)
        one, all_rounds = _steps(spec.parameters(values), work), chosen * _steps(spec.parameters(rounds), share)
        return spec.expected_seconds(values, work) * all_rounds / one

    def _budget(self) -> dict[str, Any]:
        """The parameters that rounds put in place of those of a method, for a client that is chosen
        in all of them.
        """
        rounds = self.rounds
        steps = rounds.number * rounds.steps if rounds.steps else None
        return {"epochs": rounds.number * rounds.epochs, "steps": steps, "seconds": None}

    def _more_rounds(self, record: Record, kind: str) -> float:
        """How many times the rounds of a finished cell are asked for now."""
        trained = getattr(record.federated, kind, None)
        return self.rounds.number / len(trained.rounds) if trained and trained.rounds else 1.0

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


def _label(cell: Cell, kind: str) -> str:
    """What tells methods of a kind apart: of a method that clients trained, its federation too."""
    label: str = getattr(cell.coordinates, kind, "")
    return label or cell.chosen[kind].label


def _steps(params: Any, work: Workload) -> int:
    """Optimiser steps of a training, whose parameters are `TrainParams`."""
    return effort(work.train, epochs=params.epochs, batch_size=params.batch_size, steps=params.steps).steps


def _median(ordered: Sequence[float]) -> float:
    """The median of numbers that are in order: asked for once per cell, so it must not sort."""
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
