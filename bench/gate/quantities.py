"""What of a run is judged: quantities with a direction, and the cells that hold their values,
one per seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from bench.leaderboard.board import higher_is_better, join
from bench.results.completions import completion_of, imputations
from bench.results.coordinates import Coordinates, Method, Repeat, imputation_of, method_of
from bench.results.records import IMPUTATION_METRICS, Audit, Export, Record, failed_audits

Kind = Literal["score", "imputation", "calibration", "cost"]

Cells = dict[Repeat, Record | None]
"""Seed -> record of one method; None where the planned cell has no result of the code as it is."""

ALL = "all"
"""Of `Record.imputation`: over all modalities."""

CALIBRATION = ("ece", "brier")
COSTS = ("fit_seconds", "predict_seconds", "seconds_per_sample", "parameters", "peak_memory_bytes")
IMPUTER_COSTS = ("impute_fit_seconds", "impute_seconds_per_draw", "imputer_parameters", "impute_peak_memory_bytes")


class Quantity(msgspec.Struct, frozen=True):
    """A number per cell, and whether larger is better."""

    kind: Kind
    name: str
    higher: bool = False

    def of(self, record: Record | None) -> float | None:
        """Its value in an ok record; None where there is none, and for the score of one that
        failed an audit.
        """
        if record is None or record.status != "ok":
            return None
        if self.kind == "score":
            return None if failed_audits(record) else record.scores.get(self.name)
        if self.kind == "imputation":
            return record.imputation.get(ALL, {}).get(self.name)
        if self.kind == "calibration":
            return getattr(record.calibration, self.name, None)
        return record.costs.get(self.name)

    def values(self, cells: Cells) -> dict[Repeat, float]:
        """Seed -> value, of the seeds that have one."""
        return {seed: value for seed, record in sorted(cells.items()) if (value := self.of(record)) is not None}


class Run(msgspec.Struct, frozen=True):
    """An export by method.

    - methods: scored cells.
    - imputations: cells of any fuser, under a method without task and fuser; and what fusers
      completed by themselves (`bench.results.completions`).
    - edited: planned coordinates whose result is of code that was edited since.
    """

    export: Export
    methods: Mapping[Method, Cells]
    imputations: Mapping[Method, Cells]
    edited: frozenset[Coordinates]

    def primary(self, task: str) -> str:
        return next((t.metrics[0] for t in self.export.tasks if t.name == task), "")

    def cells_of(self, method: Method) -> Cells | None:
        return (self.methods if method.task else self.imputations).get(method)

    def edited_seeds(self, method: Method) -> list[Repeat]:
        """The seeds whose results of a method are of code that was edited since and were not made
        again.
        """
        seeds = {
            at.repeat
            for at in self.edited
            if not at.audit and method in ([method_of(at)] if method.task else [imputation_of(at), completion_of(at)])
        }
        cells = self.cells_of(method) or {}
        return sorted(seed for seed in seeds if cells.get(seed) is None)


def read(export: Export) -> Run:
    """The cells of an export by method. The results of edited cells count as missing; what an audit
    cell failed is held against all scored cells of its method.
    """
    cells, _ = join(export)
    stale = frozenset(export.edited)
    edited = frozenset(at for at, key in export.planned if key in stale)
    methods: dict[Method, Cells] = {}
    failed: dict[Method, dict[str, Audit]] = {}
    by_imputation: dict[Method, Cells] = {}
    for at, stored in cells.items():
        record = None if at in edited else stored
        if at.audit:
            if record:
                lost = {name: record.audits[name] for name in failed_audits(record)}
                failed.setdefault(method_of(at), {}).update(lost)
            continue
        methods.setdefault(method_of(at), {})[at.repeat] = record
    for method, lost in failed.items():
        for seed, scored in methods.get(method, {}).items() if lost else ():
            if scored is not None:
                methods[method][seed] = msgspec.structs.replace(scored, audits={**scored.audits, **lost})
    valid = {at: None if at in edited else record for at, record in cells.items() if not at.audit}
    for method, at, record in imputations(valid):
        seeds = by_imputation.setdefault(method, {})
        seeds[at.repeat] = max(seeds.get(at.repeat), record, key=_tells)
    return Run(export, methods, by_imputation, edited)


def _tells(record: Record | None) -> int:
    """How much a record tells of its imputation."""
    return 0 if record is None else 2 if record.status == "ok" and record.imputation else 1


def quantities(run: Run, method: Method, costs: bool) -> list[Quantity]:
    """What is judged of a method: all that the baseline `run` holds a value of, and always the
    primary metric.
    """
    cells = run.cells_of(method) or {}
    if method.task:
        primary = run.primary(method.task)
        always = [Quantity("score", primary, bool(higher_is_better(run.export, primary)))]
        more = [Quantity("calibration", name) for name in CALIBRATION]
        more += [Quantity("cost", name) for name in COSTS] if costs else []
    else:
        always, more = [], [Quantity("imputation", name) for name in IMPUTATION_METRICS]
        more += [Quantity("cost", name) for name in IMPUTER_COSTS] if costs else []
    return [*always, *(quantity for quantity in more if quantity.values(cells))]
